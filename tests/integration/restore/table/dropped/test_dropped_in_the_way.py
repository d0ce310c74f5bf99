"""What keeps a dropped table from coming back is named, and nothing is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, PreflightError, SourceError
from support.backup_bench import Bench
from support.dropped_tables import drop
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import definitions_of, restore_table, schema_of


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
    before = definitions_of(postgres17, shop)
    for check in (True, False):
        with pytest.raises(PreflightError, match=told) as caught:
            restore_table(postgres17, shop, "app.clients", bench=bench, check=check)
        assert "nothing was touched" in str(caught.value)
    assert definitions_of(postgres17, shop) == before


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
    with pytest.raises(ConfigError, match="would expect everything"):
        restore_table(postgres17, shop, "app.clients", bench=bench, expected_differences=["*"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strategy": "merge"}, "strategy merge"),
        ({"strategy": "replace"}, "strategy replace"),
        ({"source_table": "app.orders"}, "source_table"),
        ({"column_map": {"name": "x"}}, "column_map"),
        ({"label": None, "src": "/dev/null"}, "there is no table 'app.clients'"),
        ({"table": "app.client"}, r"none in manual_.*did you mean app\.clients"),
        ({"login_db": "postgres"}, r"in the database 'postgres', and the backup is of 'db_.*adopt"),
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
    before = definitions_of(postgres17, shop)
    with pytest.raises(SourceError, match="orders_client_fkey") as caught:
        restore_table(postgres17, shop, "app.clients", bench=bench)
    assert "expected_differences" in str(caught.value)
    assert definitions_of(postgres17, shop) == before


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
