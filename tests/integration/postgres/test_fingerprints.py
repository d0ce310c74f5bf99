"""Counts and fingerprints say what is in a table, and nothing else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import (
    ALGORITHM,
    Fingerprint,
    count_rows,
    fingerprints,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.tables import user_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.lab import PostgresServer

T = ("public", "t")

EVERY_TYPE = (Path(__file__).parent / "every_type.sql").read_text()
EXPECTED = "b0b2c4bb282cd9fe674e43a534691508"
SETTINGS = {
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "search_path": "public",
    "lc_monetary": "C.UTF-8",
    "quote_all_identifiers": "on",
}
CHANGES = (
    "INSERT INTO public.t VALUES (1, 'x')",
    "INSERT INTO public.t SELECT * FROM public.t",
    "DELETE FROM public.t WHERE i = 2",
    "UPDATE public.t SET v = 'B' WHERE i = 2",
    "UPDATE public.t SET v = NULL WHERE v = ''",
    "UPDATE public.t SET i = 3 - i WHERE i IN (1, 2)",
    "UPDATE public.t SET v = 'a,b', w = 'c' WHERE i = 4",
)


def one(connection: Connection, table: tuple[str, str] = T) -> Fingerprint:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = fingerprints(connection, [table])[table]
        cursor.execute("ROLLBACK")
    return found


def execute(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def restored(server: PostgresServer, source: str, target: str) -> None:
    archive = server.data_dir.parent / f"{source}.dump"
    try:
        server.run("pg_dump", "-Fc", "-f", archive, source)
        server.run("pg_restore", "--exit-on-error", "-d", target, archive)
    finally:
        archive.unlink(missing_ok=True)


def test_every_type_has_the_same_fingerprint_after_a_restore(
    postgres: PostgresServer, options: ConnectionOptions, session: Connection
) -> None:
    execute(session, EVERY_TYPE)
    before = one(session)
    assert (before.algorithm, before.rows, len(before.value)) == (ALGORITHM, 3, 32)
    with postgres.database() as target:
        restored(postgres, options.database, target)
        other = connect(ConnectionOptions.parse(postgres.login(target)))
        assert one(other) == before
        other.close()


def test_every_type_has_this_fingerprint_on_every_server(session: Connection) -> None:
    # Pinned: fingerprints in manifests are compared for years, by later versions of the server and of this code.
    execute(session, EVERY_TYPE)
    assert one(session).value == EXPECTED


def test_no_setting_of_the_database_changes_a_fingerprint(options17: ConnectionOptions, session17: Connection) -> None:
    execute(session17, EVERY_TYPE)
    before = one(session17)
    for name, value in SETTINGS.items():
        execute(session17, f"ALTER DATABASE \"{options17.database}\" SET {name} = '{value}'")
        other = connect(options17)
        assert one(other) == before, name
        other.close()


def test_nobody_can_put_functions_of_their_own_before_the_servers(
    options17: ConnectionOptions, session17: Connection
) -> None:
    # Fault 36.
    execute(session17, "CREATE TABLE public.t AS SELECT 'a' AS v, '\\x01'::bytea AS b; CREATE SCHEMA evil")
    before = one(session17)
    for kind in ("text", "bytea"):
        execute(
            session17, f"CREATE FUNCTION evil.md5({kind}) RETURNS text LANGUAGE sql AS $$ SELECT repeat('0', 32) $$"
        )
    execute(session17, "CREATE FUNCTION evil.join(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'x0'::text $$")
    execute(session17, "CREATE OPERATOR evil.|| (FUNCTION = evil.join, LEFTARG = text, RIGHTARG = text)")
    execute(session17, "CREATE TABLE evil.pg_class AS SELECT 1 AS oid; CREATE TABLE evil.t ()")
    execute(session17, f'ALTER DATABASE "{options17.database}" SET search_path = evil, pg_catalog, public')
    other = connect(options17)
    assert one(other) == before
    assert {info.table for info in user_tables(other)} == {T, ("evil", "pg_class"), ("evil", "t")}
    other.close()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP", "SQL_ASCII"])
def test_databases_of_other_encodings_are_fingerprinted(postgres17: PostgresServer, encoding: str) -> None:
    # Bytes that are not valid UTF-8; the server may not convert them on their way, nor need it.
    codes = (0xA4, 0xA2) if encoding == "EUC_JP" else (0xE9,)
    with postgres17.database(encoding=encoding) as source, postgres17.database(encoding=encoding) as target:
        connection = connect(ConnectionOptions.parse(postgres17.login(source)))
        raw = "".join(f"\\{code:03o}" for code in codes)
        execute(connection, f"CREATE TABLE public.t AS SELECT convert_from('{raw}'::bytea, '{encoding}') AS v")
        before = one(connection)
        connection.close()
        restored(postgres17, source, target)
        other = connect(ConnectionOptions.parse(postgres17.login(target)))
        assert one(other) == before
        execute(other, "UPDATE public.t SET v = 'e'")
        assert one(other) != before
        other.close()


def model(*rows: str) -> str:
    """The documented algorithm, over the rows' text."""
    digests = [hashlib.md5(row.encode()).hexdigest() for row in rows]
    sums = [sum(int(digest[half : half + 16], 16) for digest in digests) % 2**64 for half in (0, 16)]
    return f"{sums[0]:016x}{sums[1]:016x}"


def test_the_algorithm_is_the_documented_one(session: Connection) -> None:
    execute(session, "CREATE TABLE public.t (i int, t text, b bytea)")
    execute(session, "INSERT INTO public.t VALUES (1, 'a b', 'xyz'), (NULL, '', NULL)")
    assert one(session).value == model(f'(1,"a b",{hashlib.md5(b"xyz").hexdigest()})', '(,"",)')


def test_a_value_of_30_mb_is_fingerprinted(session17: Connection) -> None:
    # Fault 45; of more, in tests/integration/backup/test_backup_large_values.py.
    size = 30_000_000
    execute(session17, "CREATE TABLE public.t (t text STORAGE EXTERNAL, b bytea STORAGE EXTERNAL)")
    execute(session17, f"INSERT INTO public.t VALUES (repeat('\"', {size}), convert_to(repeat('x', {size}), 'UTF8'))")
    doubled = '"' * (2 * size)
    assert one(session17).value == model(f'("{doubled}",{hashlib.md5(b"x" * size).hexdigest()})')


def test_a_changed_row_changes_the_fingerprint(session17: Connection) -> None:
    execute(session17, "CREATE TABLE public.t (i int, v text, w text)")
    execute(session17, "INSERT INTO public.t VALUES (1, 'a', NULL), (2, 'b', NULL), (3, '', NULL), (4, 'a', 'b,c')")
    execute(session17, "BEGIN")
    before = fingerprints(session17, [T])[T]
    for change in CHANGES:
        execute(session17, f"SAVEPOINT one; {change}")
        assert fingerprints(session17, [T])[T] != before, change
        execute(session17, "ROLLBACK TO one")
    assert fingerprints(session17, [T])[T] == before


def test_what_is_no_content_changes_nothing(session17: Connection) -> None:
    execute(session17, "CREATE TABLE public.t (i int, v text DEFAULT 'x')")
    execute(session17, "INSERT INTO public.t VALUES (1, 'a'), (2, 'b'), (3, NULL)")
    before = one(session17)
    execute(session17, "CREATE TABLE public.u AS SELECT * FROM public.t ORDER BY i DESC")
    assert one(session17, ("public", "u")) == before
    execute(session17, "ALTER TABLE public.t ADD COLUMN g int GENERATED ALWAYS AS (i * 2) STORED, ADD COLUMN gone int")
    execute(session17, "ALTER TABLE public.t DROP COLUMN gone; CREATE INDEX ON public.t (v)")
    execute(session17, "VACUUM FULL public.t")
    assert one(session17) == before


def test_tables_without_rows_or_columns_have_fingerprints(session17: Connection) -> None:
    execute(session17, "CREATE TABLE public.t (); CREATE TABLE public.u (i int)")
    empty = one(session17)
    assert (empty.rows, empty.value) == (0, "0" * 32)
    assert one(session17, ("public", "u")) == empty
    execute(session17, "INSERT INTO public.t DEFAULT VALUES")
    assert one(session17).rows == 1


ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def scratch(postgres17: PostgresServer) -> Iterator[Connection]:
    with postgres17.database() as name:
        connection = connect(ConnectionOptions.parse(postgres17.login(name)))
        execute(connection, "CREATE TABLE public.t (i bigint, v text)")
        yield connection
        connection.close()


@settings(max_examples=examples(40))
@given(left=ROWS, right=ROWS)
def test_fingerprints_are_equal_exactly_when_the_rows_are_the_same(
    scratch: Connection, left: list[tuple[int, str]], right: list[tuple[int, str]]
) -> None:
    values = []
    for rows in (left, right, left[::-1]):
        with scratch.cursor() as cursor:
            cursor.execute("TRUNCATE public.t")
            cursor.executemany("INSERT INTO public.t VALUES (%s, %s)", rows)
        values.append(one(scratch))
    assert values[0] == values[2]
    assert (values[0] == values[1]) == (sorted(left) == sorted(right))


def test_partitions_and_children_are_counted_by_themselves(session: Connection) -> None:
    execute(session, "CREATE TABLE public.p (i int) PARTITION BY LIST (i)")
    execute(session, "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES IN (1); INSERT INTO public.p VALUES (1)")
    execute(session, "CREATE TABLE public.parent (i int); CREATE TABLE public.child () INHERITS (public.parent)")
    execute(session, "INSERT INTO public.child VALUES (1), (2); INSERT INTO public.parent VALUES (1)")
    execute(session, "BEGIN")
    names = [info.table for info in user_tables(session)]
    seen: list[tuple[tuple[str, str], int]] = []
    counts = count_rows(session, names, lambda table, rows: seen.append((table, rows)))
    assert {name: rows for (_, name), rows in counts.items()} == {"p": 0, "p1": 1, "parent": 1, "child": 2}
    assert dict(seen) == counts


def test_no_tables_are_no_problem(session17: Connection) -> None:
    # Fault 47.
    execute(session17, "BEGIN")
    assert count_rows(session17, []) == {} and fingerprints(session17, []) == {}
    assert user_tables(session17) == ()


def test_a_table_that_is_gone_is_named(session17: Connection) -> None:
    execute(session17, "BEGIN")
    with pytest.raises(SourceError, match=r"no longer in the database: public\.t"):
        count_rows(session17, [T])


def test_counting_is_cancelled_from_another_thread(session17: Connection) -> None:
    execute(session17, "CREATE TABLE public.t AS SELECT generate_series(1, 1000000) AS i; BEGIN")
    failure: list[BaseException] = []

    def count() -> None:
        try:
            fingerprints(session17, [T])
        except SourceError as error:
            failure.append(error)

    thread = threading.Thread(target=count)
    thread.start()
    while thread.is_alive():
        session17.cancel()
        thread.join(0.05)
    assert "canceling statement" in str(failure[0])


def test_thousands_of_tables_are_counted_within_the_servers_usual_limits(
    options17: ConnectionOptions, session17: Connection
) -> None:
    # Fault 47: all their locks together would not fit; what one transaction keeps must not grow with them.
    for start in range(0, 3_000, 1000):
        execute(
            session17,
            f"DO $$ BEGIN FOR i IN {start}..{start + 999} LOOP EXECUTE format("
            "'CREATE TABLE public.t%s (i int)', i); END LOOP; END $$",
        )
    execute(session17, "INSERT INTO public.t42 VALUES (1), (2)")
    reader = connect(options17)
    execute(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    names = [info.table for info in user_tables(reader)]
    counts = count_rows(reader, names)
    assert len(counts) == 3_000 and sum(counts.values()) == counts[("public", "t42")] == 2
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'AccessShareLock'")
        assert cursor.fetchone()[0] < 20
    reader.close()
