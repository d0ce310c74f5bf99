"""Sessions and child programs reach the server, whatever the role has been told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.environment import child_environment_for
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.globals import globals_source
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.programs import (
    Program,
    find_program,
    supports_compression,
)
from support.lab import PostgresServer

MakeRole = Callable[..., ConnectionOptions]

TIMEOUTS = ["statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "idle_session_timeout"]
FORMATS = {
    "search_path": ("public", ""),
    "DateStyle": ("German, DMY", "ISO, DMY"),
    "IntervalStyle": ("iso_8601", "postgres"),
    "TimeZone": ("Asia/Tokyo", "UTC"),
    "extra_float_digits": ("-10", "3"),
    "bytea_output": ("escape", "hex"),
    "row_security": ("on", "off"),
    "quote_all_identifiers": ("on", "off"),
}


def setting(connection: Connection, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def test_timeouts_of_the_role_do_not_reach_a_session(
    postgres: PostgresServer, make_role: MakeRole, any_database: str
) -> None:
    # Fault 43.
    names = [*TIMEOUTS, *(["transaction_timeout"] if postgres.major >= 17 else [])]
    options = make_role("LOGIN", *(f"ALTER ROLE {{role}} SET {name} = '80ms'" for name in names))
    connection = connect(options)
    assert [setting(connection, name) for name in names] == ["0"] * len(names)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_sleep(0.15)")
    connection.close()


@pytest.mark.sampled(1)
def test_timeouts_of_the_role_do_not_reach_a_child(
    postgres: PostgresServer, make_role: MakeRole, any_database: str
) -> None:
    # Fault 43: of the role and of the database, of which the client's start-up options win.
    timeouts = ["statement_timeout", "idle_in_transaction_session_timeout"]
    timeouts += ["transaction_timeout"] if postgres.major >= 17 else []
    options = make_role("LOGIN", *(f"ALTER ROLE {{role}} SET {name} = '80ms'" for name in timeouts))
    with child_environment_for(options, server_version_num=postgres.major * 10000) as environment:
        argv = [postgres.bin_dir / "psql", "-XAtw", "-c", "BEGIN", "-c", "SELECT pg_sleep(0.15), 'done'"]
        result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert "done" in result.stdout, result.stderr


def test_formats_are_the_same_whatever_the_role_prefers(make_role17: MakeRole) -> None:
    options = make_role17(
        "LOGIN", *(f"ALTER ROLE {{role}} SET {n} = '{v}'" for n, (v, _) in FORMATS.items() if v != "public")
    )
    connection = connect(options)
    assert {name: setting(connection, name) for name in FORMATS} == {n: wanted for n, (_, wanted) in FORMATS.items()}
    connection.close()


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"login_password": "canary-wrong"}, "password authentication failed", "login_password"),
        ({"login_db": "nowhere"}, '"nowhere" does not exist', "login_db"),
        ({"login_port": 1}, "refused", "login_port"),
        ({"login_host": "nowhere.invalid"}, "nowhere.invalid", "login_host"),
        ({"connect_params": {"keepalive": "x"}}, "keepalive", "connect_params"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_refused_connection_names_its_target_and_what_to_do(
    options17: ConnectionOptions, change: dict[str, object], message: str, hint: str
) -> None:
    options = replace(options17, **change)
    with pytest.raises(PreflightError) as caught:
        connect(options)
    assert message in caught.value.message
    assert options.target in caught.value.message
    assert hint in str(caught.value.hint)
    assert options.login_password not in str(caught.value)


def test_an_empty_database_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="login_db"):
        connect(ConnectionOptions())


PASSWORDS = ["plain", ":\\:", "with ' and \" and space ", "\\", "päß", "two\nlines", "x" * 2000]


@pytest.mark.parametrize("password", PASSWORDS, ids=range(len(PASSWORDS)))
def test_a_child_logs_in_with_any_password(postgres17: PostgresServer, database: str, password: str) -> None:
    postgres17.create_role("child", password=password)
    try:
        options = ConnectionOptions.parse(postgres17.login(database, user="child", password=password))
        connect(options).close()
        with child_environment_for(options, server_version_num=170000) as environment:
            argv = [postgres17.bin_dir / "psql", "-XAtwc", "SELECT current_user || current_database()"]
            result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert result.stdout.strip() == f"child{database}", result.stderr
    finally:
        postgres17.query("postgres", "DROP ROLE child")


@pytest.fixture
def verified(postgres15: PostgresServer) -> ConnectionOptions:
    """Of a server with TLS, whose certificate is verified."""
    if postgres15.certificates is None:
        pytest.skip("PostgreSQL 15 is built without TLS here")
    return ConnectionOptions.parse(
        {**postgres15.login(), "ssl_mode": "verify-full", "ca_cert": str(postgres15.certificates.ca)}
    )


def test_an_authority_that_is_not_there_is_named(verified: ConnectionOptions) -> None:
    with pytest.raises(PreflightError) as caught:
        connect(replace(verified, ca_cert="/nowhere/ca.pem"))
    assert "/nowhere/ca.pem" in caught.value.message
    assert "ca_cert" in str(caught.value.hint)


def test_a_child_obeys_tls_options(postgres15: PostgresServer, verified: ConnectionOptions) -> None:
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with child_environment_for(verified) as environment:
        argv = [postgres15.bin_dir / "psql", "-XAtwc", query]
        result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "t", result.stderr


def test_a_child_gets_parameters_that_have_no_variable(
    options17: ConnectionOptions, postgres17: PostgresServer
) -> None:
    options = replace(options17, connect_params={"fallback_application_name": "x", "keepalives": 0})
    with child_environment_for(options) as environment:
        argv = [postgres17.bin_dir / "psql", "-XAtwc", "SELECT 'done'"]
        result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "done", result.stderr


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["it's a=b", "postgresql://x", "Üb er"])
def test_the_globals_are_dumped_by_way_of_any_database(postgres: PostgresServer, name: str) -> None:
    program = find_program("pg_dumpall", postgres.major * 10000, str(postgres.bin_dir))
    with postgres.database(name=name):
        options = ConnectionOptions.parse(postgres.login(name))
        script = dump_globals(options, program, postgres, with_passwords=True)
    # Others make roles on the server meanwhile; this one is always there.
    own = [line for line in script.splitlines() if line.startswith(f"ALTER ROLE {postgres.superuser} WITH ")]
    assert len(own) == 1
    assert " PASSWORD 'SCRAM-SHA-256$" in own[0]


def test_a_role_that_may_not_read_passwords_dumps_the_globals_without(
    postgres: PostgresServer, make_role: MakeRole
) -> None:
    options = make_role("LOGIN", "ALTER ROLE {role} SET statement_timeout = '1ms'")
    program = find_program("pg_dumpall", postgres.major * 10000, str(postgres.bin_dir))
    script = dump_globals(options, program, postgres, with_passwords=False)
    assert f"CREATE ROLE {options.user};" in script
    assert f"ALTER ROLE {options.user} SET statement_timeout" in script
    assert "SCRAM" not in script


def dump_globals(options: ConnectionOptions, program: Program, server: PostgresServer, *, with_passwords: bool) -> str:
    pieces: list[bytes] = []
    with child_environment_for(options, server_version_num=server.major * 10000) as environment:
        globals_source(program, environment, options.database, with_passwords=with_passwords).run(pieces.append)
    return b"".join(pieces).decode()


def test_what_a_program_can_compress_is_what_it_does(postgres: PostgresServer, any_database: str) -> None:
    program = find_program("pg_dump", postgres.major * 10000, str(postgres.bin_dir))
    for method in ("zstd", "lz4"):
        argv = [program.path, "-Fc", "-Z", method]
        result = subprocess.run(argv, env=postgres.environment(any_database), capture_output=True, check=False)
        assert supports_compression(program, method) == (result.returncode == 0)


def test_an_old_pg_dump_is_refused_before_it_is_started(postgres17: PostgresServer, postgres: PostgresServer) -> None:
    # Fault 42.
    if postgres.major >= 17:
        find_program("pg_dump", 170000, str(postgres.bin_dir))
    else:
        with pytest.raises(PreflightError, match=f"needs a pg_dump of version 17 or newer.*{postgres.major}"):
            find_program("pg_dump", 170000, str(postgres.bin_dir))


def test_settings_are_those_of_the_session_alone(options17: ConnectionOptions, postgres17: PostgresServer) -> None:
    connect(options17).close()
    connection = psycopg2.connect(postgres17.dsn(options17.database))
    assert setting(connection, "search_path") == '"$user", public'
    connection.close()
