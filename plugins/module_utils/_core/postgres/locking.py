"""Locks that keep tables as they are while they are read: nobody drops, alters, empties or exchanges them meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SourceError
from ..texts import bounded_list
from .messages import server_message
from .names import TableName, display_name
from .tables import NOT_OF_EXTENSION, NOT_SYSTEM
from .types import Connection

STEP = "lock the tables"
_BATCH = 100
# Others need room in the server's lock table, too.
_TO_HOLD = f"""
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {NOT_SYSTEM} AND {NOT_OF_EXTENSION}
ORDER BY c.relpages DESC, c.oid LIMIT pg_catalog.current_setting('max_locks_per_transaction')::bigint
  * pg_catalog.current_setting('max_connections')::bigint / 8
"""  # noqa: S608 - made of constants
_LOCK_TABLE_FULL = "53200"
_NOT_TO_LOCK = ("42P01", "3F000", "42501", "42809")
"""SQLSTATEs of LOCK: no such table or schema, no right, of a kind that has no such lock."""


def tables_to_hold(connection: Connection) -> list[TableName]:
    """The tables that a backup keeps as they are from before its snapshot to its end, the largest first.

    As many as fill an eighth of the server's lock table; two sessions hold them.
    """
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute(_TO_HOLD)
            return list(cursor.fetchall())
    except Error as error:
        raise SourceError(STEP, server_message(error)) from None


def lock_tables(connection: Connection, tables: Sequence[TableName]) -> list[TableName]:
    """Lock *tables*, without those below them, until the transaction ends; LOCK takes no snapshot.

    :param connection: in a transaction.
    :return: those that are locked now. Not among them: what is gone, may not be read, is of a kind that has no such
        lock, and what no longer fits into the server's lock table.
    :raises SourceError: one is locked by somebody else for longer than the session's lock timeout, or the session
        ended.
    """
    locked: list[TableName] = []
    for start in range(0, len(tables), _BATCH):
        batch = tables[start : start + _BATCH]
        refused = _lock_all(connection, batch)
        if refused is None:
            locked += batch
            continue
        for table in batch:
            if refused == _LOCK_TABLE_FULL:
                return locked
            refused = _lock_all(connection, [table])
            locked += [table] if refused is None else []
    return locked


def lock_trees(connection: Connection, tables: Sequence[TableName]) -> None:
    """Lock *tables* with all their partitions and children until the transaction ends, as far as the role may."""
    for table in tables:
        _lock_all(connection, [table], trees=True)


def _lock_all(connection: Connection, tables: Sequence[TableName], *, trees: bool = False) -> str | None:
    """Lock all of *tables*, or none; the SQLSTATE says why none."""
    from psycopg2 import Error, sql

    only = sql.SQL("" if trees else "ONLY ")
    names = [sql.SQL("{}{}").format(only, sql.Identifier(*table)) for table in tables]
    statement = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.SQL(", ").join(names))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT mobul_lock")
            try:
                cursor.execute(statement)
            except Error as error:
                if error.pgcode not in (*_NOT_TO_LOCK, _LOCK_TABLE_FULL):
                    raise
                cursor.execute("ROLLBACK TO SAVEPOINT mobul_lock; RELEASE SAVEPOINT mobul_lock")
                return str(error.pgcode)
            cursor.execute("RELEASE SAVEPOINT mobul_lock")
    except Error as error:
        shown = bounded_list(list(map(display_name, tables)), limit=1)
        raise SourceError(STEP, f"{server_message(error)} (at {shown})") from None
    return None
