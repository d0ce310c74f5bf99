"""The role for backups, made by the very SQL of the documentation, backs everything up and can do nothing else."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from support.backup_bench import Bench
from support.lab import PostgresServer
from support.sample_databases import EVERYTHING
from support.stored_sets import assert_same_contents, pg_restore, script_of
from support.tenants import tenant_of

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
_SQL = re.compile(r"## A role for backups\n.*?```sql\n(.*?)```", re.DOTALL)
_PART = re.compile(r"((?:-- [^\n]*\n)?)([^;]*;)\n")
SINCE = {"from PostgreSQL 17 on": lambda major: major >= 17}


def statements(major: int) -> list[str]:
    """The page's statements that apply to a version."""
    [block] = _SQL.findall(PAGE.read_text())
    parts = _PART.findall(block)
    assert len(parts) == 6
    return [
        statement
        for comment, statement in parts
        if all(applies(major) for words, applies in SINCE.items() if words in comment)
    ]


@pytest.fixture
def role(postgres: PostgresServer, any_database: str) -> Iterator[dict[str, str]]:
    """How the role of the page logs in, for a database that has something of everything."""
    postgres.query(any_database, EVERYTHING)
    postgres.query(
        any_database,
        "SELECT lo_from_bytea(0, 'large'); REVOKE CONNECT ON DATABASE @ FROM PUBLIC".replace("@", any_database),
    )
    name, password = f"backup_{secrets.token_hex(4)}", secrets.token_hex(8)
    for statement in statements(postgres.major):
        named = statement.replace("mobul_backup", name).replace("shop", any_database).replace("change me", password)
        postgres.query(any_database, named)
    yield {"login_user": name, "login_password": password}
    postgres.query(any_database, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("age")
def test_the_role_makes_a_complete_backup_without_a_warning(
    postgres: PostgresServer, any_database: str, bench: Bench, role: dict[str, str]
) -> None:
    exports = [{"table": "people", "format": "json"}, {"table": "measurements"}]
    with tenant_of(postgres, any_database) as tenant:
        tenant.execute(
            "CREATE TABLE @.t AS SELECT 1 AS n; CREATE VIEW @.v AS SELECT @.told(n) FROM @.t;"
            "ALTER TABLE @.t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON @.t USING (@.told(true))"
        )
        report = bench.backup(postgres, any_database, fingerprint="all", jobs=2, exports=exports, **role)
        assert tenant.ran_as == set()
        stored = bench.stored(report)
        assert report["warnings"] == []
        assert stored.manifest["large_objects"] == 4
        assert stored.rows[tenant.name, "t"] == 1
        with stored.restored(postgres) as restored:
            assert_same_contents(stored, postgres, restored)
            assert script_of(postgres, restored) == script_of(postgres, any_database)
    [globals_] = stored.artifacts("globals")
    script = stored.plain(globals_).decode()
    assert role["login_user"] in script and "SCRAM-SHA-256$" not in script


FORBIDDEN = (
    "INSERT INTO t VALUES (1)",
    "DELETE FROM t",
    "TRUNCATE t",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "COPY t TO PROGRAM 'true'",
    "SET ROLE postgres",
)


def test_the_role_can_do_nothing_else(postgres17: PostgresServer, database: str) -> None:
    postgres17.query(database, "CREATE TABLE t (n int)")
    name = f"backup_{secrets.token_hex(4)}"
    for one in statements(17):
        named = one.replace("mobul_backup", name).replace("shop", database).replace("change me", "secret")
        postgres17.query(database, named)
    connection = psycopg2.connect(postgres17.dsn(database, user=name, password="secret"))
    connection.autocommit = True
    connection.cursor().execute("SELECT FROM t")
    for statement in FORBIDDEN:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connection.cursor().execute(statement)
    connection.close()
    postgres17.query(database, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.usefixtures("age")
def test_user_mappings_whose_options_the_role_is_not_told_are_named(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    name, password = f"backup_{secrets.token_hex(4)}", secrets.token_hex(8)
    postgres17.query(
        database,
        f"CREATE FOREIGN DATA WRAPPER w; CREATE SERVER films FOREIGN DATA WRAPPER w;"
        f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE pg_read_all_data BYPASSRLS;"
        f"GRANT USAGE ON FOREIGN SERVER films TO {name};"
        f"CREATE USER MAPPING FOR {name} SERVER films OPTIONS (password 'its own');"
        "CREATE USER MAPPING FOR PUBLIC SERVER films OPTIONS (password 'everybody''s');"
        "CREATE USER MAPPING FOR postgres SERVER films OPTIONS (password 'canary')",
    )
    try:
        report = bench.backup(postgres17, database, login_user=name, login_password=password)
        stored = bench.stored(report)
        [told] = [one for one in report["warnings"] if "options of user mappings" in one]
        assert "without them: postgres on server films, public on server films (keep" in told
        assert told in stored.manifest["warnings"]
        whole = bench.backup(postgres17, database)
        assert not any("user mappings" in one for one in whole["warnings"])
        [dump] = bench.stored(whole).artifacts("dump")
        script = pg_restore(postgres17, bench.stored(whole).plain(dump), "-f", "-")
        assert script.count(b"password 'canary'") == 1
    finally:
        postgres17.query(database, f"DROP SERVER films CASCADE; DROP OWNED BY {name}; DROP ROLE {name}")
