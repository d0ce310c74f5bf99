"""Whatever a table is called, it is that table and no other (fault 34)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.copying import TableSource, prepare_copy
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import count_rows, fingerprints
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.patterns import dump_pattern
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.selection import Selection
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.tables import resolve_table, user_tables
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from support.effort import examples
from support.lab import PostgresServer

MARKS = "\"'*?.%$-_|+()[]{}^\\\n\t ,;:/=&!é€😀aA"
NAMES = st.one_of(
    st.text(st.sampled_from(MARKS), min_size=1, max_size=12),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=15),
).filter(lambda name: len(name.encode()) <= 62 and not name.startswith("pg_"))
LONG = "ü" * 31 + "x"


@pytest.fixture(scope="module")
def place(postgres17: PostgresServer) -> Iterator[tuple[PostgresServer, ConnectionOptions, Connection]]:
    with postgres17.database() as name:
        options = ConnectionOptions.parse(postgres17.login(name))
        connection = connect(options)
        yield postgres17, options, connection
        connection.close()


def dumped_tables(server: PostgresServer, database: str, *patterns: str) -> list[str]:
    """The text of every line of the schema that makes a table."""
    argv = [server.bin_dir / "pg_dump", "--schema-only", "--strict-names", *(f"--table={p}" for p in patterns)]
    result = subprocess.run(argv, env=server.environment(database), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    return [part.split(b" (\n")[0].decode() for part in result.stdout.split(b"CREATE TABLE ")[1:]]


@settings(max_examples=examples(15))
@given(schema=NAMES, table=NAMES)
@example(schema="-n", table="--help")
@example(schema="a.b", table='"quoted"')
@example(schema="*", table="t*")
@example(schema=LONG, table=LONG)
@example(schema="$", table="a$b|c")
@example(schema="public", table="[a-z]?")
def test_a_table_is_dumped_counted_and_exported_alone(
    place: tuple[PostgresServer, ConnectionOptions, Connection], schema: str, table: str
) -> None:
    server, options, connection = place
    names = {
        (schema, table),
        (schema, table[:-1] + "z"),
        (schema + "z", table),
        (schema, table.swapcase()),
        ("zz", "zz"),
    }
    names = {name for name in names if all(len(part.encode()) <= 63 and part for part in name)}
    with connection.cursor() as cursor:
        for one in {name[0] for name in names} - {"public"}:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(one)))
        for name in names:
            cursor.execute(sql.SQL("CREATE TABLE {} (i int)").format(sql.Identifier(*name)))
        cursor.execute(sql.SQL("INSERT INTO {} VALUES (7)").format(sql.Identifier(schema, table)))
        try:
            listed = {info.table for info in user_tables(connection)}
            assert listed == names
            quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
            assert resolve_table(quoted, user_tables(connection)) == (schema, table)
            (line,) = dumped_tables(server, options.database, dump_pattern(schema, table))
            cursor.execute("SELECT format('%%I.%%I', %s::text, %s::text)", (schema, table))
            assert line == cursor.fetchone()[0]
            cursor.execute("BEGIN")
            assert count_rows(connection, sorted(names))[(schema, table)] == 1
            assert fingerprints(connection, [(schema, table)])[(schema, table)].rows == 1
            cursor.execute("ROLLBACK")
            pieces: list[bytes] = []
            TableSource(lambda: connect(options), prepare_copy(connection, Selection(table=quoted))).run(pieces.append)
            assert b"".join(pieces) == b"i\n7\n"
        finally:
            for one in {name[0] for name in names}:
                cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(one)))
            cursor.execute("CREATE SCHEMA IF NOT EXISTS public")


def test_the_same_holds_for_every_pg_dump(postgres: PostgresServer, any_database: str) -> None:
    names = ['we"ird', "new\nline", "st*r", "do.t", "per%cent", "-dash", "ünï", "$dollar$", "UPPER", LONG]
    connection = connect(ConnectionOptions.parse(postgres.login(any_database)))
    with connection.cursor() as cursor:
        for name in names:
            for variant in (name, name[:-1] + "_"):
                cursor.execute(sql.SQL("CREATE TABLE public.{} ()").format(sql.Identifier(variant)))
        cursor.execute("SELECT format('public.%%I', name) FROM unnest(%s) AS name", [names])
        wanted = sorted(name for (name,) in cursor.fetchall())
    lines = dumped_tables(postgres, any_database, *(dump_pattern("public", name) for name in names))
    assert sorted(line.split(" (")[0] for line in lines) == wanted
    connection.close()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_names_in_databases_of_other_encodings_are_matched(postgres17: PostgresServer, encoding: str) -> None:
    name = "表" if encoding == "EUC_JP" else "été"
    with postgres17.database(encoding=encoding) as database:
        connection = connect(ConnectionOptions.parse(postgres17.login(database)))
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE TABLE public.{} (); CREATE TABLE public.t ()").format(sql.Identifier(name)))
        assert ("public", name) in {info.table for info in user_tables(connection)}
        connection.close()
        argv = [
            postgres17.bin_dir / "pg_dump",
            "--schema-only",
            "--strict-names",
            f"--table={dump_pattern('public', name, encoding=encoding)}",
        ]
        result = subprocess.run(argv, env=postgres17.environment(database), capture_output=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count(b"CREATE TABLE") == 1


def test_an_encoding_that_python_does_not_know_is_named() -> None:
    with pytest.raises(PreflightError, match="EUC_TW"):
        dump_pattern("public", "t", encoding="EUC_TW")
