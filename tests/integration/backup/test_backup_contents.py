"""What a database may hold: other encodings, hostile names, nothing at all, and thousands of tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg2 import sql
from support.backup_bench import Bench
from support.backup_runs import ModuleProcess
from support.effort import is_long
from support.lab import PostgresServer
from support.stored_sets import assert_same_contents, pg_restore, script_of

MIB = 1024 * 1024

ODD_NAMES = [
    'quo"te',
    "apo'strophe",
    "line\nbreak",
    "tab\tcarriage\rreturn",
    "*",
    "st*r",
    "st?r",
    ".",
    "do.t",
    "..",
    "100%",
    "%s",
    "-leading",
    "--jobs=9",
    "$1",
    "back\\slash",
    "a|b",
    "(x)",
    "[a-z]",
    "CamelCase",
    " space ",
    "Grüße",
    "数据库",
    "🐘",
    "n" * 63,
    "é" * 31,
    "select",
]


@pytest.fixture
def odd_database(postgres17: PostgresServer, database: str) -> str:
    """Every odd name as that of a schema, a table and a column."""
    connection = postgres17.connect(database)
    with connection.cursor() as cursor:
        for number, name in enumerate(ODD_NAMES):
            schema = "public" if number % 2 else name
            if schema != "public":
                cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            rows = 20 + number
            statement = sql.SQL(
                "CREATE TABLE {table} ({column} text, n serial); "
                "INSERT INTO {table} SELECT repeat(md5(i::text), 30) FROM generate_series(1, {rows}) i"
            )
            cursor.execute(
                statement.format(
                    table=sql.Identifier(schema, name), column=sql.Identifier(name), rows=sql.Literal(rows)
                )
            )
    connection.close()
    return database


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("jobs", [1, 3])
def test_tables_of_any_name_are_dumped_fingerprinted_and_exported(
    postgres17: PostgresServer, odd_database: str, bench: Bench, jobs: int
) -> None:
    exports = [
        {
            "name": f"export{number}",
            "table": f"{quoted('public' if number % 2 else name)}.{quoted(name)}",
            "columns": [name],
            "compress": "none",
        }
        for number, name in enumerate(ODD_NAMES)
    ]
    tables = [{"name": export["table"], "priority": 1} for export in exports]
    report = bench.backup(
        postgres17, odd_database, jobs=jobs, fingerprint="all", exports=exports, tables=tables, label="o.d-d_"
    )
    stored = bench.stored(report)
    assert {len(stored.artifacts("dump")), len(stored.artifacts("export"))} == {jobs, len(ODD_NAMES)}
    named = {(one["schema"], one["name"]): one["priority"] for one in stored.manifest["tables"]}
    expected = {("public" if number % 2 else name, name) for number, name in enumerate(ODD_NAMES)}
    assert named == dict.fromkeys(expected, 1)
    assert stored.rows == {
        ("public" if number % 2 else name, name): 20 + number for number, name in enumerate(ODD_NAMES)
    }
    for number, name in enumerate(ODD_NAMES):
        [export] = [one for one in stored.artifacts("export") if one["name"].startswith(f"export{number}_")]
        assert (export["export"]["table"], export["export"]["rows"]) == (name, 20 + number)
        assert len(re.findall(rb"^[0-9a-f]{960}$", stored.plain(export), re.MULTILINE)) == 20 + number
    with stored.restored(postgres17) as restored:
        assert_same_contents(stored, postgres17, restored)
        assert script_of(postgres17, restored) == script_of(postgres17, odd_database)


@pytest.mark.sampled(3)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("name", ['quo"te', "sp ace", "-leading", "a=b", "postgresql://x/y", "é" * 31, "per%cent"])
def test_a_database_of_any_name_is_backed_up(postgres17: PostgresServer, bench: Bench, name: str) -> None:
    with postgres17.database(name=name):
        postgres17.query(name, "CREATE TABLE t AS SELECT 1 AS n")
        report = bench.backup(postgres17, name)
        stored = bench.stored(report)
        assert stored.manifest["database"]["name"] == name
        assert stored.rows == {("public", "t"): 1}
        [dump], [globals_] = stored.artifacts("dump"), stored.artifacts("globals")
        assert b"TABLE DATA public t" in pg_restore(postgres17, stored.plain(dump), "--list")
        assert b"CREATE ROLE" in stored.plain(globals_)


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize(
    ("encoding", "codec", "jobs"),
    [("LATIN1", "latin-1", 2), ("SQL_ASCII", "utf-8", 2), ("WIN1252", "cp1252", 1), ("EUC_JP", "euc_jp", 2)],
)
def test_databases_of_other_encodings_are_restored_with_equal_fingerprints(
    postgres17: PostgresServer, bench: Bench, encoding: str, codec: str, jobs: int
) -> None:
    word = "表" if encoding == "EUC_JP" else "Grüße"
    with postgres17.database(encoding=encoding) as database:
        connection = postgres17.connect(database)
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            table = sql.Identifier(word)
            cursor.execute(sql.SQL("CREATE TABLE {} (t text, b bytea)").format(table))
            cursor.execute(
                sql.SQL("INSERT INTO {} SELECT %s || i, decode('ff00', 'hex') FROM generate_series(1, 500) i").format(
                    table
                ),
                [word],
            )
            if encoding == "SQL_ASCII":
                # Bytes of no encoding at all.
                cursor.execute(sql.SQL("INSERT INTO {} VALUES (E'\\xff\\xfe\\x80', NULL)").format(table))
            cursor.execute("CREATE TABLE other AS SELECT md5(i::text) AS t FROM generate_series(1, 500) i")
        connection.close()
        exports = [{"name": "words", "table": word, "columns": ["t"], "compress": "none"}]
        report = bench.backup(postgres17, database, fingerprint="all", jobs=jobs, exports=exports)
        stored = bench.stored(report)
        assert stored.manifest["database"]["encoding"] == encoding
        assert set(stored.rows) == {("public", word), ("public", "other")}
        [export] = stored.artifacts("export")
        assert f"{word}499".encode() in stored.plain(export).split(b"\n")
        with stored.restored(postgres17, encoding=encoding) as restored:
            assert_same_contents(stored, postgres17, restored)
            script = script_of(postgres17, restored)
            assert script == script_of(postgres17, database)
            assert word.encode(codec) in script


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("jobs", [1, 4])
def test_a_database_without_tables_makes_a_valid_set(
    postgres: PostgresServer, any_database: str, bench: Bench, jobs: int
) -> None:
    report = bench.backup(postgres, any_database, jobs=jobs, fingerprint="all")
    stored = bench.stored(report)
    assert (report["tables"], report["rows"], stored.manifest["tables"]) == (0, 0, [])
    [dump] = stored.artifacts("dump")
    assert dump["index"]["blocks"] == []
    with stored.restored(postgres) as restored:
        assert script_of(postgres, restored) == script_of(postgres, any_database)


@pytest.mark.usefixtures("age")
def test_thousands_of_tables_need_no_more_locks_and_memory_than_pg_dump_itself(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    [[locks]] = postgres17.query(database, "SELECT current_setting('max_locks_per_transaction')::int")
    assert locks == 64
    # Two sessions with a lock on each of ten thousand would fill the table of locks; of fewer that is looked at
    # where the locks are taken (test_held_tables.py, test_fingerprints.py).
    tables = 10_000 if is_long() else 4_000
    for first in range(1, tables, 1000):
        postgres17.query(
            database,
            f"DO $$ BEGIN FOR i IN {first}..{first} + 999 LOOP "
            "EXECUTE format('CREATE TABLE table_%s (n int)', i); "
            "IF i % 100 = 0 THEN EXECUTE format('INSERT INTO table_%s SELECT generate_series(1, %s)', i, i); END IF; "
            "END LOOP; END $$",
        )
    with ModuleProcess(tmp_path, bench.options(postgres17, database, fingerprint="all")) as module:
        report = module.result()
    assert not report.get("failed"), report
    # 50 MiB, and 10 kB for each table.
    assert module.peak_memory < 50 * MIB + tables * 10_000
    stored = bench.stored(report)
    assert (report["tables"], report["rows"]) == (tables, sum(range(100, tables + 1, 100)))
    assert len(stored.fingerprints) == tables
    [dump] = stored.artifacts("dump")
    assert pg_restore(postgres17, stored.plain(dump), "--list").count(b" TABLE DATA ") == tables
