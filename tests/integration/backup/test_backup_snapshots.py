"""Everything in a set shows one moment of the database, whatever others write meanwhile, in one part or in several."""

from __future__ import annotations

import csv
import io
import json
import operator
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import psycopg2.extras
import pytest
from support.backup_bench import Bench
from support.fake_programs import FakePrograms
from support.lab import PostgresServer, wait_until
from support.sample_databases import fill
from support.stored_sets import StoredSet, assert_same_contents, contents_of, pg_restore
from support.table_restores import schema_of

TWINS = """
CREATE TABLE debit (n int PRIMARY KEY, text text);
CREATE TABLE credit (n int PRIMARY KEY, text text);
CREATE TABLE changes (n int);
INSERT INTO debit SELECT i, repeat(md5(i::text), 10) FROM generate_series(-3000, -1) i;
INSERT INTO credit SELECT * FROM debit;
INSERT INTO changes VALUES (0);
"""
TRANSFER = """
BEGIN;
INSERT INTO debit VALUES ({0}, '{0}');
INSERT INTO credit VALUES ({0}, '{0}');
UPDATE changes SET n = {0};
COMMIT
"""


@contextmanager
def storm(server: PostgresServer, database: str) -> Iterator[list[int]]:
    """Transactions that write the same into two tables, and count in a third, until the block ends."""
    written = [0]
    stop = threading.Event()

    def write() -> None:
        connection = server.connect(database)
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute(TRANSFER.format(written[0] + 1))
                written[0] += 1
                # The processor is needed for the backup too.
                stop.wait(0.002)
        connection.close()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()


def exported(stored: StoredSet, name: str) -> list[dict[str, str]]:
    [export] = [one for one in stored.artifacts("export") if one["name"].startswith(f"{name}_")]
    return list(csv.DictReader(io.StringIO(stored.plain(export).decode())))


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("jobs", [1, 3])
def test_dump_counts_fingerprints_and_exports_agree_while_others_write(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path, jobs: int
) -> None:
    postgres17.query(database, TWINS)
    exports = [{"table": "debit", "compress": "none"}, {"table": "credit", "format": "json"}]
    with (
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs,
        storm(postgres17, database) as written,
        bench.under_way(
            postgres17, database, jobs=jobs, exports=exports, fingerprint="all", pg_bin_dir=programs
        ) as run,
    ):
        # The snapshot is taken when pg_dump begins; much changes before it may read, and while it does.
        pids = programs.wait_until_held(jobs)
        before = written[0]
        wait_until(lambda: written[0] >= before + 50, what="others to write")
        programs.open()
        report = run.result(60)
    assert len(set(pids)) == jobs
    stored = bench.stored(report)
    rows = stored.rows
    assert rows["public", "debit"] == rows["public", "credit"]
    transfers = rows["public", "debit"] - 3000
    assert 0 <= transfers <= before + 1 < written[0]
    assert stored.fingerprints["public", "debit"] == stored.fingerprints["public", "credit"]
    assert len(exported(stored, "debit")) == rows["public", "debit"]
    [credit] = [one for one in stored.artifacts("export") if one["name"].startswith("credit_")]
    # Two tables that are filled alike need not lie alike.
    by_number = operator.itemgetter("n")
    debits = [{"n": int(row["n"]), "text": row["text"]} for row in exported(stored, "debit")]
    assert sorted(json.loads(stored.plain(credit)), key=by_number) == sorted(debits, key=by_number)
    with stored.restored(postgres17) as restored:
        assert_same_contents(stored, postgres17, restored)
        assert postgres17.query(restored, "SELECT n FROM changes") == [(transfers,)]


@pytest.mark.usefixtures("age")
def test_rows_that_vanish_after_the_snapshot_are_in_the_set(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    postgres17.query(database, TWINS)
    with (
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs,
        bench.under_way(
            postgres17, database, jobs=2, exports=[{"table": "debit"}], fingerprint="all", pg_bin_dir=programs
        ) as run,
    ):
        programs.wait_until_held(2)
        postgres17.query(database, "DELETE FROM debit; UPDATE credit SET text = 'changed'")
        programs.open()
        stored = bench.stored(run.result(60))
    assert stored.rows["public", "debit"] == len(exported(stored, "debit")) == 3000
    assert stored.fingerprints["public", "debit"] == stored.fingerprints["public", "credit"]


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("age")
def test_parts_hold_every_table_exactly_once_and_restore_to_the_same_database(
    postgres: PostgresServer, any_database: str, bench: Bench
) -> None:
    sizes = {"one": 4, "two": 3, "three": 2, "four": 1}
    for table, megabytes in sizes.items():
        fill(postgres, any_database, megabytes, table)
    postgres.query(
        any_database,
        "ALTER TABLE one ADD PRIMARY KEY (id); CREATE TABLE small (id int REFERENCES one, n serial); "
        "INSERT INTO small SELECT i FROM generate_series(1, 50) i; CREATE TABLE empty (); "
        "CREATE SCHEMA other; CREATE TABLE other.one AS SELECT * FROM one LIMIT 4000; "
        "CREATE VIEW seen AS SELECT count(*) FROM two; "
        "SELECT lo_from_bytea(0, decode(repeat('00ff', 100000), 'hex'))",
    )
    report = bench.backup(postgres, any_database, jobs=3, fingerprint="all")
    stored = bench.stored(report)
    dumps = stored.artifacts("dump")
    assert [dump["part"] for dump in dumps] == [1, 2, 3]
    assert [dump["name"].split(".")[1] for dump in dumps] == ["dump", "part2", "part3"]
    listings = [pg_restore(postgres, stored.plain(dump), "--list").decode() for dump in dumps]
    held = Counter(re.findall(r" TABLE DATA (.*)", "\n".join(listings)))
    assert set(held.values()) == {1}
    assert len(held) == len(stored.rows) == 7
    indexed = Counter((block[1], block[2]) for dump in dumps for block in dump["index"]["blocks"] if block[2])
    assert indexed == Counter(stored.rows.keys())
    # The definitions and the large object are in the first part only.
    assert [" TABLE public small " in text for text in listings] == [True, False, False]
    assert ["BLOB" in text for text in listings] == [True, False, False]
    with stored.restored(postgres) as restored:
        assert_same_contents(stored, postgres, restored)
        # All rows have been compared.
        for others in (
            "SELECT md5(lo_get(oid)), lomowner, lomacl::text FROM pg_largeobject_metadata",
            "SELECT schemaname, sequencename, last_value FROM pg_sequences",
        ):
            assert postgres.query(restored, others) == postgres.query(any_database, others) != []
        one, other = (schema_of(postgres, name) for name in (restored, any_database))
        assert one == other


@pytest.mark.sampled(1)
def test_what_is_said_of_a_partitioned_table_holds_for_its_partitions_unless_they_are_named_too(
    postgres: PostgresServer, any_database: str, bench: Bench
) -> None:
    postgres.query(
        any_database,
        "CREATE TABLE days (n int) PARTITION BY RANGE (n);"
        "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (n);"
        "CREATE TABLE days_2a PARTITION OF days_2 DEFAULT; CREATE TABLE other (n int);"
        "INSERT INTO days SELECT generate_series(1, 19)",
    )
    tables = [
        {"name": "days_1", "priority": 3},
        {"name": "days", "priority": 1, "personal_data": True, "fingerprint": True},
    ]
    stored = bench.stored(bench.backup(postgres, any_database, tables=tables))
    said = {
        one["name"]: (one["rows"], one["priority"], one["personal_data"], one["fingerprint"] is not None)
        for one in stored.manifest["tables"]
    }
    assert said == {
        "days_1": (9, 3, False, False),
        "days_2a": (10, 1, True, True),
        "other": (0, None, False, False),
    }


def test_parts_are_about_equally_large(postgres17: PostgresServer, big_database: str, bench: Bench) -> None:
    report = bench.backup(postgres17, big_database, jobs=3, fingerprint="none")
    sizes = [dump["plain_size"] for dump in bench.stored(report).artifacts("dump")]
    assert len(sizes) == 3
    assert max(sizes) < 1.2 * min(sizes)


def test_marked_tables_alone_get_a_fingerprint_unless_told_otherwise(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    postgres17.query(database, TWINS)
    tables = [{"name": "credit", "fingerprint": True}]
    found = {
        choice: bench.stored(bench.backup(postgres17, database, fingerprint=choice, tables=tables)).fingerprints
        for choice in ("none", "marked", "all")
    }
    contents = contents_of(postgres17, database)
    assert found["none"] == {}
    assert found["marked"] == {("public", "credit"): contents["public", "credit"].value}
    assert found["all"] == {table: one.value for table, one in contents.items()}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("compress", "inner"),
    [("none", "none"), ("gzip:9", "gzip:9"), ("lz4", "lz4"), ("zstd:3", "zstd:3"), ("auto", "zstd:1")],
)
@pytest.mark.usefixtures("age")
def test_a_dump_is_compressed_as_asked(
    postgres17: PostgresServer, database: str, bench: Bench, compress: str, inner: str
) -> None:
    postgres17.query(database, "CREATE TABLE t AS SELECT repeat('x', 10000) AS text FROM generate_series(1, 100)")
    stored = bench.stored(bench.backup(postgres17, database, compress=compress))
    [dump] = stored.artifacts("dump")
    assert (dump["compression"], dump["inner_compression"]) == ("none", inner)
    archive = stored.plain(dump)
    assert (len(archive) > 1_000_000) == (compress == "none")
    method = inner.split(":")[0]
    assert f"Compression: {method}".encode() in pg_restore(postgres17, archive, "--list")


def test_a_table_that_is_to_be_emptied_during_the_backup_is_exported_and_counted_as_it_was(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    postgres17.query(
        database,
        "CREATE TABLE consents (n int) PARTITION BY RANGE (n); CREATE TABLE consents_1 PARTITION OF consents DEFAULT;"
        "INSERT INTO consents SELECT generate_series(1, 1000)",
    )
    with (
        closing(psycopg2.connect(postgres17.dsn(database), async_=True)) as emptier,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs,
        bench.under_way(
            postgres17, database, exports=[{"table": "consents"}], lock_timeout=5, pg_bin_dir=programs
        ) as run,
    ):
        # pg_dump has locked nothing yet.
        programs.wait_until_held()
        psycopg2.extras.wait_select(emptier)
        emptier.cursor().execute("TRUNCATE consents")
        postgres17.wait_until_blocked(emptier)
        postgres17.query(database, "SELECT pg_terminate_backend(%s)", [emptier.info.backend_pid])
        programs.open()
        stored = bench.stored(run.result(60))
    [export] = stored.artifacts("export")
    assert export["export"]["rows"] == 1000
    assert stored.rows == {("public", "consents_1"): 1000}
