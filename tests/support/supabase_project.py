"""A real server that is shaped like a project of Supabase: whoever connects is no superuser, and owns only some of it.

The platform's superuser is ``supabase_admin``. Extensions that cannot be had are stubs of SQL, in an installation of
their own. What the platform's library ``supautils`` allows the role ``postgres`` is given to it by what PostgreSQL has
itself: the right to a setting, and the memberships that projects had before that library.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from . import workspace
from .installations import accessible
from .postgres import PostgresServer
from .programs import PROJECT

PLATFORM = (PROJECT / "tests" / "data" / "supabase_platform.sql").read_text()
CONTENTS = (PROJECT / "tests" / "data" / "supabase_project.sql").read_text()
DATABASE = "postgres"
ROLE = "postgres"

# Its functions act for whoever calls them, in the table of another.
_CRON = """
CREATE SCHEMA cron;
CREATE SEQUENCE cron.jobid_seq;
CREATE TABLE cron.job (
  jobid bigint PRIMARY KEY DEFAULT nextval('cron.jobid_seq'), schedule text NOT NULL, command text NOT NULL,
  nodename text NOT NULL DEFAULT 'localhost', nodeport int NOT NULL DEFAULT 5432,
  database text NOT NULL DEFAULT current_database(), username text NOT NULL DEFAULT session_user,
  active boolean NOT NULL DEFAULT true, jobname text, UNIQUE (jobname, username));
ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY;
CREATE POLICY cron_job_policy ON cron.job USING (username = current_user);
SELECT pg_catalog.pg_extension_config_dump('cron.job', '');
SELECT pg_catalog.pg_extension_config_dump('cron.jobid_seq', '');
CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO cron.job (jobname, schedule, command) VALUES ($1, $2, $3)
    ON CONFLICT (jobname, username) DO UPDATE SET schedule = $2, command = $3 RETURNING jobid';
CREATE FUNCTION cron.schedule(schedule text, command text) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER AS 'SELECT cron.schedule(NULL, $1, $2)';
CREATE FUNCTION cron.unschedule(job_id bigint) RETURNS bool LANGUAGE sql SECURITY DEFINER
  AS 'DELETE FROM cron.job WHERE jobid = $1 AND username = session_user RETURNING true';
CREATE FUNCTION cron.alter_job(job_id bigint, schedule text DEFAULT NULL, command text DEFAULT NULL,
  database text DEFAULT NULL, username text DEFAULT NULL, active boolean DEFAULT NULL) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN
    UPDATE cron.job AS j SET active = coalesce($6, j.active) WHERE jobid = $1 AND j.username = session_user;
    IF NOT FOUND THEN RAISE EXCEPTION ''job % is not yours'', $1; END IF;
  END';
REVOKE ALL ON FUNCTION cron.alter_job FROM PUBLIC;
INSERT INTO cron.job (schedule, command) VALUES ('* * * * *', 'SELECT 1');
"""
_EXTENSIONS = {
    "pgsodium": ("", "CREATE TABLE key (id int PRIMARY KEY, raw text); SELECT pg_extension_config_dump('key', '');"),
    "supabase_vault": (
        "",
        "CREATE TABLE secrets (name text PRIMARY KEY, secret text); SELECT pg_extension_config_dump('secrets', '');"
        "INSERT INTO secrets VALUES ('api', 'encrypted');",
    ),
    "pg_graphql": ("graphql", "CREATE FUNCTION graphql.resolve(query text) RETURNS text LANGUAGE sql AS 'SELECT 1';"),
    "pg_cron": (
        "pg_catalog",
        _CRON,
    ),
    "pg_net": (
        "",
        "CREATE SCHEMA net; CREATE TABLE net._http_response (id bigint, content text);"
        "CREATE FUNCTION net.http_post(url text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';",
    ),
}
"""Name -> the schema that it brings, and its script."""


class ProjectServer(PostgresServer):
    """A server whose only database is a project's; empty, as a new project is.

    :ivar role_password: of the role ``postgres``.
    """

    superuser = "supabase_admin"

    def _server_programs(self) -> Path:
        return _with_stubs(accessible(self.bin_dir, self._user), self.major)

    def start(self) -> ProjectServer:
        super().start()
        if not hasattr(self, "role_password"):
            self.role_password = secrets.token_urlsafe(12)
            self.psql(DATABASE, PLATFORM)
            self.query(DATABASE, "ALTER ROLE postgres PASSWORD %s", [self.role_password])
        return self

    def fill(self) -> ProjectServer:
        """Create the objects that a team has in its project."""
        self.as_role(CONTENTS)
        return self

    def as_role(self, statements: str) -> str:
        """Run *statements* as the role that a project's owner has."""
        environment = {**self.environment(DATABASE), "PGUSER": ROLE, "PGPASSWORD": self.role_password}
        argv: list[str | Path] = [self.bin_dir / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        done = subprocess.run(argv, input=statements, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout

    def dump_as_role(self, *options: str) -> bytes:
        """What pg_dump writes for that role, all rows that it may read among it."""
        environment = {**self.environment(DATABASE), "PGUSER": ROLE, "PGPASSWORD": self.role_password}
        argv: list[str | Path] = [self.bin_dir / "pg_dump", "-Fc", "--no-sync", *options]
        return subprocess.run(argv, capture_output=True, check=True, env=environment).stdout

    def options(self) -> dict[str, Any]:
        """The connection options of modules for that role."""
        return {"login_user": ROLE, "login_password": self.role_password, "profile": "supabase"}


def _with_stubs(bin_dir: Path, major: int) -> Path:
    """An installation with the stubs, and links to everything else."""
    found = subprocess.run(
        [bin_dir / "pg_config", "--bindir", "--sharedir"], capture_output=True, text=True, check=True
    )
    programs, share = map(Path, found.stdout.split())
    base = Path(os.path.commonpath([programs, share]))
    copy = workspace.root() / "installations" / f"supabase{major}"
    with workspace.exclusive("installations"):
        if not copy.exists():
            _link_around(base, copy, {programs.relative_to(base), (share / "extension").relative_to(base)})
            # A server finds its files from where its program really is.
            for name in ("postgres", "initdb"):
                program = copy / programs.relative_to(base) / name
                source = program.resolve()
                program.unlink()
                program.write_bytes(source.read_bytes())
                program.chmod(0o755)
            for name, (schema, script) in _EXTENSIONS.items():
                where = f"schema = '{schema}'\n" if schema else "relocatable = false\n"
                folder = copy / (share / "extension").relative_to(base)
                (folder / f"{name}.control").write_text(f"default_version = '1.0'\n{where}")
                (folder / f"{name}--1.0.sql").write_text(script)
    return copy / programs.relative_to(base)


def _link_around(base: Path, copy: Path, opened: set[Path]) -> None:
    """Folders on the way to *opened* ones, links to all else."""
    copy.mkdir(parents=True, mode=0o755)
    for child in base.iterdir():
        inside = {path.relative_to(child.name) for path in opened if path.parts[:1] == (child.name,)}
        if inside:
            _link_around(child, copy / child.name, {path for path in inside if path.parts})
        else:
            (copy / child.name).symlink_to(child)
