"""A table that is exchanged, emptied or altered while a backup waits has its rows in the set, or there is no set."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup import backup_run
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import ExportRequest, export_table
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import parse_encryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import snapshot as snapshots
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions
from support.backup_bench import Bench
from support.lab import PostgresServer, wait_until
from support.stored_sets import assert_same_contents
from support.table_restores import restore_table

SCHEMA = """
CREATE TABLE t (n int, m int); INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i;
CREATE TABLE other AS SELECT 1 AS n;
"""
REFILL = "INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i"
EXCHANGES = {
    "truncated": f"TRUNCATE t; {REFILL}",
    "renamed": f"ALTER TABLE t RENAME TO t_old; CREATE TABLE t (LIKE t_old); {REFILL}",
    "made anew": f"DROP TABLE t; CREATE TABLE t (n int, m int); {REFILL}",
    "rewritten": "ALTER TABLE t ALTER COLUMN m TYPE bigint",
    "a column made anew": "ALTER TABLE t DROP COLUMN m; ALTER TABLE t ADD COLUMN m int DEFAULT 7",
    "become a view": "ALTER TABLE t RENAME TO t_old; CREATE VIEW t AS SELECT * FROM t_old",
}
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@contextmanager
def exchange_when_waited_for(server: PostgresServer, database: str, statement: str) -> Iterator[None]:
    """Somebody who does something to the tables, and commits as soon as somebody else waits for that."""
    with closing(server.connect(database)) as connection:
        connection.cursor().execute(f"BEGIN; {statement}")

        def commit() -> None:
            wait_until(lambda: server.query(database, WAITING) != [(0,)], what="the lock to be waited for")
            connection.cursor().execute("COMMIT")

        thread = threading.Thread(target=commit)
        thread.start()
        yield
        thread.join()


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize(("how", "jobs"), [("truncated", 1), ("renamed", 3), ("rewritten", 1)])
def test_an_exchange_that_the_backup_waits_for_is_in_the_set_with_its_rows(
    postgres: PostgresServer, any_database: str, bench: Bench, how: str, jobs: int
) -> None:
    postgres.query(any_database, SCHEMA)
    exports = [{"name": "t", "table": "t", "columns": ["n"], "compress": "none"}] if how == "rewritten" else []
    with exchange_when_waited_for(postgres, any_database, EXCHANGES[how]):
        report = bench.backup(postgres, any_database, fingerprint="all", jobs=jobs, exports=exports)
    stored = bench.stored(report)
    assert stored.rows["public", "t"] == 1000
    for export in stored.artifacts("export"):
        assert len(list(csv.reader(io.StringIO(stored.plain(export).decode())))) == 1001
    with stored.restored(postgres) as restored:
        assert_same_contents(stored, postgres, restored)
        assert postgres.query(restored, "SELECT count(*), sum(n) FROM t") == [(1000, 500500)]


@pytest.fixture
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the server's lock table had no room for the tables."""
    monkeypatch.setattr(snapshots, "tables_to_hold", lambda _connection: [], raising=False)
    monkeypatch.setattr(backup_run, "lock_tables", lambda _connection, _tables: [], raising=False)


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("nothing_held")
@pytest.mark.parametrize("how", EXCHANGES)
def test_an_exchange_between_the_snapshot_and_the_dump_fails_by_name_and_leaves_no_set(
    postgres17: PostgresServer, database: str, bench: Bench, how: str
) -> None:
    postgres17.query(database, SCHEMA)
    with bench.held(postgres17, database, hold_after=0) as (programs, run):
        postgres17.query(database, f"BEGIN; {EXCHANGES[how]}; COMMIT")
        programs.open()
        with pytest.raises(BackupError, match=r"\bt\b") as raised:
            run.result(60)
    assert "exchanged, emptied, altered or dropped" in str(raised.value) or "view" in str(raised.value)
    assert bench.files() == set()


@pytest.mark.usefixtures("nothing_held", "age")
@pytest.mark.parametrize("what", ["created", "vacuumed"])
def test_what_comes_after_the_snapshot_and_what_only_moves_rows_is_no_exchange(
    postgres17: PostgresServer, database: str, bench: Bench, what: str
) -> None:
    postgres17.query(database, SCHEMA)
    with bench.held(postgres17, database, hold_after=0) as (programs, run):
        postgres17.query(
            database, "CREATE TABLE new AS SELECT 1" if what == "created" else "DELETE FROM t WHERE n = 1; ANALYZE t"
        )
        if what == "vacuumed":
            postgres17.query(database, "VACUUM t")
        programs.open()
        stored = bench.stored(run.result(60))
    assert stored.rows == {("public", "t"): 1000, ("public", "other"): 1}


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("nothing_held")
@pytest.mark.parametrize(
    ("schema", "change", "export"),
    [
        ("", EXCHANGES["truncated"], {"table": "t"}),
        ("", EXCHANGES["truncated"], {"name": "x", "query": "SELECT n FROM public.t"}),
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM t", "REFRESH MATERIALIZED VIEW m", {"table": "m"}),
        ("CREATE VIEW v AS SELECT * FROM t", EXCHANGES["truncated"], {"table": "v", "format": "json"}),
        (
            "CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p DEFAULT",
            "ALTER TABLE p DETACH PARTITION p1; DROP TABLE p1; CREATE TABLE p1 PARTITION OF p DEFAULT",
            {"name": "x", "query": "SELECT * FROM public.p"},
        ),
    ],
)
def test_an_export_of_what_was_exchanged_since_the_snapshot_fails_by_name(
    postgres17: PostgresServer,
    database: str,
    bench: Bench,
    schema: str,
    change: str,
    export: Mapping[str, Any],
) -> None:
    # What comes before the exports is held until pg_dump has ended.
    postgres17.query(database, f"{SCHEMA}; {schema}")
    with bench.held(postgres17, database, spoiled="pg_dumpall", hold_after=0, exports=[export]) as (programs, run):
        wait_until(lambda: no_dump_reads(postgres17, database), what="pg_dump to end")
        postgres17.query(database, f"BEGIN; {change}; COMMIT")
        programs.open()
        with pytest.raises(SourceError, match="exchanged, emptied, altered or dropped") as raised:
            run.result(60)
    assert any(f"public.{name}" in str(raised.value) for name in ("t", "m", "p1"))
    assert bench.files() == set()


def no_dump_reads(server: PostgresServer, database: str) -> bool:
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name ~ '^mobul' AND state = %s"
    )
    return server.query(database, statement, [database, "active"]) == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "how"),
    [({"table": "t"}, "truncated"), ({"query": "SELECT n FROM public.t"}, "renamed"), ({"table": "p"}, "truncated")],
)
def test_an_export_that_waits_for_an_exchange_has_its_rows(
    postgres17: PostgresServer, database: str, tmp_path: Path, arguments: dict[str, str], how: str
) -> None:
    postgres17.query(
        database,
        f"{SCHEMA}; CREATE TABLE p (n int, m int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p DEFAULT;"
        "INSERT INTO p SELECT * FROM t",
    )
    options = ConnectionOptions.parse(postgres17.login(database))
    change = EXCHANGES[how]
    if arguments == {"table": "p"}:
        change = change.replace("TRUNCATE t;", "TRUNCATE p1;").replace("INTO t ", "INTO p1 ")
    request = ExportRequest(str(tmp_path / "out"), **arguments)
    with exchange_when_waited_for(postgres17, database, change):
        assert export_table(options, request, parse_encryption([], gnupghome=None)).rows == 1000


@pytest.mark.usefixtures("age")
def test_a_swap_of_our_own_meanwhile_waits_for_the_backup_and_spoils_it_in_no_case(
    postgres17: PostgresServer, database: str, bench: Bench, request: pytest.FixtureRequest
) -> None:
    postgres17.query(database, SCHEMA)
    bench.backup(postgres17, database)
    with bench.held(postgres17, database, hold_after=0) as (programs, run):
        with pytest.raises(BackupError, match=r"could not be locked.*mobul\.backup"):
            restore_table(postgres17, database, "t", bench=bench, lock_timeout=1)
        programs.open()
        assert bench.stored(run.result(60)).rows["public", "t"] == 1000
    request.getfixturevalue("nothing_held")
    with bench.held(postgres17, database, hold_after=0) as (programs, run):
        restore_table(postgres17, database, "t", bench=bench)
        programs.open()
        with pytest.raises(SourceError, match=r"exchanged, emptied, altered or dropped.*public\.t"):
            run.result(60)
    assert bench.stored(bench.backup(postgres17, database)).rows["public", "t"] == 1000
