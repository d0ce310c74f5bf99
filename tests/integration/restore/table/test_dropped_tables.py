"""Tables that were dropped with CASCADE: brought back with everything that went with them, or not touched at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import (
    BackupError,
    ConfigError,
    PreflightError,
    SourceError,
)
from support.backup_bench import Bench, make_keys
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

SCHEMA = Path(__file__).with_name("carried.sql")
ROLES = ("carried_alice", "carried Bob, (x)")
TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""


def quoted(table: tuple[Any, ...]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, make_keys(tmp_path))


@pytest.fixture
def carried(postgres: PostgresServer) -> Iterator[str]:
    """A database with everything that can belong to a table."""
    for role in ROLES:
        if not postgres.query("postgres", "SELECT FROM pg_roles WHERE rolname = %s", [role]):
            postgres.create_role(role)
    with postgres.database() as name:
        postgres.psql(name, SCHEMA.read_text())
        yield name


def test_every_table_comes_back_with_all_that_went_with_it(
    postgres: PostgresServer, carried: str, bench: Bench
) -> None:
    bench.backup(postgres, carried, fingerprint="all")
    before, contents = schema_of(postgres, carried), contents_of(postgres, carried)
    for table in postgres.query(carried, TABLES):
        postgres.psql(carried, f"DROP TABLE {quoted(table)} CASCADE")
        report = restore_table(postgres, carried, quoted(table), bench=bench)
        assert report["changed"]
        assert report["warnings"] == []
        assert schema_of(postgres, carried) == before, table
        assert contents_of(postgres, carried) == contents, table


SHOP = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE app.clients (id serial PRIMARY KEY, name text NOT NULL, mood app.mood DEFAULT 'sad');
CREATE FUNCTION app.known(integer) RETURNS boolean LANGUAGE sql BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM app.clients WHERE id = $1); END;
CREATE TABLE app.orders (
    id integer PRIMARY KEY, client integer REFERENCES app.clients,
    number integer DEFAULT nextval('app.clients_id_seq'::regclass) NOT NULL,
    note text DEFAULT 'a, (b) DEFAULT 1', CONSTRAINT known CHECK (app.known(client))
);
CREATE TRIGGER touched BEFORE UPDATE ON app.clients FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE VIEW app.names AS SELECT id, name FROM app.clients;
CREATE VIEW app.bills AS SELECT o.id, c.name FROM app.orders AS o JOIN app.clients AS c ON c.id = o.client;
CREATE MATERIALIZED VIEW app.counted AS SELECT count(*) AS n FROM app.names;
GRANT SELECT ON app.clients TO pg_monitor;
INSERT INTO app.clients (name) SELECT 'client ' || n FROM generate_series(1, 30) AS n;
INSERT INTO app.orders (id, client) SELECT n, n FROM generate_series(1, 20) AS n;
REFRESH MATERIALIZED VIEW app.counted;
"""


@pytest.fixture
def shop(postgres17: PostgresServer, bench: Bench) -> Iterator[str]:
    """A small database, backed up."""
    with postgres17.database() as name:
        postgres17.psql(name, SHOP)
        bench.backup(postgres17, name)
        yield name


def drop(server: PostgresServer, database: str, *tables: str) -> None:
    server.psql(database, f"DROP TABLE {', '.join(tables)} CASCADE")


def test_check_mode_tells_all_that_would_be_made_and_makes_nothing(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    drop(postgres17, shop, "app.clients")
    gone = schema_of(postgres17, shop)
    planned = restore_table(postgres17, shop, "app.clients", bench=bench, check=True)
    assert planned["changed"]
    assert planned["rows"] == 30
    assert schema_of(postgres17, shop) == gone
    report = restore_table(postgres17, shop, "app.clients", bench=bench)
    assert report["plan"] == planned["plan"]
    told = {
        "table app.clients",
        "view app.bills",
        "materialized view data app.counted",
        "fk constraint app.orders orders_client_fkey",
        "default of number of TABLE app.orders",
        "constraint known of TABLE app.orders",
    }
    assert told <= set(planned["plan"])
    assert postgres17.query(shop, "SELECT n FROM app.counted") == [(30,)]
    assert postgres17.query(shop, "SELECT nextval('app.clients_id_seq')") == [(51,)]


def test_a_table_that_was_brought_back_can_be_gone_again_or_stay(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    before = schema_of(postgres17, shop)
    drop(postgres17, shop, "app.clients")
    gone = schema_of(postgres17, shop)
    restore_table(postgres17, shop, "app.clients", bench=bench)
    planned = restore_table(postgres17, shop, "app.clients", state="reverted", check=True)
    reverted = restore_table(postgres17, shop, "app.clients", state="reverted")
    assert planned["changed"]
    assert reverted["changed"]
    assert reverted["plan"] == planned["plan"]
    assert schema_of(postgres17, shop) == gone
    again = restore_table(postgres17, shop, "app.clients", state="reverted")
    assert not again["changed"]
    assert "there is no table" in again["warnings"][0]
    restore_table(postgres17, shop, "app.clients", bench=bench)
    finalized = restore_table(postgres17, shop, "app.clients", state="finalized")
    assert finalized["changed"]
    assert finalized["dropped"] == []
    assert "nothing was kept" in finalized["summary"][0]
    assert not restore_table(postgres17, shop, "app.clients", state="finalized")["changed"]
    assert schema_of(postgres17, shop) == before
    with pytest.raises(PreflightError, match="no table is kept"):
        restore_table(postgres17, shop, "app.clients", state="reverted")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE VIEW app.mine AS SELECT id FROM app.clients", "VIEW app.mine"),
        ("CREATE OR REPLACE VIEW app.names AS SELECT id, name, mood FROM app.clients", "VIEW app.names"),
        ("CREATE INDEX mine ON app.clients (name)", "INDEX app.mine"),
        ("INSERT INTO app.clients (name) VALUES ('new')", "app.clients"),
        ("UPDATE app.clients SET name = 'new' WHERE id = 1", "app.clients"),
    ],
)
def test_what_came_since_keeps_a_table_from_being_gone_again(
    postgres17: PostgresServer, shop: str, bench: Bench, statement: str, told: str
) -> None:
    drop(postgres17, shop, "app.clients")
    restore_table(postgres17, shop, "app.clients", bench=bench)
    postgres17.psql(shop, statement)
    before, contents = schema_of(postgres17, shop), contents_of(postgres17, shop)
    for check in (True, False):
        with pytest.raises(PreflightError, match=told):
            restore_table(postgres17, shop, "app.clients", state="reverted", check=check)
    assert schema_of(postgres17, shop) == before
    assert contents_of(postgres17, shop) == contents


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE VIEW app.names AS SELECT 1 AS id", "VIEW app.names"),
        ("CREATE VIEW app.clients AS SELECT 1 AS id", "view app.clients"),
        ("CREATE TYPE app.clients AS (x integer)", "type app.clients"),
        ("CREATE TABLE app.counted (n integer)", "table app.counted"),
        ("CREATE TABLE public.other (x integer CONSTRAINT y PRIMARY KEY); ALTER TABLE public.other SET SCHEMA app;"
         "ALTER TABLE app.other RENAME CONSTRAINT y TO clients_pkey", "index app.clients_pkey"),
        ("CREATE SEQUENCE app.clients_id_seq INCREMENT 7", "SEQUENCE app.clients_id_seq"),
        ("CREATE FUNCTION app.known(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'", "FUNCTION app.known"),
        ("ALTER TABLE app.orders ADD CONSTRAINT orders_client_fkey FOREIGN KEY (client) REFERENCES app.orders",
         "FK CONSTRAINT app.orders orders_client_fkey"),
    ],
)  # fmt: skip
def test_what_is_there_in_another_form_is_named_before_anything_is_touched(
    postgres17: PostgresServer, shop: str, bench: Bench, statement: str, told: str
) -> None:
    drop(postgres17, shop, "app.clients")
    postgres17.psql(shop, statement)
    before = schema_of(postgres17, shop)
    for check in (True, False):
        with pytest.raises(PreflightError, match=told) as caught:
            restore_table(postgres17, shop, "app.clients", bench=bench, check=check)
        assert "nothing was touched" in str(caught.value)
    assert schema_of(postgres17, shop) == before


def test_what_is_expected_stays_as_it_is_and_what_needs_it_does_not_come(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    drop(postgres17, shop, "app.clients")
    postgres17.psql(shop, "CREATE VIEW app.names AS SELECT 1 AS id")
    expected = ["VIEW app.names", "FK CONSTRAINT app.orders *"]
    report = restore_table(postgres17, shop, "app.clients", bench=bench, expected_differences=expected)
    assert "fk constraint app.orders orders_client_fkey" not in report["plan"]
    assert postgres17.query(shop, "SELECT id FROM app.names") == [(1,)]
    assert postgres17.query(shop, "SELECT count(*) FROM app.bills") == [(20,)]
    with pytest.raises(ConfigError, match="leave everything out"):
        restore_table(postgres17, shop, "app.clients", bench=bench, expected_differences=["*"])


def test_tables_that_were_dropped_together_come_back_one_by_one(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    before, contents = schema_of(postgres17, shop), contents_of(postgres17, shop)
    drop(postgres17, shop, "app.clients", "app.orders")
    with pytest.raises(PreflightError, match=r"table app.orders needs what is gone, too: TABLE app.clients"):
        restore_table(postgres17, shop, "app.orders", bench=bench, check=True)
    report = restore_table(postgres17, shop, "app.clients", bench=bench)
    (waiting,) = [one for one in report["warnings"] if "FK CONSTRAINT" in one]
    assert waiting == "FK CONSTRAINT app.orders orders_client_fkey is not made: TABLE app.orders is not there"
    restore_table(postgres17, shop, "app.orders", bench=bench)
    assert schema_of(postgres17, shop) == before
    assert contents_of(postgres17, shop) == contents


def test_what_the_table_stands_on_comes_back_with_it(postgres17: PostgresServer, shop: str, bench: Bench) -> None:
    before, contents = schema_of(postgres17, shop), contents_of(postgres17, shop)
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO pg_monitor")
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO pg_monitor")
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO pg_monitor")
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO pg_monitor")
    postgres17.psql(shop, "DROP SCHEMA app CASCADE")
    gone = schema_of(postgres17, shop)
    restore_table(postgres17, shop, "app.clients", bench=bench)
    assert restore_table(postgres17, shop, "app.clients", state="reverted")["warnings"] == []
    assert schema_of(postgres17, shop) == gone
    restore_table(postgres17, shop, "app.clients", bench=bench)
    restore_table(postgres17, shop, "app.orders", bench=bench)
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM pg_monitor")
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM pg_monitor")
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM pg_monitor")
    postgres17.psql(shop, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM pg_monitor")
    assert schema_of(postgres17, shop) == before
    assert contents_of(postgres17, shop) == contents


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strategy": "merge"}, "strategy merge"),
        ({"strategy": "replace"}, "strategy replace"),
        ({"source_table": "app.orders"}, "source_table"),
        ({"column_map": {"name": "x"}}, "column_map"),
        ({"label": None, "src": "/dev/null"}, "there is no table 'app.clients'"),
        ({"table": "app.client"}, r"none in manual_.*did you mean app\.clients"),
        ({"login_db": "postgres"}, "in the database 'postgres', and the backup is of 'db_"),
    ],
)
def test_what_cannot_be_meant_for_a_table_that_is_gone_is_refused(
    postgres17: PostgresServer, shop: str, bench: Bench, options: dict[str, Any], told: str
) -> None:
    drop(postgres17, shop, "app.clients")
    given = {"table": "app.clients", **options}
    with pytest.raises(ConfigError, match=told):
        restore_table(postgres17, shop, given.pop("table"), bench=bench, **given)


def test_a_name_without_its_schema_never_means_another_table_than_in_the_backup(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    postgres17.psql(shop, "CREATE TABLE public.orders (id integer)")
    bench.backup(postgres17, shop)
    drop(postgres17, shop, "public.orders")
    contents = contents_of(postgres17, shop)
    with pytest.raises(ConfigError, match=r"'orders' is app.orders in the database, and was public.orders"):
        restore_table(postgres17, shop, "orders", bench=bench, strategy="merge")
    assert contents_of(postgres17, shop) == contents
    restore_table(postgres17, shop, "public.orders", bench=bench)
    assert ("public", "orders") in contents_of(postgres17, shop)


def test_rows_that_refer_to_none_of_the_backup_end_it_with_nothing_changed(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    drop(postgres17, shop, "app.clients")
    postgres17.psql(shop, "INSERT INTO app.orders (id, client, number) VALUES (99, 99, 99)")
    before = schema_of(postgres17, shop)
    with pytest.raises(SourceError, match="orders_client_fkey") as caught:
        restore_table(postgres17, shop, "app.clients", bench=bench)
    assert "expected_differences" in str(caught.value)
    assert schema_of(postgres17, shop) == before


def test_a_table_that_was_made_anew_is_restored_with_a_word_on_what_is_missing(
    postgres17: PostgresServer, shop: str, bench: Bench
) -> None:
    before = schema_of(postgres17, shop)
    drop(postgres17, shop, "app.clients")
    postgres17.psql(shop, "CREATE TABLE app.clients (id integer PRIMARY KEY, name text NOT NULL, mood app.mood)")
    report = restore_table(postgres17, shop, "app.clients", bench=bench)
    (told,) = report["warnings"]
    assert "VIEW app.names" in told
    assert "FK CONSTRAINT app.orders orders_client_fkey" in told
    restore_table(postgres17, shop, "app.clients", state="finalized")
    postgres17.psql(
        shop, "ALTER TABLE app.clients RENAME TO anew; ALTER TABLE app.anew RENAME CONSTRAINT clients_pkey TO a"
    )
    restore_table(postgres17, shop, "app.clients", bench=bench)
    postgres17.psql(shop, "DROP TABLE app.anew")
    assert schema_of(postgres17, shop) == before


def test_a_role_that_is_gone_is_named_before_anything_is_touched(postgres17: PostgresServer, bench: Bench) -> None:
    with postgres17.database() as name:
        postgres17.psql(name, "CREATE ROLE passing; CREATE TABLE t (id integer); GRANT SELECT ON t TO passing;")
        bench.backup(postgres17, name)
        postgres17.psql(name, "DROP TABLE t; DROP ROLE passing")
        with pytest.raises(PreflightError, match=r"'passing' \(ACL public.TABLE t\)"):
            restore_table(postgres17, name, "t", bench=bench, check=True)
        report = restore_table(postgres17, name, "t", bench=bench, expected_differences=["ACL public.TABLE t"])
        assert report["plan"] == ["table public.t"]


def test_a_column_that_went_with_the_table_is_named(postgres17: PostgresServer, bench: Bench) -> None:
    with postgres17.database() as name:
        postgres17.psql(name, "CREATE TABLE t (id integer); CREATE TABLE u (id integer, was t);")
        bench.backup(postgres17, name)
        drop(postgres17, name, "t")
        with pytest.raises(PreflightError, match=r"TABLE public.u \(it has lost its column was\)"):
            restore_table(postgres17, name, "t", bench=bench, check=True)
        restore_table(postgres17, name, "t", bench=bench, expected_differences=["TABLE public.u"])
        assert postgres17.query(name, "SELECT * FROM u") == []


def test_what_was_changed_in_other_tables_meanwhile_stays(postgres17: PostgresServer, shop: str, bench: Bench) -> None:
    postgres17.psql(
        shop,
        "ALTER TABLE app.orders ADD COLUMN later integer, ALTER COLUMN note DROP DEFAULT;"
        "CREATE INDEX later ON app.orders (later); DROP TABLE app.clients CASCADE;",
    )
    restore_table(postgres17, shop, "app.clients", bench=bench)
    schema = schema_of(postgres17, shop)
    assert "note text,\n" in schema
    assert "later integer" in schema
    assert "CREATE INDEX later" in schema
    assert "number integer DEFAULT nextval('app.clients_id_seq'::regclass) NOT NULL" in schema


def test_a_partition_comes_back_while_the_default_partition_is_read(postgres17: PostgresServer, bench: Bench) -> None:
    with postgres17.database() as name:
        postgres17.psql(
            name,
            "CREATE TABLE days (id integer PRIMARY KEY, body text) PARTITION BY RANGE (id);"
            "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (1) TO (100);"
            "CREATE TABLE days_rest PARTITION OF days DEFAULT;"
            "CREATE INDEX ON days (body); INSERT INTO days SELECT n, 'x' FROM generate_series(1, 120) AS n;",
        )
        bench.backup(postgres17, name, fingerprint="all")
        before, contents = schema_of(postgres17, name), contents_of(postgres17, name)
        drop(postgres17, name, "days_1")
        reader = postgres17.connect(name)
        reader.autocommit = False
        reader.cursor().execute("SELECT * FROM days_rest")
        with pytest.raises(BackupError, match="lock"):
            restore_table(postgres17, name, "days_1", bench=bench, lock_timeout=1)
        reader.close()
        restore_table(postgres17, name, "days_1", bench=bench)
        assert schema_of(postgres17, name) == before
        assert contents_of(postgres17, name) == contents


def test_a_table_of_a_database_in_another_encoding_comes_back(postgres17: PostgresServer, bench: Bench) -> None:
    latin = "SELECT column_name, column_default, obj_description(table_name::regclass) FROM information_schema.columns"
    latin += " WHERE table_schema = 'public'"
    postgres17.query("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        postgres17.psql(
            "latin",
            "SET client_encoding = 'UTF8'; CREATE TABLE \"gr\u00f6\u00dfe\" (\"\u00fc\" text DEFAULT '\u00e4');"
            "COMMENT ON TABLE \"gr\u00f6\u00dfe\" IS '\u00df'; INSERT INTO \"gr\u00f6\u00dfe\" VALUES ('\u00e9')",
        )
        bench.backup(postgres17, "latin", fingerprint="all", jobs=2)
        before = postgres17.query("latin", latin), contents_of(postgres17, "latin")
        postgres17.psql("latin", "SET client_encoding = 'UTF8'; DROP TABLE \"gr\u00f6\u00dfe\"")
        restore_table(postgres17, "latin", "gr\u00f6\u00dfe", bench=bench)
        assert (postgres17.query("latin", latin), contents_of(postgres17, "latin")) == before
    finally:
        postgres17.query("postgres", "DROP DATABASE latin WITH (FORCE)")
