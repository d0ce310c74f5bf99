"""What a role cannot read is said before anything is dumped, all of it at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.environment import child_environment_for
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.preflight import ServerFacts, check_server
from support.lab import PostgresServer

MakeRole = Callable[..., ConnectionOptions]

SCHEMA = """
CREATE SCHEMA closed;
CREATE TABLE closed.inside (id int);
CREATE TABLE plain (id serial PRIMARY KEY, other int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE "Odd name" (id int);
CREATE TABLE parted (id int) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE guarded (id int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE VIEW seen AS SELECT * FROM plain;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM plain;
CREATE UNLOGGED TABLE unlogged (id int);
SELECT lo_create(4711);
"""
GRANTS = (
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    "GRANT USAGE ON SCHEMA closed TO {role}",
    "GRANT SELECT ON closed.inside TO {role}",
    "GRANT SELECT ON LARGE OBJECT 4711 TO {role}",
    "ALTER ROLE {role} BYPASSRLS",
)

MISSING = {
    "REVOKE SELECT ON plain FROM {role}": "no right to read table public.plain",
    'REVOKE SELECT ON "Odd name" FROM {role}': 'no right to read table public."Odd name"',
    "REVOKE SELECT ON parted FROM {role}": "no right to read table public.parted",
    "REVOKE SELECT ON parted_1 FROM {role}": "no right to read table public.parted_1",
    "REVOKE SELECT ON SEQUENCE plain_id_seq FROM {role}": "no right to read sequence public.plain_id_seq",
    "REVOKE SELECT ON SEQUENCE plain_other_seq FROM {role}": "no right to read sequence public.plain_other_seq",
    "REVOKE USAGE ON SCHEMA closed FROM {role}": "no right to read schema closed",
    "REVOKE SELECT ON LARGE OBJECT 4711 FROM {role}": "no right to read large object 4711",
    "ALTER ROLE {role} NOBYPASSRLS": "row level security limits what the role sees of public.guarded",
}


def check(options: ConnectionOptions) -> ServerFacts:
    connection = connect(options)
    try:
        return check_server(connection, options)
    finally:
        connection.close()


def dump_error(server: PostgresServer, options: ConnectionOptions) -> str:
    with child_environment_for(options) as environment:
        argv = [server.bin_dir / "pg_dump", "-Fc"]
        return subprocess.run(
            argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        ).stderr


@pytest.fixture
def schema(session: Connection) -> None:
    with session.cursor() as cursor:
        cursor.execute("SET search_path = public;" + SCHEMA)


def test_the_facts_are_the_servers(postgres: PostgresServer, options: ConnectionOptions, schema: None) -> None:
    facts = check(options)
    system, size = postgres.query(
        options.database, "SELECT system_identifier, pg_database_size(current_database()) FROM pg_control_system()"
    )[0]
    assert (facts.major, facts.database, facts.encoding) == (postgres.major, options.database, "UTF8")
    assert facts.system_identifier == str(system)
    assert abs(facts.size - size) < 10_000_000
    assert (facts.user, facts.superuser, facts.can_read_passwords) == ("postgres", True, True)
    assert (facts.in_recovery, facts.pooled, facts.large_objects) == (False, False, 1)
    [warning] = facts.warnings
    assert "the role is a superuser" in warning and "docs/security.md" in warning
    assert facts.wal_lsn is not None and "/" in facts.wal_lsn


def test_a_missing_right_is_named_where_pg_dump_would_fail(
    postgres: PostgresServer, options: ConnectionOptions, session: Connection, schema: None, make_role: MakeRole
) -> None:
    # Faults 41 and, of large objects, 46.
    role = make_role("LOGIN", *GRANTS)
    for revoke, named in MISSING.items():
        with session.cursor() as cursor:
            cursor.execute("SET search_path = public;" + revoke.format(role=role.user))
        with pytest.raises(PreflightError) as caught:
            check(role)
        assert named in caught.value.message
        assert ";" not in caught.value.message
        assert "error" in dump_error(postgres, role), revoke
        with session.cursor() as cursor:
            cursor.execute(";".join(GRANTS).format(role=role.user))


def test_rights_that_pg_dump_does_not_need_are_not_asked_for(
    postgres: PostgresServer, options: ConnectionOptions, schema: None, make_role: MakeRole
) -> None:
    role = make_role("LOGIN", *GRANTS, "REVOKE SELECT ON seen, kept FROM {role}")
    facts = check(role)
    assert (facts.superuser, facts.bypassrls, facts.can_read_passwords) == (False, True, False)
    assert dump_error(postgres, role) == ""


def test_everything_that_is_missing_is_said_at_once(
    options: ConnectionOptions, schema: None, make_role: MakeRole
) -> None:
    with pytest.raises(PreflightError) as caught:
        check(make_role("LOGIN"))
    for named in ("schema closed", "public.parted", "public.plain_id_seq", "4711", "pg_read_all_data"):
        assert named in str(caught.value)


def test_a_long_list_is_cut(session17: Connection, make_role17: MakeRole) -> None:
    with session17.cursor() as cursor:
        cursor.execute("".join(f"CREATE TABLE public.t{number:02} ();" for number in range(30)))
    with pytest.raises(PreflightError, match=r"public\.t09 and 20 more"):
        check(make_role17("LOGIN"))


def test_forced_row_security_limits_the_owner_too(session17: Connection, make_role17: MakeRole) -> None:
    # Fault 41.
    owner = make_role17("LOGIN")
    with session17.cursor() as cursor:
        cursor.execute(f"CREATE TABLE public.own (); ALTER TABLE public.own OWNER TO {owner.user}")
        cursor.execute("ALTER TABLE public.own ENABLE ROW LEVEL SECURITY")
        check(owner)
        cursor.execute("ALTER TABLE public.own FORCE ROW LEVEL SECURITY")
    with pytest.raises(PreflightError, match=r"row level security .* public\.own") as caught:
        check(owner)
    assert "BYPASSRLS" in str(caught.value.hint)
