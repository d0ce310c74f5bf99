"""Scripts of SQL that are not quite as pg_dump wrote them, or whose rows are no COPY's."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, FormatError
from support.effort import some
from support.postgres import PostgresServer
from support.stored_sets import contents_of, pg_dump
from support.table_restores import restore_table, schema_of

STRATEGIES = ("swap", "merge", "replace")
SCHEMA = r"""
CREATE TABLE ends (id integer PRIMARY KEY, body text, "c\r" text, raw bytea);
CREATE TABLE other (id integer);
CREATE TABLE days (id integer, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE FUNCTION noted() RETURNS void LANGUAGE sql AS $$
INSERT INTO public.ends (id) VALUES (0);
$$;
INSERT INTO ends SELECT n, CASE n % 6
    WHEN 0 THEN E'a\r\nb' WHEN 1 THEN E'\r' WHEN 2 THEN E'\n\r\n' WHEN 3 THEN E'\\r\\\r\n\\.\r\n' WHEN 4 THEN '' END,
    E'\r\n' || n, '\x0d0a' FROM generate_series(1, 8000) AS n;
INSERT INTO other SELECT n FROM generate_series(1, 3) AS n;
INSERT INTO days SELECT n, '2025-01-01'::date + n FROM generate_series(1, 600) AS n;
"""


@pytest.fixture(scope="module")
def made_ends(postgres17: PostgresServer) -> Iterator[str]:
    with postgres17.database() as name:
        postgres17.psql(name, SCHEMA)
        yield name


@pytest.fixture
def ends(postgres17: PostgresServer, made_ends: str) -> Iterator[str]:
    with postgres17.database(template=made_ends) as name:
        yield name


@pytest.mark.parametrize(
    ("packed", "strategy"),
    [(False, "swap"), (True, "merge"), (False, "replace")],
    ids=["plain-swap", "gzip-merge", "plain-replace"],
)
def test_a_script_with_the_line_ends_of_windows_gives_the_rows_back(
    postgres17: PostgresServer, ends: str, tmp_path: Path, packed: bool, strategy: str
) -> None:
    contents = contents_of(postgres17, ends)
    script = pg_dump(postgres17, ends)
    # What is a carriage return before a line feed in a function's body would be doubled by such programs too.
    script = script.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    file = tmp_path / "windows.sql"
    file.write_bytes(gzip.compress(script) if packed else script)
    for table in ("ends", "other"):
        if table == "other" and strategy == "merge":
            continue
        postgres17.query(ends, f"DELETE FROM {table} WHERE id <> 2")
        report = restore_table(postgres17, ends, table, src=str(file), strategy=strategy)
        assert report["rows"] == contents["public", table].rows
        assert contents_of(postgres17, ends)["public", table] == contents["public", table]


INSERTED: list[tuple[str, ...]] = [
    ("--inserts",),
    ("--column-inserts",),
    ("--inserts", "--data-only", "--rows-per-insert=100"),
    ("--column-inserts", "--on-conflict-do-nothing"),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("options", INSERTED, ids=" ".join)
def test_a_script_of_inserts_is_refused_and_it_is_said_what_to_do(
    postgres17: PostgresServer, ends: str, tmp_path: Path, options: tuple[str, ...], ending: bytes
) -> None:
    file = tmp_path / "inserts.sql"
    file.write_bytes(pg_dump(postgres17, ends, *options).replace(b"\n", ending))
    assert_refused(postgres17, ends, file, r"inserts\.sql has its rows as INSERT statements.*restore it as a whole")


def test_a_dump_of_inserts_is_refused_and_it_is_said_what_to_do(
    postgres17: PostgresServer, ends: str, tmp_path: Path
) -> None:
    file = tmp_path / "inserts.dump"
    file.write_bytes(pg_dump(postgres17, ends, "-Fc", "--inserts"))
    assert_refused(postgres17, ends, file, "no output of COPY.*made with --inserts.*restore it as a whole")


def test_a_script_without_rows_is_refused(postgres17: PostgresServer, ends: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.sql"
    script = pg_dump(postgres17, ends, "--schema-only")
    file.write_bytes(script.replace(b"\nINSERT INTO public.ends", b"\nSELECT 1 --"))
    assert_refused(postgres17, ends, file, r"schema\.sql has no rows.*--schema-only")


def test_a_table_that_a_script_fills_several_times_is_refused_and_the_others_are_not(
    postgres17: PostgresServer, ends: str, tmp_path: Path
) -> None:
    file = tmp_path / "several.sql"
    file.write_bytes(pg_dump(postgres17, ends, "--load-via-partition-root"))
    assert_refused(postgres17, ends, file, r"fills public\.days several times", table="days")
    restore_table(postgres17, ends, "ends", src=str(file))
    file.write_bytes(pg_dump(postgres17, ends) + pg_dump(postgres17, ends))
    assert_refused(postgres17, ends, file, r"fills public\.ends several times")


def assert_refused(server: PostgresServer, database: str, file: Path, told: str, table: str = "ends") -> None:
    before = schema_of(server, database), contents_of(server, database)
    # The file is looked at before the strategy is.
    for strategy, check in some([(strategy, check) for strategy in STRATEGIES for check in (True, False)], 2):
        with pytest.raises(BackupError, match=told) as caught:
            restore_table(server, database, table, src=str(file), strategy=strategy, check=check)
        assert isinstance(caught.value, FormatError)
    assert (schema_of(server, database), contents_of(server, database)) == before
