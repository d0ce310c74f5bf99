"""Check mode tells how many rows differ, and every restore which moment the rows show."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.backup_bench import Bench, make_keys
from support.postgres import PostgresServer
from support.table_restores import restore_table


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
def test_the_rows_that_differ_are_counted_and_nothing_is_changed(
    postgres17: PostgresServer, database: str, tmp_path: Path, key: str
) -> None:
    postgres17.query(
        database,
        f"CREATE TABLE t (i int {key}, v json); INSERT INTO t SELECT i, '{{}}' FROM generate_series(1, 9) AS i",
    )
    bench = Bench(tmp_path, make_keys(tmp_path))
    made = bench.backup(postgres17, database)
    for strategy in ("swap", "replace"):
        report = restore_table(postgres17, database, "t", bench=bench, check=True, strategy=strategy)
        assert report["differences"] == {"inserted": 0, "updated": 0, "deleted": 0}
        assert "no row differs from the backup" in report["summary"]
        assert " would be " in report["summary"][0]
    postgres17.query(
        database, "DELETE FROM t WHERE i < 3; UPDATE t SET v = '[1]' WHERE i = 5; INSERT INTO t VALUES (10, '{}')"
    )
    there = postgres17.query(database, "SELECT i, v::text FROM t ORDER BY i")
    expected = (2, 1, 1) if key else (3, 0, 2)
    for strategy in ("swap", "replace"):
        report = restore_table(postgres17, database, "t", bench=bench, check=True, strategy=strategy)
        assert tuple(report["differences"].values()) == expected
        assert f"{sum(expected)} rows differ from the backup: {expected[0]} are missing" in report["summary"][1]
        assert f"{made['id']}, as of 20" in report["summary"][0]
    assert postgres17.query(database, "SELECT i, v::text FROM t ORDER BY i") == there
    done = restore_table(postgres17, database, "t", bench=bench)
    assert "differences" not in done
    assert done["snapshot_time"].endswith("Z") and f"{made['id']}, as of 20" in done["summary"][0]
