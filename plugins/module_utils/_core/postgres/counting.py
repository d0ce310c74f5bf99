"""Row counts and content fingerprints of tables, computed by the server in the session's snapshot.

The fingerprint ``md5-sum-2x64``: every row becomes text (``ROW(columns)::text``, columns in their order, without
generated ones, a bytea column replaced by its MD5); the MD5 of that text, in the database's encoding, is taken as
two unsigned 64-bit numbers; each of them is added up over all rows modulo 2**64. The value is both sums as 32
hexadecimal digits. It does not depend on the order of the rows, and a doubled or missing row changes it. The text of
every type is pinned by the session's settings, see :mod:`connection`.

The rows of a table that belongs to somebody else are counted by COPY, as a query of it could run its owner's code, see
:mod:`foreign_code`. A fingerprint is a query always: whoever wants it of a table that is not trusted asks there first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SourceError
from ..texts import bounded_list
from .foreign_code import RESTRICTION, TRUSTED_OWNER, knows_restriction
from .halves import halves_as_text
from .messages import server_message
from .names import TableName, display_name
from .types import Composable, Connection, Cursor

ALGORITHM = "md5-sum-2x64"
OnTable = Callable[[TableName, int], None]
"""Told a table and its number of rows as soon as they are known."""
OnLocked = Callable[[Sequence[TableName]], None]
"""Called with tables that are locked and about to be read; what it raises ends the reading."""

_BATCH_TABLES = 100
_BATCH_PAGES = 10_000
_SAVEPOINT = "mobul_count"

# Rows that are counted by COPY send the values of one column: short ones, as those of a key have to be, too.
_TABLES = f"""
SELECT n.nspname, c.relname, c.relpages, {TRUSTED_OWNER}, (
  SELECT a.attname FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  ORDER BY a.attlen < 0, NOT EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey::smallint[])), a.attnum LIMIT 1)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS wanted (schema, name)
  ON n.nspname = wanted.schema AND c.relname = wanted.name
"""  # noqa: S608 - made of constants
_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, a.atttypid = 'pg_catalog.bytea'::pg_catalog.regtype
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS wanted (schema, name)
  ON n.nspname = wanted.schema AND c.relname = wanted.name
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY c.oid, a.attnum
"""


@dataclass(frozen=True)
class Fingerprint:
    """What a table held, in a few bytes.

    :param value: 32 hexadecimal digits; the same contents give the same value under the same algorithm.
    :param rows: number of rows, from the same scan.
    """

    algorithm: str
    value: str
    rows: int


@dataclass(frozen=True)
class _Table:
    """What decides how a table is counted.

    :param narrow: a column with short values; None where it has none.
    """

    pages: int
    trusted: bool
    narrow: str | None


def count_rows(
    connection: Connection,
    tables: Sequence[TableName],
    on_table: OnTable | None = None,
    *,
    on_locked: OnLocked | None = None,
) -> dict[TableName, int]:
    """The number of rows of each table by itself, without its partitions and children.

    Locks are given back after every few tables, so that any number of tables fits the server's lock table.

    :param connection: in a transaction, for example a snapshot's session; ``connection.cancel()`` ends it from
        elsewhere.
    :param on_locked: see :data:`OnLocked`.
    :raises SourceError: a table is gone, locked, or no table any more, or the session ended.
    """
    step = "count the rows"
    known = _look(connection, tables, step)
    trusted = [table for table in tables if known[table].trusted]
    counts: dict[TableName, int] = {}

    def found(table: TableName, rows: int) -> None:
        counts[table] = rows
        if on_table is not None:
            on_table(table, rows)

    for table, values in _scan(connection, trusted, known, _count_scan, step, on_locked):
        found(table, values[0])
    for batch in _batches([table for table in tables if not known[table].trusted], known):
        with _reading(connection, step, batch, on_locked) as cursor:
            rows = [_count_by_copy(cursor, table, known[table].narrow) for table in batch]
        for table, count in zip(batch, rows, strict=True):
            found(table, count)
    return counts


def fingerprints(
    connection: Connection,
    tables: Sequence[TableName],
    on_table: OnTable | None = None,
    *,
    on_locked: OnLocked | None = None,
) -> dict[TableName, Fingerprint]:
    """Content fingerprint and number of rows of each table by itself, in one scan of each.

    :param connection: as for :func:`count_rows`.
    """
    step = "fingerprint the tables"
    known = _look(connection, tables, step)
    columns = _columns(connection, tables)
    result: dict[TableName, Fingerprint] = {}

    def scan(table: TableName) -> Composable:
        return _fingerprint_scan(table, columns.get(table, []))

    for table, (rows, first, second) in _scan(connection, tables, known, scan, step, on_locked):
        value = halves_as_text((first, second))
        result[table] = Fingerprint(ALGORITHM, value, rows)
        if on_table is not None:
            on_table(table, rows)
    return result


def _count_scan(table: TableName) -> Composable:
    from psycopg2 import sql

    return sql.SQL("pg_catalog.count(*) FROM ONLY {}").format(sql.Identifier(*table))


def _count_by_copy(cursor: Cursor, table: TableName, narrow: str | None) -> int:
    from psycopg2 import sql

    column = sql.SQL("") if narrow is None else sql.SQL(" ({})").format(sql.Identifier(narrow))
    statement = sql.SQL("COPY {}{} TO STDOUT").format(sql.Identifier(*table), column)
    with open(os.devnull, "wb") as nowhere:
        cursor.copy_expert(statement, nowhere)
    return cursor.rowcount


def _fingerprint_scan(table: TableName, columns: Sequence[tuple[str, bool]]) -> Composable:
    from psycopg2 import sql

    values = [
        sql.SQL("pg_catalog.md5({})" if is_bytea else "{}").format(sql.Identifier("t", name))
        for name, is_bytea in columns
    ]
    # OFFSET 0 keeps the planner from computing the hash twice, once for each half.
    return sql.SQL(
        "pg_catalog.count(*), pg_catalog.sum(h::bit(64)::bigint), pg_catalog.sum((h << 64)::bit(64)::bigint) "
        "FROM (SELECT ('x' || pg_catalog.md5(ROW({})::text))::bit(128) AS h FROM ONLY {} AS t OFFSET 0) AS hashed"
    ).format(sql.SQL(", ").join(values), sql.Identifier(*table))


def _scan(
    connection: Connection,
    tables: Sequence[TableName],
    known: Mapping[TableName, _Table],
    scan: Callable[[TableName], Composable],
    step: str,
    on_locked: OnLocked | None,
) -> Iterator[tuple[TableName, tuple[Any, ...]]]:
    """Run one SELECT for each table, many small tables in one statement, each statement in its own savepoint."""
    from psycopg2 import sql

    for batch in _batches(tables, known):
        selects = [sql.SQL("SELECT {}, {}").format(sql.Literal(i), scan(table)) for i, table in enumerate(batch)]
        with _reading(connection, step, batch, on_locked) as cursor:
            cursor.execute(sql.SQL(" UNION ALL ").join(selects))
            rows = cursor.fetchall()
        for number, *values in rows:
            yield batch[number], tuple(values)


def _batches(tables: Sequence[TableName], known: Mapping[TableName, _Table]) -> Iterator[list[TableName]]:
    batch: list[TableName] = []
    size = 0
    for table in tables:
        pages = known[table].pages
        if batch and (len(batch) == _BATCH_TABLES or size + pages > _BATCH_PAGES):
            yield batch
            batch, size = [], 0
        batch.append(table)
        size += pages
    if batch:
        yield batch


def _look(connection: Connection, tables: Sequence[TableName], step: str) -> dict[TableName, _Table]:
    # From the catalogue, which nobody can lock, and good enough to tell small from large.
    with _savepoint(connection, step, tables) as cursor:
        cursor.execute(_TABLES, [[schema for schema, _name in tables], [name for _schema, name in tables]])
        known = {(schema, name): _Table(max(0, pages), *rest) for schema, name, pages, *rest in cursor.fetchall()}
    missing = [display_name(table) for table in tables if table not in known]
    if missing:
        raise SourceError(step, f"no longer in the database: {bounded_list(missing)}")
    return known


def _columns(connection: Connection, tables: Sequence[TableName]) -> dict[TableName, list[tuple[str, bool]]]:
    columns: dict[TableName, list[tuple[str, bool]]] = {}
    with _savepoint(connection, "fingerprint the tables", tables) as cursor:
        cursor.execute(_COLUMNS, [[schema for schema, _name in tables], [name for _schema, name in tables]])
        for schema, table, column, is_bytea in cursor.fetchall():
            columns.setdefault((schema, table), []).append((column, is_bytea))
    return columns


@contextlib.contextmanager
def _reading(
    connection: Connection, step: str, tables: Sequence[TableName], on_locked: OnLocked | None
) -> Iterator[Cursor]:
    """A savepoint in which *tables* are locked, and in which nothing but tables is read."""
    from psycopg2 import sql

    with _savepoint(connection, step, tables) as cursor:
        names = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(*table)) for table in tables)
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
        if on_locked is not None:
            on_locked(tables)
        if knows_restriction(connection.server_version):
            cursor.execute("SELECT pg_catalog.set_config(%s, 'view, foreign-table', true)", [RESTRICTION])
        # A row's hash costs far more than passing it on, which the planner cannot know.
        cursor.execute("SELECT pg_catalog.set_config('parallel_tuple_cost', '0', true)")
        yield cursor


@contextlib.contextmanager
def _savepoint(connection: Connection, step: str, tables: Sequence[TableName]) -> Iterator[Cursor]:
    """Roll back what the block did: its locks are released, and an error leaves the transaction usable."""
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                yield cursor
            finally:
                if not connection.closed:
                    cursor.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
    except Error as error:
        names = bounded_list([display_name(table) for table in tables], limit=3)
        raise SourceError(step, f"{server_message(error)} (at {names})") from None
