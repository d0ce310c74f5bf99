"""Tables that were dropped with CASCADE come back with everything that went with them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from support.backed_up import BackedUp
from support.backup_bench import Bench
from support.dropped_tables import SHOP, drop
from support.effort import some
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""


def quoted(table: tuple[Any, ...]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)


def test_every_table_comes_back_with_all_that_went_with_it(
    postgres: PostgresServer, carried: BackedUp, bench: Bench
) -> None:
    database = carried.name
    tables = postgres.query(database, TABLES)
    for table in some(tables, len(tables) // (3 if postgres.major == 17 else 6)):
        drop(postgres, database, quoted(table))
        report = restore_table(postgres, database, quoted(table), bench=bench)
        assert report["changed"]
        assert report["warnings"] == []
        assert schema_of(postgres, database) == carried.schema, table
        assert contents_of(postgres, database) == carried.contents, table


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


def test_the_owner_of_a_database_who_is_nothing_else_brings_a_table_back(
    postgres17: PostgresServer, bench: Bench
) -> None:
    role = postgres17.create_role("dropped_owner")
    with postgres17.database() as name:
        postgres17.query("postgres", f'ALTER DATABASE "{name}" OWNER TO dropped_owner')
        postgres17.psql(name, f"SET SESSION AUTHORIZATION dropped_owner; {SHOP}")
        bench.backup(postgres17, name, fingerprint="all")
        before, contents = schema_of(postgres17, name), contents_of(postgres17, name)
        postgres17.psql(name, "DROP TABLE app.clients CASCADE")
        login = {"login_user": "dropped_owner", "login_password": role}
        restore_table(postgres17, name, "app.clients", bench=bench, **login)
        assert schema_of(postgres17, name) == before
        assert contents_of(postgres17, name) == contents
        restore_table(postgres17, name, "app.clients", state="reverted", **login)
