"""Every table of a database with all kinds of objects: damaged, restored, and nothing else has changed."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from psycopg2 import sql
from support.backed_up import BackedUp
from support.backup_bench import Bench
from support.effort import some
from support.postgres import PostgresServer
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of

LONG = "1234567890_234567890_234567890_234567890_234567890_234567890_"

SWAPPED = [
    ("app", "clients"),
    ("app", "orders"),
    ("app", "payments"),
    ("app", "fleeting"),
    ("app", "typed"),
    ("app", "empty"),
    ("app", "child"),
    ("app", "events_2025"),
    ("app", "events_2026"),
    ("app", "events_rest"),
    ("app", "event_notes"),
    ("Odd. Schema", "T a'b\"l%e"),
    ("app", LONG + "23"),
    ("app", LONG + "24"),
]


def those_of(server: PostgresServer, tables: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """So many of them on one version, and fewer on the others: what differs between versions has tests by name."""
    return some(tables, count if server.major == 17 else -(-count // 3))


def quoted(table: tuple[str, str]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)


def damage(server: PostgresServer, database: str, table: tuple[str, str]) -> None:
    """Remove some rows of a table behind the back of its keys and triggers."""
    connection = server.connect(database)
    try:
        cursor = connection.cursor()
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            sql.SQL("DELETE FROM ONLY {0} WHERE ctid IN (SELECT ctid FROM ONLY {0} ORDER BY ctid LIMIT 2)").format(
                sql.Identifier(*table)
            )
        )
    finally:
        connection.close()


def test_a_swapped_table_is_that_of_the_backup_and_all_around_it_is_as_before(
    postgres: PostgresServer, carried: BackedUp, bench: Bench
) -> None:
    database, contents = carried.name, carried.contents
    for table in those_of(postgres, SWAPPED, 7):
        damage(postgres, database, table)
        assert contents_of(postgres, database)[table] != contents[table] or contents[table].rows == 0, table
        report = restore_table(postgres, database, quoted(table), bench=bench)
        assert report["changed"], table
        assert report["rows"] == contents[table].rows, table
        after = contents_of(postgres, database)
        assert {one: after[one] for one in contents} == contents, table
        finalized = restore_table(postgres, database, quoted(table), state="finalized")
        assert finalized["dropped"] == [report["old_table"]], table
        assert schema_of(postgres, database) == carried.schema, table
        assert not restore_table(postgres, database, quoted(table), state="finalized")["changed"], table


@pytest.mark.sampled(3)
@pytest.mark.parametrize("table", ["app.parent", "app.events"])
def test_what_a_swap_cannot_carry_over_is_refused_by_name(
    postgres: PostgresServer, carried: BackedUp, bench: Bench, table: str
) -> None:
    with pytest.raises(PreflightError, match="strategy swap cannot exchange"):
        restore_table(postgres, carried.name, table, bench=bench, source_table="app.child")
    assert schema_of(postgres, carried.name) == carried.schema


ROWS_ONLY = [*SWAPPED, ("app", "parent"), ("app", "events")]
WITHOUT_KEY = {"fleeting", "empty", "parent", "event_notes"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("strategy", ["merge", "replace"])
def test_every_table_gets_the_rows_of_the_backup_and_nothing_else_changes(
    postgres: PostgresServer, carried: BackedUp, bench: Bench, strategy: str
) -> None:
    database, contents = carried.name, carried.contents
    for table in those_of(postgres, ROWS_ONLY, 12):
        damage(postgres, database, ("app", "events_2025") if table[1] == "events" else table)
        options = {"delete_extra": True} if strategy == "merge" else {}
        if strategy == "merge" and table[1] in WITHOUT_KEY:
            with pytest.raises(PreflightError, match="it has no primary key"):
                restore_table(postgres, database, quoted(table), bench=bench, strategy=strategy, **options)
            options = {}
            strategy_now = "replace"
        else:
            strategy_now = strategy
        report = restore_table(postgres, database, quoted(table), bench=bench, strategy=strategy_now, **options)
        assert report["changed"] or contents[table].rows == 0
        assert contents_of(postgres, database) == contents, table
    assert schema_of(postgres, database) == carried.schema


@pytest.mark.sampled(1)
def test_a_swap_that_is_reverted_brings_the_rows_back_that_were_there(
    postgres: PostgresServer, carried: BackedUp, bench: Bench
) -> None:
    database = carried.name
    for table in some([("app", "clients"), ("app", "child"), ("app", "events_rest"), ("app", "empty")], 2):
        if table[1] == "clients":
            postgres.query(database, "UPDATE app.clients SET name = 'all the same'")
        else:
            damage(postgres, database, table)
        damaged = contents_of(postgres, database)
        restore_table(postgres, database, quoted(table), bench=bench)
        report = restore_table(postgres, database, quoted(table), state="reverted")
        assert report["changed"]
        found = contents_of(postgres, database)
        assert {one: found[one] for one in damaged} == damaged
        assert not restore_table(postgres, database, quoted(table), state="reverted")["changed"]
        assert restore_table(postgres, database, quoted(table), state="finalized")["changed"]
        assert schema_of(postgres, database) == carried.schema
        with pytest.raises(PreflightError, match="no table is kept"):
            restore_table(postgres, database, quoted(table), state="reverted")
