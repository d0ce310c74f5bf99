"""A table or a query as a stream of CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import (
    BackupError,
    ConfigError,
    FormatError,
    SourceError,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.copying import TableSource, prepare_copy
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.selection import Selection
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import Snapshot
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.tables import RELATIONS, user_tables
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.lab import PostgresServer, wait_until
from support.programs import PATIENCE

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ["", "\\.", "\n", "\r\n", '"', ",", "\x01", "\x02", "NULL", "\\N", "[", "],"]
)


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute("SET search_path = public")
        cursor.execute(statement)
        cursor.execute("SET search_path = ''")


def export(options: ConnectionOptions, session: Connection, **what: Any) -> tuple[str, int]:
    source = TableSource(lambda: connect(options), prepare_copy(session, Selection(**what)))
    pieces: list[bytes] = []
    source.run(pieces.append)
    return b"".join(pieces).decode(), source.rows


def exported_rows(options: ConnectionOptions, session: Connection, **what: Any) -> list[dict[str, Any]]:
    text, count = export(options, session, data_format="json", **what)
    rows = json.loads(text)
    assert len(rows) == count
    return rows


@pytest.mark.sampled(1)
def test_csv_has_a_header_and_tells_null_from_empty(options: ConnectionOptions, session: Connection) -> None:
    execute(session, "CREATE TABLE t (i int, \"T,x\" text); INSERT INTO t VALUES (1, NULL), (2, ''), (3, E'a\"b\\n,c')")
    text, rows = export(options, session, table="t")
    assert (text, rows) == ('i,"T,x"\n1,\n2,""\n3,"a""b\n,c"\n', 3)


def test_json_is_one_array_with_one_row_a_line(options: ConnectionOptions, session: Connection) -> None:
    execute(session, "CREATE TABLE t (i bigint, v json, n numeric, b bytea, ts timestamptz)")
    document = r"""E'{"a":\n1,\r\n"b": "\\n"}'"""
    execute(session, f"INSERT INTO t VALUES (9007199254740993, {document}, 'NaN', '\\xff', '2026-01-01 00:00+02')")
    execute(session, "INSERT INTO t VALUES (2, NULL, 1.10, NULL, 'infinity')")
    text, rows = export(options, session, table="t", data_format="json")
    assert rows == 2
    assert text.splitlines()[0] == "[" and text.endswith("}\n]\n") and len(text.splitlines()) == 4
    first, second = json.loads(text, parse_float=str)
    assert first == {
        "i": 9007199254740993,
        "v": {"a": 1, "b": "\n"},
        "n": "NaN",
        "b": "\\xff",
        "ts": "2025-12-31T22:00:00+00:00",
    }
    assert (second["n"], second["ts"]) == ("1.10", "infinity")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", ["r", "rows", "exported", "row_to_json", "text"])
def test_a_column_of_any_name_is_a_member_of_the_rows(
    options: ConnectionOptions, session: Connection, name: str
) -> None:
    execute(session, f'CREATE TABLE texts (id int, "{name}" text); INSERT INTO texts VALUES (1, $$a"b$$), (2, NULL)')
    assert exported_rows(options, session, table="texts") == [{"id": 1, name: 'a"b'}, {"id": 2, name: None}]
    execute(session, f'CREATE TYPE pair AS (a int, b text); CREATE TABLE pairs (id int, "{name}" pair)')
    execute(session, "INSERT INTO pairs VALUES (1, (2, 'c')), (2, NULL)")
    one = {"a": 2, "b": "c"}
    assert exported_rows(options, session, table="pairs") == [{"id": 1, name: one}, {"id": 2, name: None}]
    query = f'SELECT "{name}" FROM public.pairs'
    assert exported_rows(options, session, query=query) == [{name: one}, {name: None}]


def test_that_json_cannot_be_made_is_found_before_a_row_is_read(
    session17: Connection, make_role17: Callable[..., ConnectionOptions]
) -> None:
    execute(session17, "CREATE TABLE t AS SELECT 1 AS n; GRANT SELECT ON t TO PUBLIC")
    execute(session17, "REVOKE EXECUTE ON FUNCTION pg_catalog.row_to_json(record) FROM PUBLIC")
    connection = connect(make_role17())
    try:
        prepare_copy(connection, Selection(table="t", data_format="csv"))
        with pytest.raises(ConfigError, match="row_to_json"):
            prepare_copy(connection, Selection(table="t", data_format="json"))
    finally:
        connection.close()
        execute(session17, "GRANT EXECUTE ON FUNCTION pg_catalog.row_to_json(record) TO PUBLIC")


@pytest.mark.parametrize(("data_format", "expected"), [("csv", "i\n"), ("json", "[\n]\n")])
def test_an_empty_table_is_a_valid_file(
    options17: ConnectionOptions, session17: Connection, data_format: str, expected: str
) -> None:
    execute(session17, "CREATE TABLE t (i int)")
    assert export(options17, session17, table="t", data_format=data_format) == (expected, 0)


@pytest.fixture(scope="module")
def scratch(postgres17: PostgresServer) -> Iterator[tuple[ConnectionOptions, Connection]]:
    with postgres17.database() as name:
        options = ConnectionOptions.parse(postgres17.login(name))
        connection = connect(options)
        execute(connection, "CREATE TABLE t (n int, a text, b text)")
        yield options, connection
        connection.close()


@settings(max_examples=examples(25))
@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=8))
def test_any_text_comes_out_as_it_went_in(
    scratch: tuple[ConnectionOptions, Connection], rows: list[tuple[str, str | None]]
) -> None:
    options, connection = scratch
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE public.t")
        cursor.executemany("INSERT INTO public.t VALUES (%s, %s, %s)", [(n, *row) for n, row in enumerate(rows)])
    query = "SELECT a, b FROM public.t ORDER BY n"
    assert [(row["a"], row["b"]) for row in exported_rows(options, connection, query=query)] == rows
    text, _ = export(options, connection, query=query)
    parsed = list(csv.reader(io.StringIO(text, newline="")))
    assert parsed[1:] == [[a, b or ""] for a, b in rows]


def test_large_results_come_in_pieces(options17: ConnectionOptions, session17: Connection) -> None:
    query = "SELECT i, repeat('x', 100) AS v FROM generate_series(1, 20000) AS i"
    pieces: list[bytes] = []
    source = TableSource(
        lambda: connect(options17), prepare_copy(session17, Selection(query=query, data_format="json"))
    )
    source.run(pieces.append)
    assert 5 < len(pieces) < 50
    assert [row["i"] for row in json.loads(b"".join(pieces))] == list(range(1, 20001))


@pytest.mark.sampled(1)
def test_partitions_belong_to_an_export_and_children_do_not(options: ConnectionOptions, session: Connection) -> None:
    execute(session, "CREATE TABLE p (i int) PARTITION BY LIST (i); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)")
    execute(session, "CREATE TABLE c (i int); CREATE TABLE d () INHERITS (c); CREATE VIEW v AS SELECT 1 AS i")
    execute(session, "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1); INSERT INTO d VALUES (2)")
    execute(session, "CREATE MATERIALIZED VIEW m AS SELECT 1 AS i")
    for table in ("p", "p1", "c", "v", "m"):
        assert exported_rows(options, session, table=table) == [{"i": 1}], table


def test_columns_come_in_the_order_asked_for(options17: ConnectionOptions, session17: Connection) -> None:
    execute(session17, 'CREATE TABLE t (a int, "B b" int, c int); INSERT INTO t VALUES (1, 2, 3)')
    assert export(options17, session17, table="t", columns=["c", "B b"])[0] == "c,B b\n3,2\n"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("i > 2", [3, 4]),
        ("i = 1 OR i = 2", [1, 2]),
        ("t.i = 1 -- the first", [1]),
        ("v LIKE '%{}%;' /* a;b */", [4]),
        ("created > now() - interval '90 days'", [1, 2, 3]),
    ],
)
def test_a_condition_selects_rows(
    options17: ConnectionOptions, session17: Connection, where: str, expected: list[int]
) -> None:
    execute(session17, "CREATE TABLE t (i int, v text, created timestamptz)")
    execute(session17, "INSERT INTO t SELECT i, i, now() FROM generate_series(1, 3) AS i")
    execute(session17, "INSERT INTO t VALUES (4, 'x{}y;', '2020-01-01')")
    assert [row["i"] for row in exported_rows(options17, session17, table="t", where=where)] == expected


BAD_QUERIES = [
    "SELECT 1;",
    "SELECT 1; SELECT 2",
    "SELECT 1; COMMIT",
    "COMMIT",
    "SELECT 1) TO STDOUT; DROP TABLE public.t; SELECT (1",
    "SELECT 1) TO STDOUT; DROP TABLE public.t; --",
    "SELECT 1 /* ",
    "SELECT 'a",
    "DROP TABLE public.t",
    "DELETE FROM public.t RETURNING *",
    "INSERT INTO public.t VALUES (1) RETURNING *",
    "WITH gone AS (DELETE FROM public.t RETURNING *) SELECT * FROM gone",
    "SELECT * INTO public.u FROM public.t",
    "SELECT * FROM public.t FOR UPDATE",
    "SHOW search_path",
    "EXPLAIN SELECT 1",
    "SELECT * FROM t",
    "SELECT nothing FROM public.t",
    "",
    "  ",
    "SELECT 1 \0",
]
BAD_CONDITIONS = [
    "true; DROP TABLE public.t",
    "true) TO STDOUT; DROP TABLE public.t; --",
    "true); COMMIT; DROP TABLE public.t; SELECT (1",
    "true /*",
    "nothing = 1",
    "",
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("data_format", ["csv", "json"])
def test_what_is_not_one_reading_statement_is_refused_before_anything_runs(
    session: Connection, data_format: str
) -> None:
    execute(session, "CREATE TABLE t (i int); INSERT INTO t VALUES (1)")
    for query in BAD_QUERIES:
        with pytest.raises(ConfigError):
            prepare_copy(session, Selection(query=query, data_format=data_format))
    for where in BAD_CONDITIONS:
        with pytest.raises(ConfigError):
            prepare_copy(session, Selection(table="t", where=where, data_format=data_format))
    assert [info.table for info in user_tables(session, relkinds=RELATIONS)] == [("public", "t")]
    assert session.info.transaction_status == 0


@pytest.mark.sampled(1)
def test_a_function_that_writes_cannot(options: ConnectionOptions, session: Connection) -> None:
    execute(session, "CREATE TABLE t (i int); INSERT INTO t VALUES (1); CREATE SEQUENCE s")
    execute(session, "CREATE FUNCTION w() RETURNS int LANGUAGE sql AS 'DELETE FROM public.t; SELECT 1'")
    for query in ("SELECT public.w()", "SELECT nextval('public.s')"):
        with pytest.raises(BackupError, match="read-only transaction"):
            export(options, session, query=query)
    assert exported_rows(options, session, table="t") == [{"i": 1}]


@pytest.mark.parametrize(
    ("what", "message", "hint"),
    [
        ({"query": "SELECT * FROM t"}, 'relation "t" does not exist', "public.orders"),
        ({"query": "SELECT 1;"}, "syntax error", "without a semicolon"),
        ({"query": "SELECT 1; SELECT 2"}, "", "exactly one SELECT"),
        ({"table": "tt"}, "no table 'tt'", "did you mean public.t?"),
        ({"table": "t", "columns": ["i", "j"]}, "public.t has no column 'j'", "it has i"),
        ({"table": "t", "columns": []}, "columns is empty", ""),
        ({"table": "t", "query": "SELECT 1"}, "either a table or a query", ""),
        ({}, "either a table or a query", ""),
        ({"query": "SELECT 1", "where": "true"}, "belong into the query", ""),
        ({"table": "t", "data_format": "xml"}, "format is 'xml'", "csv or json"),
    ],
)
def test_bad_input_is_explained(session17: Connection, what: dict[str, Any], message: str, hint: str) -> None:
    execute(session17, "CREATE TABLE t (i int)")
    with pytest.raises(ConfigError) as caught:
        prepare_copy(session17, Selection(**what))
    assert message in caught.value.message and hint in (caught.value.hint or "")


@pytest.mark.sampled(1)
def test_a_partial_view_of_a_table_is_refused(
    options: ConnectionOptions, session: Connection, make_role: Callable[..., ConnectionOptions]
) -> None:
    # Fault 41.
    execute(session, "CREATE TABLE t (i int); INSERT INTO t VALUES (1); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    role = make_role("LOGIN", "GRANT SELECT ON public.t TO {role}")
    limited = connect(role)
    with pytest.raises(ConfigError, match="row-level security") as caught:
        prepare_copy(limited, Selection(table="t"))
    assert "BYPASSRLS" in str(caught.value.hint)
    limited.close()


def test_an_error_never_quotes_what_is_in_a_row(options17: ConnectionOptions, session17: Connection) -> None:
    execute(session17, "CREATE TABLE t (v text); INSERT INTO t VALUES ('canary')")
    with pytest.raises(SourceError, match="invalid text representation") as caught:
        export(options17, session17, table="t", where="v::int = 1")
    assert "canary" not in str(caught.value)


def test_a_stream_reads_a_snapshot(options17: ConnectionOptions, session17: Connection) -> None:
    execute(session17, "CREATE TABLE t (i int); INSERT INTO t VALUES (1)")
    query = prepare_copy(session17, Selection(table="t"))
    with Snapshot(options17) as snapshot:
        execute(session17, "INSERT INTO t VALUES (2)")
        pieces: list[bytes] = []
        TableSource(snapshot.attach, query).run(pieces.append)
    assert b"".join(pieces) == b"i\n1\n"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_other_encodings_become_utf8_where_there_is_one(postgres17: PostgresServer, encoding: str) -> None:
    with postgres17.database(encoding=encoding) as name:
        options = ConnectionOptions.parse(postgres17.login(name))
        session = connect(options)
        execute(session, f"CREATE TABLE t AS SELECT convert_from('\\351'::bytea, '{encoding}') AS v")
        source = TableSource(lambda: connect(options), prepare_copy(session, Selection(table="t")))
        pieces: list[bytes] = []
        source.run(pieces.append)
        assert b"".join(pieces) == (b"v\n\xc3\xa9\n" if encoding == "LATIN1" else b"v\n\xe9\n")
        if encoding == "SQL_ASCII":
            with pytest.raises(SourceError, match="22021"):
                export(options, session, table="t", data_format="json")
        session.close()


SLOW = "SELECT pg_sleep(60)"


def test_a_running_export_is_cancelled_at_once(options17: ConnectionOptions, session17: Connection) -> None:
    source = TableSource(lambda: connect(options17), prepare_copy(session17, Selection(query=SLOW)))
    pipeline = Pipeline(source, [], [])
    failure: list[BackupError] = []

    def run() -> None:
        try:
            pipeline.run()
        except BackupError as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: running(session17), what="the query")
    pipeline.cancel(SourceError("test", "the reason"))
    thread.join(PATIENCE)
    assert failure[0].message == "the reason"
    wait_until(lambda: not running(session17), what="the query's end")


def running(session: Connection) -> bool:
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%%pg_sleep%%' AND state = 'active'", []
        )
        return cursor.fetchone()[0] > 0


def test_an_export_cancelled_before_it_began_opens_no_session(session17: Connection) -> None:
    opened: list[int] = []
    source = TableSource(lambda: opened.append(1), prepare_copy(session17, Selection(query=SLOW)))
    source.cancel()
    with pytest.raises(BackupError, match="cancelled"):
        source.run(lambda piece: None)
    assert not opened


def test_a_failing_consumer_ends_the_export(options17: ConnectionOptions, session17: Connection) -> None:
    query = prepare_copy(session17, Selection(query="SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
    source = TableSource(lambda: connect(options17), query)

    seen: list[int] = []

    def refuse(piece: bytes) -> None:
        seen.append(len(piece))
        raise ConfigError("test", "no more")

    with pytest.raises(ConfigError, match="no more"):
        source.run(refuse)
    assert len(seen) == 1


def test_a_session_that_ends_midway_fails_the_export(options17: ConnectionOptions, session17: Connection) -> None:
    query = prepare_copy(session17, Selection(query="SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
    reader = connect(options17)
    source = TableSource(lambda: reader, query)

    def end_it(piece: bytes) -> None:
        with session17.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [reader.info.backend_pid])

    with pytest.raises(SourceError, match="export query"):
        source.run(end_it)


def test_json_that_no_server_reads_back_is_refused_by_row_and_column(
    options17: ConnectionOptions, session17: Connection
) -> None:
    execute(session17, "CREATE TABLE nul (i int, a json, t text)")
    execute(session17, r"""INSERT INTO nul VALUES (1, '{"ok": "\\u0000"}', '\u0000'), (2, '"\\\\u0000"', '\\u0000')""")
    assert len(exported_rows(options17, session17, table="nul")) == 2
    execute(session17, r"""INSERT INTO nul VALUES (3, '{"deep": ["secret", "\\\u0000"]}', NULL)""")
    with pytest.raises(FormatError, match=r"export public\.nul: row 3, column 'a': it holds .u0000") as failure:
        exported_rows(options17, session17, table="nul")
    assert "secret" not in str(failure.value)
    assert export(options17, session17, table="nul")[1] == 3
