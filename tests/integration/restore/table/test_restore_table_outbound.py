"""A table with triggers that call out: its restore calls nobody, and leaves them as they were."""

from __future__ import annotations

from pathlib import Path

from support.backup_bench import Bench, make_keys
from support.lab import PostgresServer
from support.outbound import called, make_calling, states
from support.restore_runs import databases
from support.table_restores import restore_table


def test_no_restore_of_a_table_fires_what_is_on_it_or_changes_its_state(
    postgres17: PostgresServer, tmp_path: Path
) -> None:
    name = make_calling(postgres17)
    # An event trigger is the database's, and hears of whatever is altered in it, by whomever.
    postgres17.query(name, "DROP EVENT TRIGGER on_ddl; DROP MATERIALIZED VIEW counted")
    bench = Bench(tmp_path, make_keys(tmp_path))
    before = states(postgres17, name)
    bench.backup(postgres17, name, fingerprint="all")
    called(postgres17, name)
    for strategy in ("swap", "merge", "replace"):
        postgres17.query(name, "SET session_replication_role TO replica; TRUNCATE orders")
        restore_table(postgres17, name, "public.orders", bench=bench, strategy=strategy)
        assert postgres17.query(name, "SELECT id FROM orders ORDER BY 1") == [(1,), (2,)]
        assert (states(postgres17, name), called(postgres17, name)) == (before, [])
    postgres17.query(name, "DROP TABLE orders CASCADE")
    restore_table(postgres17, name, "public.orders", bench=bench)
    assert (states(postgres17, name), called(postgres17, name)) == (before, [])
    for one in databases(postgres17, name):
        postgres17.drop_database(one)
