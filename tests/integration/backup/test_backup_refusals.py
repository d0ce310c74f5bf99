"""What cannot work is refused with its reason and what to do, before anything is dumped or written anywhere."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from psycopg2 import sql
from support import pgbouncer as pooling
from support.backup_bench import Bench
from support.backup_runs import backup
from support.fake_programs import FakePrograms, path_with
from support.lab import PgBouncer, PostgresServer, S3Server, installations, wait_until
from support.workspace import exclusive

Refused = Callable[..., BackupError]
"""Runs a backup with these options, in earnest and in check mode, and returns how both were refused."""


@pytest.fixture(scope="module")
def untouched(postgres17: PostgresServer) -> Iterator[str]:
    """A database with the table ``recipients``, which every test leaves as it is."""
    with postgres17.database() as name:
        postgres17.query(name, "CREATE TABLE recipients AS SELECT 1 AS id, 'x' AS name; CREATE SCHEMA crm")
        yield name


@pytest.fixture
def refused(postgres17: PostgresServer, untouched: str, bench: Bench, tmp_path: Path) -> Refused:
    """Of :func:`untouched`; nothing may be dumped or written."""
    return refusing(postgres17, untouched, bench, tmp_path)


def refusing(server: PostgresServer, database: str, bench: Bench, directory: Path) -> Refused:
    programs = FakePrograms(directory / "fake", server.bin_dir)

    def run(**changes: Any) -> BackupError:
        options = bench.options(server, database, **{"pg_bin_dir": programs, **changes})
        there = bench.root.exists()
        errors = []
        for check_mode in (True, False):
            with pytest.raises(BackupError) as raised:
                backup(check_mode=check_mode, **options)
            errors.append(raised.value)
        assert str(errors[0]) == str(errors[1])
        assert type(errors[0]) is type(errors[1])
        assert programs.runs == []
        assert bench.files() == set()
        assert bench.root.exists() == there
        return errors[0]

    return run


@pytest.mark.sampled(10)
@pytest.mark.parametrize("name", ["../shop", "/shop", "shop/2026", "sh\0op", "", ".shop", "a..b", "-x", "n" * 64, "ü"])
@pytest.mark.parametrize("what", ["label", "environment", "export"])
def test_names_that_could_leave_their_place_are_refused(refused: Refused, what: str, name: str) -> None:
    if what == "export" and not name:
        pytest.skip("an empty name is none, and the table's is taken")
    options = {"exports": [{"name": name, "table": "recipients"}]} if what == "export" else {what: name}
    error = refused(**options)
    assert isinstance(error, ConfigError)
    assert f"{name!r} is not usable as a name" in str(error)
    assert "letters, digits" in (error.hint or "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"jobs": 0}, "jobs is 0 (1 to 64)"),
        ({"jobs": 65}, "jobs is 65 (1 to 64)"),
        ({"lock_timeout": 0}, "lock_timeout is 0 (seconds, 1 or more)"),
        ({"compress": "brotli"}, "compress 'brotli' is not understood (auto, none, zstd:1, gzip:6 or lz4)"),
        ({"compress": "zstd:99"}, "compress 'zstd:99' is not possible: its level is out of range (1 to 22)"),
        ({"tables": [{"name": "recipients"}, {"name": "recipients"}]}, "table given twice: recipients"),
        ({"tables": [{"name": "recipients"}, {"name": "public.recipients"}]}, "table given twice: public.recipients"),
        ({"exports": [{"table": "recipients"}, {"table": "recipients"}]}, "export given twice: recipients"),
        ({"exports": [{"name": "x"}]}, "export 'x': either a table or a query is needed"),
        (
            {"exports": [{"name": "x", "table": "recipients", "query": "SELECT 1"}]},
            "either a table or a query is needed",
        ),
        ({"exports": [{"query": "SELECT 1"}]}, "an export with a query needs a name"),
        ({"exports": [{"name": "x", "query": "SELECT 1", "where": "true"}]}, "where and columns belong into the query"),
        ({"locations": []}, "locations is empty (give at least one location)"),
        ({"recipients": []}, "recipients is empty (give at least one recipient, or set allow_unencrypted: true)"),
    ],
)
def test_options_that_cannot_be_right_are_refused(refused: Refused, options: dict[str, Any], told: str) -> None:
    assert told in str(refused(**options))


@pytest.mark.parametrize("option", ["tables", "exports"])
@pytest.mark.parametrize(
    ("name", "near"),
    [("recipient", "recipients"), ("crm.recipients", "public.recipients"), ("Recipients2", "recipients")],
)
def test_an_unknown_table_is_refused_with_the_nearest_names(
    refused: Refused, option: str, name: str, near: str
) -> None:
    entry = {"name": name} if option == "tables" else {"name": "x", "table": name}
    error = refused(**{option: [entry], "missing_tables": "fail"})
    assert f"there is no table {name!r} in the database" in str(error)
    assert "did you mean" in str(error) and near in str(error)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"table": "recipients", "columns": ["id", "nam"]}, "has no column 'nam' (it has id, name)"),
        ({"table": "recipients", "where": "nosuch = 1"}, 'column "nosuch" does not exist'),
        ({"table": "recipients", "where": "true; DROP TABLE public.recipients"}, "syntax error"),
        ({"table": "recipients", "where": "true) TO STDOUT; SELECT (1"}, "syntax error"),
        ({"query": "SELECT 1; SELECT 2"}, ""),
        ({"query": "DELETE FROM public.recipients RETURNING *"}, ""),
        ({"query": "SELECT * FROM recipients"}, "write tables with their schema"),
        ({"query": "WITH gone AS (DELETE FROM public.recipients RETURNING 1) SELECT * FROM gone"}, ""),
    ],
)
def test_an_export_that_is_not_one_statement_that_only_reads_is_refused(
    refused: Refused, postgres17: PostgresServer, untouched: str, entry: dict[str, Any], told: str
) -> None:
    error = refused(exports=[{"name": "asked", **entry}])
    assert isinstance(error, ConfigError)
    assert "asked" in str(error) or "recipients" in str(error)
    assert told in str(error)
    assert postgres17.query(untouched, "SELECT count(*) FROM recipients") == [(1,)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "disk", "path": "/somewhere/else"}, "two locations are named 'disk'"),
        ({"name": "other"}, "locations 'disk' and 'other' are the same place"),
        ({"name": "other", "path": "relative/path"}, "path 'relative/path' is not absolute"),
        ({"name": "other", "path": "/srv/../etc"}, "path '/srv/../etc' is not usable"),
        ({"name": "other", "path": None}, "path"),
        ({"name": "other", "bucket": "x"}, "bucket"),
    ],
)
def test_locations_that_cannot_be_right_are_refused(
    refused: Refused, bench: Bench, change: dict[str, Any], told: str
) -> None:
    error = refused(locations=[bench.location(), {**bench.location(), **change}])
    assert isinstance(error, ConfigError)
    assert told in str(error)


def test_a_bucket_that_is_not_there_is_refused(refused: Refused, bench: Bench, s3_server: S3Server) -> None:
    error = refused(locations=[bench.location(), s3_server.location("no-such-bucket")])
    assert "location 's3'" in str(error) and "no-such-bucket" in str(error)


def test_credentials_that_a_store_refuses_end_the_run_before_it_begins_and_are_not_shown(
    refused: Refused, bench: Bench, s3_server: S3Server, s3_bucket: str
) -> None:
    wrong = {**s3_server.location(s3_bucket), "secret_key": "canary-" + secrets.token_hex(8)}
    error = refused(locations=[bench.location(), wrong])
    assert "location 's3'" in str(error)
    assert wrong["secret_key"] not in str(error)
    assert list((s3_server.root / s3_bucket).iterdir()) == []


def test_a_location_that_everybody_may_write_to_is_refused(refused: Refused, bench: Bench) -> None:
    bench.root.mkdir()
    bench.root.chmod(0o777)
    assert "writable for everybody" in str(refused())


@pytest.mark.parametrize("planted", ["shop", "shop/2026"])
def test_a_link_planted_in_a_location_is_refused(refused: Refused, bench: Bench, tmp_path: Path, planted: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = bench.root / planted
    link.parent.mkdir(parents=True, mode=0o700)
    link.symlink_to(elsewhere)
    error = refused()
    assert "location 'disk'" in str(error) and planted in str(error)
    assert list(elsewhere.iterdir()) == []


def test_a_private_key_given_as_recipient_is_refused_and_not_shown(refused: Refused, bench: Bench) -> None:
    private = str(X25519Identity.generate())
    error = refused(recipients=[bench.keys.recipients[0], private])
    assert isinstance(error, ConfigError)
    assert "2" in str(error) and "private" in str(error)
    assert private not in str(error) and private[20:40] not in str(error)
    pem = SigningKey.generate().to_pem()
    error = refused(recipients=[pem])
    assert pem.splitlines()[1] not in str(error)


@pytest.mark.parametrize("recipient", ["age1nonsense", "ssh-ed25519 AAAA", "/no/such/file", "hello", "age1" + "q" * 58])
def test_a_recipient_that_is_none_is_refused_by_its_number(refused: Refused, bench: Bench, recipient: str) -> None:
    error = refused(recipients=[bench.keys.recipients[0], recipient])
    assert error.step == "check the recipients"
    assert "2" in str(error)


@pytest.mark.parametrize("key", ["missing", "unreadable", "public", "garbage", "directory", "rsa"])
def test_a_signing_key_that_cannot_be_used_is_refused(refused: Refused, tmp_path: Path, bench: Bench, key: str) -> None:
    path = tmp_path / "key"
    if key == "public":
        path.write_text(SigningKey.generate().verify_key.to_pem())
    elif key == "garbage":
        path.write_text("canary-garbage")
    elif key == "rsa":
        path.write_text("-----BEGIN RSA PRIVATE KEY-----\nY2FuYXJ5\n-----END RSA PRIVATE KEY-----\n")
    elif key == "directory":
        path.mkdir()
    elif key == "unreadable":
        path.symlink_to(path)
    error = refused(signing_key=path)
    assert error.step == "read the signing key"
    assert "canary-garbage" not in str(error) and "Y2FuYXJ5" not in str(error)


def test_personal_data_is_never_written_unencrypted(refused: Refused) -> None:
    tables = [{"name": "recipients", "personal_data": True}]
    error = refused(recipients=[], allow_unencrypted=True, tables=tables)
    assert "personal data is never written unencrypted: recipients" in str(error)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"login_db": "nosuchdb"}, 'database "nosuchdb" does not exist'),
        ({"login_user": "nosuchrole"}, "check login_user and login_password"),
        ({"login_password": "canary-wrong"}, "check login_user and login_password"),
        ({"login_port": 1}, "check login_host and login_port"),
        ({"ssl_mode": "verify-full", "ca_cert": "/no/such/ca.pem"}, "ca_cert"),
        ({"connect_params": {"sslmod": "require"}}, "connect_params"),
        ({"login_db": ""}, "login_db is empty"),
    ],
)
def test_a_database_that_cannot_be_reached_is_refused(refused: Refused, change: dict[str, Any], told: str) -> None:
    error = refused(**change)
    assert told in str(error)
    assert "canary-wrong" not in str(error)


@pytest.fixture
def limited_role(postgres: PostgresServer, any_database: str) -> Iterator[dict[str, Any]]:
    """The login of a role that may read ``open`` and nothing else."""
    name = f"role_{secrets.token_hex(4)}"
    password = postgres.create_role(name)
    postgres.query(
        any_database,
        f"CREATE TABLE open AS SELECT 1 AS n; GRANT SELECT ON open TO {name};"
        'CREATE TABLE closed AS SELECT 1 AS n; CREATE TABLE "Also Closed" AS SELECT 1 AS n; CREATE SEQUENCE counted;',
    )
    yield postgres.login(any_database, user=name, password=password)
    postgres.query(any_database, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.mark.sampled(1)
def test_a_role_that_cannot_read_some_tables_is_refused_naming_them(
    postgres: PostgresServer, any_database: str, bench: Bench, tmp_path: Path, limited_role: dict[str, Any]
) -> None:
    error = refusing(postgres, any_database, bench, tmp_path)(**limited_role)
    assert isinstance(error, PreflightError)
    for part in ("public.closed", 'public."Also Closed"', "public.counted", "GRANT pg_read_all_data TO"):
        assert part in str(error)
    assert "public.open" not in str(error)


def test_a_role_that_row_security_limits_is_refused_and_one_that_it_does_not_sees_all_rows(
    postgres: PostgresServer, any_database: str, bench: Bench, tmp_path: Path, limited_role: dict[str, Any]
) -> None:
    role = limited_role["login_user"]
    postgres.query(
        any_database,
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT SELECT ON counted TO {role}; "
        "ALTER TABLE open ENABLE ROW LEVEL SECURITY; "
        f"CREATE POLICY none ON open TO {role} USING (n > 1)",
    )
    error = refusing(postgres, any_database, bench, tmp_path)(**limited_role)
    assert "row level security limits what the role sees of public.open: the dump would be partial" in str(error)
    assert "BYPASSRLS" in str(error)
    postgres.query(any_database, f"ALTER ROLE {role} BYPASSRLS")
    stored = bench.stored(bench.backup(postgres, any_database, **limited_role))
    assert stored.rows == {("public", name): 1 for name in ("Also Closed", "closed", "open")}
    # It may not read the passwords of roles either, and the roles are dumped without.
    [globals_] = stored.artifacts("globals")
    script = stored.plain(globals_)
    assert b"CREATE ROLE postgres" in script and b"PASSWORD" not in script


def test_a_pg_dump_older_than_the_server_is_refused_naming_both(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    older = installations().get(15)
    if older is None:
        pytest.skip("PostgreSQL 15 is not installed")
    programs = FakePrograms(tmp_path / "old", older)
    error = refusing(postgres17, database, bench, tmp_path)(pg_bin_dir=programs)
    assert isinstance(error, PreflightError)
    assert "the server is PostgreSQL 17 and needs a pg_dump of version 17 or newer" in str(error)
    assert "15." in str(error) and str(programs) in str(error)
    assert programs.runs == []
    error = refusing(postgres17, database, bench, tmp_path / "empty")(pg_bin_dir=str(tmp_path))
    assert f"there is none in {tmp_path}" in str(error)


def test_the_programs_that_fit_the_server_are_found_on_the_path(
    postgres: PostgresServer, any_database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The oldest first, as a machine that has been upgraded has it.
    monkeypatch.setenv("PATH", path_with(*installations().values()))
    options = bench.options(postgres, any_database)
    del options["pg_bin_dir"]
    stored = bench.stored(backup(**options))
    version = postgres.run("pg_dump", "--version").stdout.split()[2]
    assert stored.manifest["tools"]["pg_dump"] == version
    if postgres.major == 17:
        monkeypatch.setenv("PATH", path_with(installations()[18], installations().get(15, "/nonexistent")))
        stored = bench.stored(backup(**options))
        assert stored.manifest["tools"]["pg_dump"].startswith("18.")


@pytest.mark.usefixtures("pgbouncer")
def test_a_transaction_pooler_is_refused_and_a_session_pooler_is_not(
    refused: Refused, postgres17: PostgresServer, untouched: str, bench: Bench
) -> None:
    with PgBouncer(postgres17) as pooler:
        error = refused(**pooler.login(untouched))
        assert f"127.0.0.1:{pooler.port} is a transaction pooler" in str(error)
        assert "connect to the server itself, on port 5432" in str(error)
        wait_until(lambda: backends(postgres17, untouched) == 0, what="the pooler to be left alone")
    with PgBouncer(postgres17, pool_mode="session") as pooler:
        report = bench.backup(
            postgres17, untouched, **pooler.login(untouched), jobs=2, exports=[{"table": "recipients"}]
        )
        assert bench.stored(report).rows == {("public", "recipients"): 1}


def backends(server: PostgresServer, database: str) -> int:
    """How many sessions of a client are under way in a transaction there."""
    [[count]] = server.query(
        "postgres",
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = %s AND state <> 'idle' AND backend_type = 'client backend'",
        [database],
    )
    return int(count)


@pytest.mark.usefixtures("pgbouncer")
def test_a_pooler_on_port_6543_is_refused_with_the_port_to_use(
    refused: Refused, postgres17: PostgresServer, untouched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr(pooling, "free_port", lambda: 6543)
    with exclusive("port-6543"):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", 6543))
            except OSError:
                pytest.skip("port 6543 is in use here")
        with PgBouncer(postgres17) as pooler:
            error = refused(**pooler.login(untouched))
    assert "127.0.0.1:6543 is a transaction pooler" in str(error)
    assert "use port 5432" in str(error)


@pytest.mark.sampled(1)
def test_timeouts_that_a_role_and_a_database_have_set_do_not_end_a_backup(
    postgres: PostgresServer, any_database: str, bench: Bench
) -> None:
    name = f"role_{secrets.token_hex(4)}"
    password = postgres.create_role(name, "LOGIN SUPERUSER")
    postgres.query(any_database, "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 50000) i")
    timeouts = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    timeouts += ["idle_session_timeout"] if postgres.major >= 14 else []
    timeouts += ["transaction_timeout"] if postgres.major >= 17 else []
    try:
        for timeout in timeouts:
            postgres.query("postgres", f"ALTER ROLE {name} SET {timeout} = '200ms'")
        connection = sql.SQL("ALTER DATABASE {} SET statement_timeout = '200ms'").format(sql.Identifier(any_database))
        with closing(postgres.connect()) as session:
            session.cursor().execute(connection)
        login = postgres.login(any_database, user=name, password=password)
        exports = [{"table": "t"}, {"name": "slow", "query": "SELECT pg_sleep(0.6)"}]
        report = bench.backup(postgres, any_database, **login, exports=exports, fingerprint="all", jobs=2)
    finally:
        with closing(postgres.connect()) as session:
            session.cursor().execute(f"DROP ROLE {name}")
    assert bench.stored(report).rows == {("public", "t"): 50_000}


def test_functions_of_a_hostile_schema_are_not_run(postgres17: PostgresServer, database: str, bench: Bench) -> None:
    postgres17.query(
        database,
        "CREATE TABLE trap (n int); CREATE TABLE t AS SELECT 'x'::text AS name, 1 AS n; "
        "CREATE FUNCTION public.count(int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'trapped'; END $$; "
        "CREATE FUNCTION public.md5(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$; "
        "CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'trapped'; END $$; CREATE VIEW public.pg_class AS SELECT 1 AS oid; "
        f"ALTER DATABASE {database} SET search_path = public, pg_catalog",
    )
    report = bench.backup(postgres17, database, fingerprint="all", exports=[{"table": "t"}])
    assert bench.stored(report).rows == {("public", "t"): 1, ("public", "trap"): 0}
    assert os.listdir(bench.root) == ["shop"]
