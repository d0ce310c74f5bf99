"""Tables that are complete: compared with the manifest, and looked at for the planner, while others still load."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from ....errors import SourceError
from ....postgres.connection import ConnectionOptions, connect
from ....postgres.messages import server_message
from ....postgres.names import TableName, display_name
from ....postgres.types import Connection
from ..comparing import Difference, compare_tables
from ..expected_rows import ExpectedRows

_TABLES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
"""


class Settling:
    """Collects the differences of the tables of one database; safe for threads.

    :param options: the way into the database.
    :param units: what the tables must hold; empty where nothing is known of the rows.
    """

    def __init__(self, options: ConnectionOptions, units: Sequence[ExpectedRows]) -> None:
        self.differences: list[Difference] = []
        self.warnings: list[str] = []
        self._options = options
        self._units = units
        self._settled: set[TableName] = set()
        self._lock = threading.Lock()

    def settle(self, tables: Sequence[TableName]) -> None:
        """Look at tables that are complete."""
        connection = connect(self._options)
        try:
            # Compared first, since that waits for nobody: foreign keys may be added to the table at the same time.
            found = compare_tables(connection, [unit for unit in self._units if _is_complete(unit, tables)])
            failed = analyze(connection, tables)
        finally:
            connection.close()
        with self._lock:
            self._settled.update(tables)
            self.differences += found
            self.warnings += failed

    def settle_rest(self) -> None:
        """Look at all that nobody has looked at yet, tables that are missing among them."""
        connection = connect(self._options)
        try:
            with connection.cursor() as cursor:
                cursor.execute(_TABLES)
                there = [row for row in cursor.fetchall() if row not in self._settled]
            self.warnings += analyze(connection, there)
            rest = [unit for unit in self._units if not _is_complete(unit, self._settled)]
            self.differences += compare_tables(connection, rest)
        finally:
            connection.close()


def _is_complete(unit: ExpectedRows, tables: Collection[TableName]) -> bool:
    """Whether all is there that a unit is about; the rows of a tree come with every one of its partitions."""
    return not unit.is_tree and unit.name in tables


def analyze(connection: Connection, tables: Sequence[TableName]) -> list[str]:
    """Collect the planner's statistics; warnings where that is impossible, which spoils no row.

    An index may be on a function that finds another one by a search path only.
    """
    from psycopg2 import Error, sql

    failed = []
    with connection.cursor() as cursor:
        for table in tables:
            try:
                cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*table)))
            except Error as error:
                if connection.closed:
                    raise SourceError("analyze the tables", f"{display_name(table)}: {server_message(error)}") from None
                failed.append(f"{display_name(table)} could not be analyzed: {server_message(error)}")
    return failed
