"""A project's database, as a role that is no superuser: backed up, drilled, and restored wherever it must be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.comparing_live import run_backup_compare
from ansible_collections.mobul.backup.plugins.modules import backup_compare
from support.backup_bench import ENVIRONMENT, Bench, make_keys
from support.drill_runs import drill, failures
from support.installations import installations
from support.lab import PostgresServer
from support.module_parameters import parameters
from support.restore_runs import RestoreBench, databases
from support.stored_sets import contents_of, pg_dump
from support.supabase_project import DATABASE, ProjectServer
from support.table_restores import restore_table

PASSWORDS = "SELECT id, encrypted_password FROM auth.users ORDER BY id"
POLICIES = "SELECT * FROM pg_policies WHERE schemaname <> 'cron' ORDER BY schemaname, tablename, policyname"
JOBS = "SELECT jobname, schedule, command, database, username, active FROM cron.job ORDER BY 1, 2, 3"
RIGHTS = """
SELECT what, name, pg_get_userbyid(grantor), CASE grantee WHEN 0 THEN '' ELSE grantee::regrole::text END,
  string_agg(privilege_type || is_grantable, ',' ORDER BY privilege_type)
FROM (
  SELECT 'column', attrelid::regclass || '.' || attname, attacl FROM pg_attribute
  UNION ALL SELECT 'relation', oid::regclass::text, relacl FROM pg_class
  UNION ALL SELECT 'routine', oid::regprocedure::text, proacl FROM pg_proc
  UNION ALL SELECT 'schema', nspname, nspacl FROM pg_namespace
  UNION ALL SELECT 'type', oid::regtype::text, typacl FROM pg_type
  UNION ALL SELECT 'default', concat_ws(' ', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype),
    defaclacl FROM pg_default_acl) AS one (what, name, acl), aclexplode(acl)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
SPOIL = """
DELETE FROM public.notes;
COMMENT ON TRIGGER on_auth_user_created ON auth.users IS 'other';
DROP FUNCTION public.handle_new_user() CASCADE;
DROP POLICY "own files" ON storage.objects;
REVOKE ALL ON auth.users, storage.objects FROM reporting, anon CASCADE;
GRANT ALL ON storage.buckets TO anon, importer;
GRANT EXECUTE ON FUNCTION storage.foldername(text) TO PUBLIC;
REVOKE EXECUTE ON FUNCTION auth.uid() FROM PUBLIC, reporting;
REVOKE ALL ON SCHEMA storage FROM reporting;
GRANT ALL ON SCHEMA storage TO importer;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_auth_admin IN SCHEMA auth
  REVOKE ALL ON TABLES FROM reporting, dashboard_user;
COMMENT ON TABLE auth.users IS NULL;
DROP INDEX auth.users_created;
SELECT cron.unschedule(jobid) FROM cron.job WHERE command LIKE 'DELETE%';
SELECT cron.alter_job(jobid, active := true) FROM cron.job WHERE jobname = 'rests';
SELECT cron.schedule('late', '@daily', 'SELECT 2');
DROP TABLE private.ledger;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM anon;
DELETE FROM auth.identities;
DELETE FROM auth.refresh_tokens WHERE id > 1;
UPDATE auth.users SET encrypted_password = 'lost';
INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'late@example.com');
INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', 'late');
"""


@dataclass(frozen=True)
class Project:
    """One that was backed up.

    :param state: see :func:`state_of`.
    """

    server: ProjectServer
    bench: RestoreBench
    report: dict[str, Any]
    state: list[Any]

    def restore(self, server: ProjectServer | None = None, **changes: Any) -> dict[str, Any]:
        to = server or self.server
        return self.bench.restore(to, DATABASE, **{**to.options(), **changes})

    def recreate(self, server: ProjectServer | None = None, **changes: Any) -> dict[str, Any]:
        """The same, with all that is paused started again."""
        report = self.restore(server, **changes)
        assert {one["kind"] for one in report["paused"]} == {"job"}
        self.restore(server, state="resumed")
        return report


def state_of(server: PostgresServer) -> list[Any]:
    """The whole database: as SQL, whose grants come in any order, all rights by themselves, contents, and jobs.

    A job that comes back may have another number.
    """
    script = pg_dump(server, DATABASE, "--no-sync", "--exclude-table-data=cron.*").decode().splitlines()
    contents = contents_of(server, DATABASE)
    contents.pop(("cron", "job"), None)
    lines = sorted(line for line in script if "restrict " not in line)
    return [*lines, *server.query(DATABASE, RIGHTS), *sorted(contents.items()), *server.query(DATABASE, JOBS)]


@pytest.fixture(scope="module", params=[major for major in (15, 17) if major in installations()])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    directory = tmp_path_factory.mktemp("project")
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    with ProjectServer(request.param) as server:
        server.fill()
        report = bench.backup(server, DATABASE, **server.options())
        yield Project(server, bench, report, state_of(server))


def test_a_backup_names_what_it_is_without_and_has_the_rest(project: Project) -> None:
    secrets, others = project.report["warnings"]
    assert "secrets in pgsodium.key, vault.secrets" in secrets
    assert "auth.schema_migrations, realtime.messages_2026" in others
    stored = project.bench.bench.stored(project.report)
    left_out = {(one["schema"], one["name"]) for one in stored.manifest["tables"] if one.get("left_out")}
    assert {("vault", "secrets"), ("storage", "migrations")} <= left_out
    assert stored.rows[("auth", "users")] == 5
    assert stored.rows[("cron", "job")] == 4
    # Its definitions are complete, so that it can be restored where there is no platform.
    assert {"TABLE auth.users", "FUNCTION auth.uid()", "EVENT TRIGGER pgrst_ddl_watch"} <= set(
        stored.manifest["schema"]["objects"]
    )


@pytest.mark.sampled(1)
def test_without_the_profile_a_restore_is_refused_for_what_is_the_platforms(project: Project) -> None:
    before = state_of(project.server)
    with pytest.raises(BackupError, match=r"maintenance_db is 'postgres'"):
        project.restore(profile=None)
    with pytest.raises(BackupError, match=r"is no member.* of roles that own .*supabase_admin"):
        project.restore(profile=None, maintenance_db="template1", strategy="in_place")
    with pytest.raises(BackupError, match="can neither be renamed nor made anew"):
        project.restore(strategy="side_by_side")
    assert state_of(project.server) == before


def test_a_project_comes_back_in_place_with_every_object_row_policy_grant_and_password(project: Project) -> None:
    passwords = project.server.query(DATABASE, PASSWORDS)
    project.server.as_role(SPOIL)
    planned = project.restore(check_mode=True)
    assert planned["strategy"] == "in_place"
    report = project.recreate()
    assert state_of(project.server) == project.state
    assert project.server.query(DATABASE, PASSWORDS) == passwords
    assert report["extra_objects"] == []
    assert any("jobs of pg_cron: those of the role come back" in warning for warning in report["warnings"])
    assert project.server.as_role("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f\n"


@pytest.mark.sampled(1)
def test_a_dump_of_a_project_in_a_file_comes_back_like_a_set(project: Project, tmp_path: Path) -> None:
    server, path = project.server, tmp_path / "old.dump"
    path.write_bytes(server.dump_as_role())
    server.as_role(SPOIL)
    # What the platform has noted since stays, as it is about the objects that it has made since.
    server.query(DATABASE, "INSERT INTO auth.schema_migrations VALUES ('later')")
    try:
        report = project.recreate(label=None, src=str(path))
        (told,) = [one for one in report["warnings"] if "own or its secrets" in one]
        assert {"auth.schema_migrations", "vault.secrets"} <= set(re.split("[:,] ", told))
        assert server.query(DATABASE, "SELECT max(version) FROM auth.schema_migrations") == [("later",)]
    finally:
        server.query(DATABASE, "DELETE FROM auth.schema_migrations WHERE version = 'later'")
    assert state_of(server) == project.state
    path.write_bytes(server.dump_as_role("--inserts"))
    with pytest.raises(BackupError, match=r"auth\.\w+ as INSERT statements.*nothing was touched"):
        project.restore(label=None, src=str(path))


@pytest.mark.sampled(1)
def test_what_acts_in_any_case_on_a_table_of_the_platform_keeps_a_restore_off(project: Project) -> None:
    server = project.server
    server.query(
        DATABASE,
        """
        CREATE TABLE private.heard (what text);
        CREATE FUNCTION private.hook() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
          AS $$ BEGIN INSERT INTO private.heard VALUES (TG_OP); RETURN NULL; END $$;
        CREATE TRIGGER hook AFTER INSERT OR UPDATE OR DELETE ON auth.users
          FOR EACH ROW EXECUTE FUNCTION private.hook();
        ALTER TABLE auth.users ENABLE ALWAYS TRIGGER hook;
        REVOKE supabase_auth_admin FROM postgres;
        """,
    )
    try:
        with pytest.raises(BackupError, match=r"would act.*hook on auth\.users.*nothing was touched"):
            project.restore()
        with pytest.raises(BackupError, match=r"would act.*hook on auth\.users.*nothing was touched"):
            options = {**server.options(), "strategy": "merge", "expect_environment": ENVIRONMENT}
            restore_table(server, DATABASE, "auth.users", bench=project.bench.bench, **options)
        assert server.query(DATABASE, "SELECT * FROM private.heard") == []
    finally:
        server.query(
            DATABASE,
            "DROP FUNCTION private.hook CASCADE; DROP TABLE private.heard; GRANT supabase_auth_admin TO postgres",
        )


@pytest.mark.sampled(1)
def test_rows_that_came_later_and_refer_to_users_that_the_backup_has_not_keep_a_restore_off(project: Project) -> None:
    project.server.as_role("""
        INSERT INTO auth.users (id, email) VALUES ('00000000-0000-0000-0000-00000000ffff', 'late@example.com');
        CREATE TABLE public.later (who uuid REFERENCES auth.users);
        INSERT INTO public.later VALUES ('00000000-0000-0000-0000-00000000ffff');
    """)
    before = state_of(project.server)
    with pytest.raises(BackupError, match=r"rows of public\.later refer to rows of auth\.users"):
        project.restore()
    assert state_of(project.server) == before
    project.server.as_role("DROP TABLE public.later")
    project.recreate()
    assert state_of(project.server) == project.state


@pytest.mark.sampled(1)
def test_an_empty_project_becomes_the_one_that_was_backed_up(project: Project) -> None:
    with ProjectServer(project.server.major) as other:
        report = project.recreate(other)
        assert state_of(other) == project.state
        assert other.query(DATABASE, PASSWORDS) == project.server.query(DATABASE, PASSWORDS)
        assert report["roles_made"] == ["importer", "reporting"]
        assert any("without passwords" in one and one.endswith(": importer") for one in report["warnings"])
        assert other.query(DATABASE, "SELECT pg_has_role('importer', 'reporting', 'USAGE')") == [(True,)]
        # It is none any more, so that it is replaced by its own sets only.
        with pytest.raises(BackupError, match="adopt"):
            project.restore(other)


@pytest.mark.sampled(1)
def test_a_project_that_has_users_is_not_taken_for_an_empty_one(project: Project) -> None:
    with ProjectServer(project.server.major) as other:
        other.as_role("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'somebody@example.com')")
        with pytest.raises(BackupError, match="adopt"):
            project.restore(other)


@pytest.mark.sampled(1)
def test_a_server_without_the_platform_gets_all_but_its_extensions(
    project: Project, postgres15: PostgresServer, postgres17: PostgresServer
) -> None:
    plain = {15: postgres15, 17: postgres17}[project.server.major]
    report = drill(project.bench, plain, profile="supabase")
    assert failures(report) == {}
    assert report["verdict"] == "passed"
    (told,) = [one["message"] for one in report["findings"] if one["check"] == "expected_differences"]
    for name in ("EXTENSION pg_graphql", "EXTENSION supabase_vault", "table cron.job is missing"):
        assert name in told
    assert "public" not in told
    assert databases(plain, "drill_shop") == set()


@pytest.mark.sampled(1)
def test_a_server_of_ones_own_gets_the_project_under_another_name(
    project: Project, postgres15: PostgresServer, postgres17: PostgresServer
) -> None:
    plain = {15: postgres15, 17: postgres17}[project.server.major]
    roles: list[str] = []
    try:
        report = project.bench.restore(plain, "rescue", expect_database=DATABASE, profile="supabase")
        roles = report["roles_made"]
        assert {"authenticated", "importer", "reporting", "supabase_admin"} <= set(roles)
        (told,) = [one for one in report["warnings"] if "does not have the extensions" in one]
        assert "pg_cron, pg_net, pg_graphql, pgsodium, supabase_vault" in told
        of_extensions = {("cron", "job"), ("pgsodium", "key"), ("vault", "secrets")}
        left_out = {(one["schema"], one["name"]) for one in _left_out(project)}
        rows = contents_of(project.server, DATABASE).items()
        there = contents_of(plain, "rescue")
        assert {name for name, found in there.items() if not found.rows} >= left_out - of_extensions
        wanted = {name: found for name, found in rows if name not in left_out | of_extensions}
        assert {name: there[name] for name in wanted} == wanted
        for query in (PASSWORDS, POLICIES):
            assert plain.query("rescue", query) == project.server.query(DATABASE, query)
        assert plain.query("rescue", "SELECT count(*) FROM pg_publication_tables") == [(2,)]
    finally:
        plain.drop_database("rescue")
        for role in roles:
            plain.query("postgres", f"DROP ROLE {role}")


def _left_out(project: Project) -> list[dict[str, Any]]:
    stored = project.bench.bench.stored(project.report)
    return [one for one in stored.manifest["tables"] if one.get("left_out")]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("member", [True, False], ids=["member", "no member"])
def test_rows_of_one_table_come_back_also_of_the_platforms_own(project: Project, member: bool) -> None:
    server, owners = project.server, "supabase_auth_admin, supabase_storage_admin"

    def restore(table: str, strategy: str) -> dict[str, Any]:
        options = {**server.options(), "strategy": strategy, "expect_environment": ENVIRONMENT}
        return restore_table(server, DATABASE, table, bench=project.bench.bench, **options)

    server.as_role("""
        DELETE FROM public.notes; DELETE FROM auth.refresh_tokens WHERE id = 5;
        DELETE FROM auth.users WHERE email = 'user5@example.com'; UPDATE auth.users SET encrypted_password = 'lost';
        UPDATE storage.objects SET name = 'renamed';
    """)
    if not member:
        server.query(DATABASE, f"REVOKE {owners} FROM postgres")
    try:
        with pytest.raises(BackupError, match="Supabase's own table"):
            restore("auth.users", "swap")
        with pytest.raises(BackupError, match=r"refer to rows of auth\.users|violates foreign key"):
            restore("auth.identities", "merge")
        for table, strategy in (
            *(("auth.users", "merge"), ("auth.identities", "merge"), ("auth.refresh_tokens", "merge")),
            *(("storage.objects", "replace"), ("public.profiles", "merge"), ("public.notes", "swap")),
        ):
            assert restore(table, strategy)["changed"], table
        settled = restore_table(server, DATABASE, "public.notes", state="finalized", **server.options())
        assert settled["changed"]
    finally:
        server.query(DATABASE, f"GRANT {owners} TO postgres")
    assert state_of(server) == project.state


@pytest.mark.sampled(1)
def test_what_the_role_may_not_read_of_the_platform_is_named_and_nothing_of_the_users_is_missing(
    tmp_path_factory: pytest.TempPathFactory, project: Project
) -> None:
    directory = tmp_path_factory.mktemp("older")
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    with ProjectServer(project.server.major) as server:
        server.fill()
        server.query(DATABASE, "REVOKE pg_read_all_data, supabase_auth_admin, supabase_storage_admin FROM postgres")
        report = bench.backup(server, DATABASE, jobs=2, **server.options())
        (told,) = [one for one in report["warnings"] if "may not read" in one]
        assert "pgsodium.key, realtime.messages" in told
        before = state_of(server)
        server.as_role("DELETE FROM public.notes; UPDATE auth.users SET encrypted_password = 'lost'")
        # Policies and triggers on the platform's tables take its own rights, which its library gives.
        with pytest.raises(BackupError, match=r"objects on the platform's own tables: .*TRIGGER auth"):
            bench.restore(server, DATABASE, **server.options())
        server.query(DATABASE, "GRANT supabase_auth_admin, supabase_storage_admin TO postgres")
        bench.restore(server, DATABASE, **server.options(), outbound="active")
        assert state_of(server) == before
        options = {**bench.options(server, DATABASE, expect_environment=None), **server.options()}
        compared = parameters(backup_compare, **options)
        assert "0 losses, 0 other differences" in run_backup_compare(compared, False)["summary"][0]
        server.as_role("""
            CREATE TABLE public.mine (a int);
            REVOKE ALL ON public.mine FROM postgres, anon, authenticated, service_role;
        """)
        with pytest.raises(BackupError, match=r"no right to read table public\.mine"):
            bench.backup(server, DATABASE, **server.options())
        server.as_role("DROP TABLE public.mine")
        # So is a role that may not read users, as the temporary one of the platform's own tool.
        server.query(DATABASE, "REVOKE ALL ON auth.users FROM postgres; REVOKE supabase_auth_admin FROM postgres")
        with pytest.raises(BackupError, match=r"no right to read table auth\.users"):
            bench.backup(server, DATABASE, **server.options())
        server.query(DATABASE, "GRANT ALL ON auth.users TO postgres; GRANT supabase_auth_admin TO postgres")
        server.query(DATABASE, "REVOKE SET ON PARAMETER session_replication_role FROM postgres")
        with pytest.raises(BackupError, match="may not set session_replication_role"):
            bench.restore(server, DATABASE, **server.options())


@pytest.mark.sampled(1)
def test_what_the_platform_made_in_a_users_schema_comes_back_too(
    tmp_path_factory: pytest.TempPathFactory, project: Project
) -> None:
    directory = tmp_path_factory.mktemp("legacy")
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    version = project.server.major
    with ProjectServer(version) as server, ProjectServer(version) as empty:
        # As the dashboard made tables once.
        server.query(
            DATABASE,
            "CREATE TABLE public.legacy (id serial PRIMARY KEY, v text); INSERT INTO legacy (v) VALUES ('old');"
            "CREATE VIEW public.of_legacy AS SELECT v FROM public.legacy",
        )
        server.as_role("CREATE TABLE public.heir (of int REFERENCES public.legacy); INSERT INTO heir VALUES (1)")
        bench.backup(server, DATABASE, **server.options())
        before = state_of(server)
        server.as_role("UPDATE public.legacy SET v = 'new'")
        bench.restore(server, DATABASE, **server.options())
        assert state_of(server) == before
        report = bench.restore(empty, DATABASE, **empty.options())
        (told,) = [one for one in report["warnings"] if "becomes the role's own" in one]
        assert "TABLE public.legacy" in told
        assert contents_of(empty, DATABASE) == contents_of(server, DATABASE)
        owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('legacy', 'of_legacy', 'heir')"
        assert empty.query(DATABASE, owner) == [("postgres",)] * 3
