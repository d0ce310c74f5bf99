"""Exports in a set hold exactly what was asked for, in the format and compression that were asked for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.stored_sets import StoredSet

TABLES = r"""
CREATE TABLE audit (id int PRIMARY KEY, at timestamptz, who text, what jsonb, price numeric);
INSERT INTO audit SELECT i, '2026-11-24 00:00:00+00'::timestamptz - i * interval '1 day',
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'two\nlines, "quoted"' WHEN 3 THEN '\.' ELSE 'Grüße' END,
    jsonb_build_object('n', i, 'text', E'a"b\\c\n'), i * 0.10
FROM generate_series(1, 400) i;
CREATE TABLE days (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
INSERT INTO days SELECT '2026-01-01'::date + i, i FROM generate_series(0, 299) i;
CREATE VIEW recent AS SELECT id, who FROM audit WHERE id <= 7;
CREATE TABLE empty (a int, "b c" text);
"""

KINDS = [("days", 300), ("days_1", 181), ("recent", 7), ("empty", 0)]

Rows = list[dict[str, Any]]


def from_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def as_text(server: PostgresServer, database: str, query: str) -> list[list[str]]:
    """The rows of a query as the server writes each value, with NULL as nothing."""
    connection = server.connect(database)
    output = io.StringIO(newline="")
    with connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT text, DELIMITER E'\\x01')", output)
    connection.close()
    unescaped = {"\\n": "\n", "\\\\": "\\", "\\N": ""}
    rows = [line.split("\x01") for line in output.getvalue().splitlines()]
    return [[unescape(value, unescaped) for value in row] for row in rows]


def unescape(value: str, known: dict[str, str]) -> str:
    result, position = "", 0
    while position < len(value):
        pair = value[position : position + 2]
        result += known.get(pair, value[position])
        position += 2 if pair in known else 1
    return result


WHERE = "at >= '2026-11-24'::timestamptz - interval '90 days' -- the last 90 days"
QUERY = "SELECT count(*) AS n, sum(price) AS total FROM public.audit WHERE who IS NULL"
EXPORTS: dict[str, dict[str, Any]] = {
    # Named like its table where it has no name.
    "audit": {"table": "audit"},
    "audit-gzip": {"name": "audit-gzip", "table": "audit", "compress": "gzip"},
    "audit-none": {"name": "audit-none", "table": "audit", "compress": "none"},
    "recent-audit": {"name": "recent-audit", "table": "audit", "columns": ["who", "id"], "where": WHERE},
    "audit-json": {"name": "audit-json", "table": "audit", "format": "json", "columns": ["id", "who", "what"]},
    "unknown": {"name": "unknown", "query": QUERY, "compress": "none"},
    **{
        f"{table}-{data_format}": {
            "name": f"{table}-{data_format}",
            "table": table,
            "format": data_format,
            "compress": "none",
        }
        for table, _rows in KINDS
        for data_format in ("csv", "json")
    },
}


@dataclass(frozen=True)
class Exported:
    """A set with each of :data:`EXPORTS`, and the database that it is of."""

    database: str
    stored: StoredSet

    def __getitem__(self, name: str) -> tuple[dict[str, Any], bytes]:
        """What the manifest says of an export, and its bytes."""
        [artifact] = [one for one in self.stored.artifacts("export") if one["name"].startswith(f"{name}_2")]
        return artifact, self.stored.plain(artifact)


@pytest.fixture(scope="module")
def exporting(postgres17: PostgresServer) -> Iterator[str]:
    """The name of a database with tables to export."""
    with postgres17.database() as name:
        postgres17.query(name, TABLES)
        yield name


@pytest.fixture(scope="module")
def exported(
    postgres17: PostgresServer, exporting: str, keys: Keys, tmp_path_factory: pytest.TempPathFactory, age: Path
) -> Exported:
    """See :class:`Exported`."""
    bench = Bench(tmp_path_factory.mktemp("exports"), keys)
    report = bench.backup(postgres17, exporting, exports=list(EXPORTS.values()))
    return Exported(exporting, bench.stored(report))


@pytest.mark.parametrize(
    ("name", "compress", "suffix"),
    [("audit", "zstd", ".zst"), ("audit-gzip", "gzip", ".gz"), ("audit-none", "none", "")],
)
def test_a_whole_table_is_exported_under_each_compression(
    postgres17: PostgresServer, exported: Exported, name: str, compress: str, suffix: str
) -> None:
    artifact, data = exported[name]
    assert artifact["name"].endswith(f".csv{suffix}.age")
    assert (artifact["compression"], artifact["format"]) == (compress, "csv")
    assert artifact["export"] == {
        "schema": "public", "table": "audit", "columns": None, "where": None, "query": None, "rows": 400,
    }  # fmt: skip
    assert artifact["plain_size"] == len(data)
    header, *rows = from_csv(data)
    assert header == ["id", "at", "who", "what", "price"]
    assert rows == as_text(postgres17, exported.database, "SELECT * FROM audit")
    # NULL and the empty text are told apart.
    assert b",,{" not in data and b',,"{' in data and b',"","{' in data


def test_columns_and_a_condition_select_what_is_exported(postgres17: PostgresServer, exported: Exported) -> None:
    artifact, data = exported["recent-audit"]
    header, *rows = from_csv(data)
    assert header == ["who", "id"]
    assert rows == as_text(postgres17, exported.database, "SELECT who, id FROM audit WHERE id <= 90")
    assert artifact["export"]["columns"] == ["who", "id"]
    assert (artifact["export"]["where"], artifact["export"]["rows"]) == (WHERE, 90)


def test_json_is_an_array_of_the_rows_as_the_server_writes_them(postgres17: PostgresServer, exported: Exported) -> None:
    artifact, data = exported["audit-json"]
    assert artifact["name"].endswith(".json.zst.age")
    query = "SELECT json_agg(r) FROM (SELECT id, who, what FROM audit) AS r"
    [[expected]] = postgres17.query(exported.database, query)
    assert json.loads(data) == expected
    assert artifact["export"]["rows"] == len(expected) == 400


def test_a_query_is_exported_under_its_name(exported: Exported) -> None:
    artifact, data = exported["unknown"]
    assert data == b"n,total\n80,1620.00\n"
    assert artifact["export"]["query"] == QUERY
    assert artifact["export"]["table"] is None


@pytest.mark.parametrize(("relation", "rows"), KINDS)
@pytest.mark.parametrize("data_format", ["csv", "json"])
def test_partitioned_tables_views_and_empty_tables_are_exported(
    exported: Exported, relation: str, rows: int, data_format: str
) -> None:
    artifact, data = exported[f"{relation}-{data_format}"]
    found = from_csv(data)[1:] if data_format == "csv" else json.loads(data)
    assert len(found) == artifact["export"]["rows"] == rows


@pytest.mark.usefixtures("age")
def test_several_exports_of_one_table_lie_side_by_side(
    postgres17: PostgresServer, exporting: str, bench: Bench
) -> None:
    exports = [{"name": f"part-{n}", "table": "public.audit", "where": f"id % 3 = {n}"} for n in range(3)]
    report = bench.backup(postgres17, exporting, exports=exports)
    stored = bench.stored(report)
    assert sorted(one["export"]["rows"] for one in stored.artifacts("export")) == [133, 133, 134]
    assert len(stored.names) == 2 + 2 + 3


def test_an_export_that_fails_while_it_runs_fails_the_backup_and_leaves_nothing(
    postgres17: PostgresServer, exporting: str, bench: Bench
) -> None:
    with pytest.raises(Exception, match=r"division.by.zero") as raised:
        query = "SELECT 1 / (n - 299) FROM public.days"
        bench.backup(postgres17, exporting, exports=[{"name": "broken", "query": query}])
    assert "broken" in str(raised.value)
    assert bench.files() == set()
