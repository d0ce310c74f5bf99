"""The planner's statistics of what was restored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import SourceError
from ...postgres.foreign_code import RESTRICTION, knows_restriction
from ...postgres.messages import server_message
from ...postgres.names import TableName, display_name
from ...postgres.types import Connection

_TABLES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
"""

_COMPUTED = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE EXISTS (SELECT FROM pg_catalog.pg_index i
              WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
  OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s
             WHERE s.stxrelid = c.oid AND pg_catalog.to_jsonb(s) ->> 'stxexprs' IS NOT NULL)
"""


def computed_tables(connection: Connection) -> list[TableName]:
    """Those whose statistics are of what functions return, too."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPUTED)
        return list(cursor.fetchall())


def stored_tables(connection: Connection) -> list[TableName]:
    """All tables that have rows of their own, and partitioned tables."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        return list(cursor.fetchall())


def analyze(
    connection: Connection, tables: Sequence[TableName], on_table: Callable[[str], None] = lambda _table: None
) -> list[str]:
    """Collect the planner's statistics; warnings where that is impossible, which spoils no row.

    An index may be on a function that finds another one by a search path only.

    :param on_table: called with each as it begins.
    """
    from psycopg2 import Error, sql

    failed = []
    with connection.cursor() as cursor:
        if knows_restriction(connection.server_version):
            # A part of a tree may lie on another server, which nobody is to ask.
            cursor.execute("SELECT pg_catalog.set_config(%s, 'foreign-table', false)", [RESTRICTION])
        for table in tables:
            on_table(display_name(table))
            try:
                cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*table)))
            except Error as error:
                if connection.closed:
                    raise SourceError("analyze the tables", f"{display_name(table)}: {server_message(error)}") from None
                failed.append(f"{display_name(table)} could not be analyzed: {server_message(error)}")
    return failed
