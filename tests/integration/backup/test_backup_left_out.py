"""Demo data is left out by a pattern: its tables are there and empty, and whoever reads the set knows why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, PreflightError
from support.backup_bench import Bench
from support.drill_runs import drill, failures
from support.postgres import PostgresServer
from support.restore_runs import RestoreBench
from support.table_restores import restore_table
from support.verify_runs import bad, verify

TABLES = """
CREATE TABLE clients (id int PRIMARY KEY);
CREATE TABLE "demo.Odd ""*" (id int);
CREATE TABLE demo_clients (id int PRIMARY KEY);
CREATE TABLE demo_orders (id serial, client int REFERENCES demo_clients, real int REFERENCES clients);
CREATE SCHEMA demo;
CREATE TABLE demo.visits (at date) PARTITION BY RANGE (at);
CREATE TABLE demo.visits_1 PARTITION OF demo.visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE visits (at date) PARTITION BY RANGE (at);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO clients SELECT generate_series(1, 5);
INSERT INTO "demo.Odd ""*" SELECT generate_series(1, 5);
INSERT INTO demo_clients SELECT generate_series(1, 5);
INSERT INTO demo_orders (client, real) SELECT g, g FROM generate_series(1, 5) g;
INSERT INTO demo.visits VALUES ('2026-01-05');
INSERT INTO visits VALUES ('2026-01-05'), ('2026-02-05');
"""
PATTERNS = ["demo_*", "demo.*", '"demo.Odd ""*"', "visits_?"]
EMPTY = ["demo.visits_1", 'public."demo.Odd ""*"', "public.demo_clients", "public.demo_orders"]
PARTITIONS = ["public.visits_1", "public.visits_2"]


@pytest.fixture
def shop(any_database: str, postgres: PostgresServer) -> str:
    """A database with demo data among the others."""
    postgres.psql(any_database, TABLES)
    return any_database


@pytest.mark.sampled(1)
def test_the_rows_stay_away_and_everybody_who_reads_the_set_knows_it(
    postgres: PostgresServer, shop: str, bench: Bench
) -> None:
    options = {"exclude_table_data": PATTERNS, "fingerprint": "all", "jobs": 3}
    assert bench.backup(postgres, shop, check_mode=True, **options)["left_out"] == EMPTY + PARTITIONS
    report = bench.backup(postgres, shop, **options)
    assert report["left_out"] == EMPTY + PARTITIONS
    assert report["rows"] == 5
    assert any("without the rows of demo.visits_1" in line for line in report["summary"])
    manifest = bench.stored(report).manifest
    assert {one["name"] for one in manifest["tables"] if one.get("left_out")} >= {"demo_clients", "visits_1"}
    verified = verify(
        bench.directory / "cache",
        label="shop",
        locations=[bench.location()],
        identities=[str(bench.keys.identity)],
        verify_key=[str(bench.keys.verify)],
        level="content",
    )
    assert bad(verified) == {}
    (told,) = [one["message"] for one in verified["findings"] if one["check"] == "left_out"]
    assert told.endswith("on purpose")
    drilled = drill(RestoreBench(bench), postgres)
    assert failures(drilled) == {}
    assert "left_out" in {one["check"] for one in drilled["findings"]}

    restored = RestoreBench(bench).restore(postgres, shop)
    assert any("they are empty after the restore" in line for line in restored["warnings"])
    counts = "SELECT (SELECT count(*) FROM demo_orders), (SELECT count(*) FROM visits), (SELECT count(*) FROM clients)"
    assert postgres.query(shop, counts) == [(0, 0, 5)]
    RestoreBench(bench).restore(postgres, shop, state="reverted")
    RestoreBench(bench).restore(postgres, shop, state="finalized")


def test_a_table_that_is_left_out_is_not_restored_and_comes_back_empty_if_it_was_dropped(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    postgres17.psql(database, TABLES)
    bench.backup(postgres17, database, exclude_table_data=["demo_*", "visits_2"])
    for table, strategy in (("demo_clients", "swap"), ("visits", "replace"), ("demo_orders", "merge")):
        with pytest.raises(PreflightError, match=r"was made without the rows of .*, on purpose"):
            restore_table(postgres17, database, table, bench=bench, strategy=strategy)
    with pytest.raises(PreflightError, match="on purpose"):
        restore_table(postgres17, database, "clients", bench=bench, source_table="demo_clients", strategy="merge")
    assert postgres17.query(database, "SELECT count(*) FROM visits") == [(2,)]

    postgres17.psql(database, "DROP TABLE demo_orders")
    report = restore_table(postgres17, database, "demo_orders", bench=bench)
    assert any("what comes back is empty" in line for line in report["warnings"])
    assert postgres17.query(database, "SELECT count(*) FROM demo_orders") == [(0,)]


def test_what_is_critical_or_would_not_come_back_is_refused(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    postgres17.psql(database, TABLES)
    refused: list[tuple[str, dict[str, Any]]] = [
        ("leaves out what has priority 1: public.clients", {"tables": [{"name": "clients", "priority": 1}]}),
        ("public.demo_orders refers to public.clients", {}),
    ]
    for message, options in refused:
        with pytest.raises(ConfigError, match=message):
            bench.backup(postgres17, database, exclude_table_data=["cli*nts"], **options)
    root = {"tables": [{"name": "visits", "priority": 1}], "exclude_table_data": ["visits_1"]}
    with pytest.raises(ConfigError, match=r"priority 1: public\.visits_1"):
        bench.backup(postgres17, database, **root)
    for everything in ("*", "*.*", "?"):
        with pytest.raises(ConfigError, match="would leave everything out"):
            bench.backup(postgres17, database, exclude_table_data=[everything])
    assert not bench.files()


def test_a_pattern_that_means_no_table_is_told(postgres17: PostgresServer, database: str, bench: Bench) -> None:
    postgres17.psql(database, TABLES)
    # A dot is a dot, and without a schema it is that of public.
    report = bench.backup(postgres17, database, exclude_table_data=["demo_clie.ts", "visits_3", "demo_orders"])
    told = [line for line in report["warnings"] if "is the name of no table" in line]
    assert [line.split("'")[1] for line in told] == ["demo_clie.ts", "visits_3"]
    assert report["left_out"] == ["public.demo_orders"]
