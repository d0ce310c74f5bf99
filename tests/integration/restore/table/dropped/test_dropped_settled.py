"""A table that was brought back is gone again, or stays."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from support.backed_up import BackedUp
from support.backup_bench import Bench, Keys
from support.dropped_tables import drop
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import definitions_of, restore_table, schema_of


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


def test_what_a_tables_owner_has_written_down_drops_nothing_of_others(postgres17: PostgresServer, bench: Bench) -> None:
    postgres17.create_role("dropped_mallory")
    with postgres17.database() as name:
        postgres17.psql(
            name,
            "CREATE FUNCTION precious() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE TABLE victims (id integer);"
            "CREATE TABLE bait (id integer); ALTER TABLE bait OWNER TO dropped_mallory;",
        )
        bench.backup(postgres17, name)
        drop(postgres17, name, "bait")
        restore_table(postgres17, name, "bait", bench=bench)
        ((text,),) = postgres17.query(name, "SELECT obj_description('bait'::regtype)")
        note = json.loads(text)
        note["mobul.backup"]["made"] |= {"FUNCTION public.precious()": "0", "TABLE public.victims": "0"}
        forged = postgres17.connect(name)
        forged.cursor().execute("SET ROLE dropped_mallory")
        forged.cursor().execute("COMMENT ON TYPE bait IS %s", [json.dumps(note)])
        forged.close()
        report = restore_table(postgres17, name, "bait", state="reverted")
        assert report["plan"] == ["table public.bait"]
        assert postgres17.query(name, "SELECT precious(), count(*) FROM victims") == [(1, 0)]


@pytest.fixture(scope="module")
def brought_back(
    postgres17: PostgresServer, made_shop: BackedUp, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with a table that was brought back; nobody changes it."""
    bench = Bench(tmp_path_factory.mktemp("back"), keys)
    with made_shop.anew(bench) as name:
        drop(postgres17, name, "app.clients")
        restore_table(postgres17, name, "app.clients", bench=bench)
        kept = postgres17.create_database(template=name)
    yield kept
    postgres17.drop_database(kept)


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
    postgres17: PostgresServer, brought_back: str, statement: str, told: str
) -> None:
    with postgres17.database(template=brought_back) as name:
        postgres17.query(name, statement)
        before, contents = definitions_of(postgres17, name), contents_of(postgres17, name)
        for check in (True, False):
            with pytest.raises(PreflightError, match=told):
                restore_table(postgres17, name, "app.clients", state="reverted", check=check)
        assert definitions_of(postgres17, name) == before
        assert contents_of(postgres17, name) == contents
