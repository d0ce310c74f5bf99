"""Schemas that nobody has written: every table is exchanged, and nothing else changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from hypothesis import HealthCheck, given, settings
from support.backup_bench import Bench, make_keys
from support.effort import examples, some
from support.postgres import PostgresServer
from support.random_schemas import TABLES, quoted, schemas
from support.stored_sets import contents_of
from support.table_restores import restore_table, schema_of


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    directory = tmp_path_factory.mktemp("random")
    return Bench(directory, make_keys(directory))


# Few on each version, but others in each run: what differs between versions is tried by name elsewhere.
FEW = settings(
    max_examples=examples(2), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
Backed = tuple[str, list[str], dict[str, object]]


@contextlib.contextmanager
def backed_up(server: PostgresServer, bench: Bench, schema: str, **options: int) -> Iterator[Backed]:
    """The name of a database that was backed up, its schema and its contents."""
    with server.database() as database:
        server.psql(database, schema)
        bench.backup(server, database, fingerprint="all", **options)
        yield database, schema_of(server, database), contents_of(server, database)


@pytest.mark.sampled(1)
@FEW
@given(schema=schemas())
def test_a_swap_leaves_any_schema_as_it_was(postgres: PostgresServer, bench: Bench, schema: str) -> None:
    with backed_up(postgres, bench, schema) as (database, before, contents):
        for table in TABLES:
            try:
                restore_table(postgres, database, quoted(table), bench=bench)
            except PreflightError as error:
                assert "cannot carry over" in str(error)
                assert schema_of(postgres, database) == before
                continue
            found = contents_of(postgres, database)
            assert {one: found[one] for one in contents} == contents
            restore_table(postgres, database, quoted(table), state="finalized")
            assert schema_of(postgres, database) == before


@pytest.mark.sampled(1)
@FEW
@given(schema=schemas())
def test_merging_and_replacing_give_the_rows_of_any_schema_back(
    postgres: PostgresServer, bench: Bench, schema: str
) -> None:
    with backed_up(postgres, bench, schema) as (database, before, contents):
        for table in TABLES:
            for strategy, options in (("merge", {"delete_extra": True}), ("replace", {})):
                postgres.query(
                    database,
                    "SET session_replication_role = replica;"
                    f"DELETE FROM {quoted(table)} WHERE id > 15; UPDATE {quoted(table)} SET n = 7 WHERE id < 5;"
                    f"INSERT INTO {quoted(table)} (id, word, n) VALUES (100, 'b', 1)",
                )
                assert contents_of(postgres, database) != contents
                restore_table(postgres, database, quoted(table), bench=bench, strategy=strategy, **options)
                assert contents_of(postgres, database) == contents
        assert schema_of(postgres, database) == before


def test_a_set_of_several_parts_gives_a_partitioned_table_back(postgres17: PostgresServer, tmp_path: Path) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    with postgres17.database() as database:
        postgres17.psql(
            database,
            "CREATE TABLE days (id integer, day date NOT NULL, body text, PRIMARY KEY (id, day))"
            " PARTITION BY RANGE (day);"
            "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
            "CREATE TABLE days_2 (body text, day date NOT NULL, id integer NOT NULL);"
            "ALTER TABLE days ATTACH PARTITION days_2 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
            "INSERT INTO days SELECT n, '2025-01-01'::date + n % 700, md5(n::text) FROM generate_series(1, 5000) AS n;",
        )
        bench.backup(postgres17, database, fingerprint="all", jobs=3)
        before, contents = schema_of(postgres17, database), contents_of(postgres17, database)
        for table, strategy in (("days", "merge"), ("days", "replace"), ("days_1", "swap"), ("days_2", "merge")):
            postgres17.query(database, f"DELETE FROM {table} WHERE id % 3 = 0")
            restore_table(postgres17, database, table, bench=bench, strategy=strategy)
            found = contents_of(postgres17, database)
            assert {one: found[one] for one in contents} == contents
        restore_table(postgres17, database, "days_1", state="finalized")
        assert schema_of(postgres17, database) == before


@FEW
@given(schema=schemas())
def test_dropped_tables_of_any_schema_come_back(postgres17: PostgresServer, bench: Bench, schema: str) -> None:
    with backed_up(postgres17, bench, schema) as (database, before, contents):
        reverted = some(TABLES, 1)
        for table in TABLES:
            postgres17.psql(database, f"DROP TABLE {quoted(table)} CASCADE")
            if table in reverted:
                gone = schema_of(postgres17, database)
                restore_table(postgres17, database, quoted(table), bench=bench)
                restore_table(postgres17, database, quoted(table), state="reverted")
                assert schema_of(postgres17, database) == gone
            restore_table(postgres17, database, quoted(table), bench=bench)
            assert schema_of(postgres17, database) == before
            assert contents_of(postgres17, database) == contents
