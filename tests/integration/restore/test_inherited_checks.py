"""Tables that inherit: a check that is a parent's own affair is not mistaken for an heir's of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.backup_bench import Bench, make_keys
from support.lab import PostgresServer
from support.restore_runs import RestoreBench
from support.table_restores import restore_table

FAMILY = """
CREATE TABLE rooms (id int, places int,
  CONSTRAINT placed CHECK (places > 0) NO INHERIT, CONSTRAINT numbered CHECK (id > 0));
CREATE TABLE prices (id int, price int DEFAULT 3, CONSTRAINT paid CHECK (price > 0) NO INHERIT);
CREATE TABLE halls (stage text, CONSTRAINT paid CHECK (price > 1)) INHERITS (rooms, prices);
CREATE TABLE cabins (CONSTRAINT placed CHECK (places > 2)) INHERITS (rooms);
INSERT INTO rooms VALUES (1, 1);
INSERT INTO prices VALUES (2, 2);
INSERT INTO halls VALUES (3, 3, 3, 'left');
INSERT INTO cabins VALUES (4, 4);
"""
CHECKS = """
SELECT conrelid::regclass::text, conname, coninhcount, conislocal, connoinherit, pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
AND conrelid::regclass::text NOT LIKE '%_old_%' ORDER BY 1, 2
"""
ROWS = "SELECT id, tableoid::regclass::text FROM rooms ORDER BY 1"


@pytest.mark.sampled(2)
def test_heirs_come_back_with_their_own_checks(postgres: PostgresServer, tmp_path: Path) -> None:
    bench = RestoreBench(Bench(tmp_path, make_keys(tmp_path)))
    with postgres.database() as name:
        postgres.query(name, FAMILY)
        before = [postgres.query(name, query) for query in (CHECKS, ROWS)]
        bench.backup(postgres, name)
        postgres.query(name, "DELETE FROM rooms")
        bench.restore(postgres, name, strategy="in_place")
        assert [postgres.query(name, query) for query in (CHECKS, ROWS)] == before
        for table in ("cabins", "halls"):
            postgres.query(name, f"DELETE FROM {table}")
            restore_table(postgres, name, table, bench=bench.bench)
            assert [postgres.query(name, query) for query in (CHECKS, ROWS)] == before, table
            restore_table(postgres, name, table, state="reverted")
            assert postgres.query(name, CHECKS) == before[0], table
            restore_table(postgres, name, table, bench=bench.bench)
            restore_table(postgres, name, table, state="finalized")
            assert [postgres.query(name, query) for query in (CHECKS, ROWS)] == before, table
