"""Tables that are complete: compared with the manifest, and looked at for the planner, while others still load."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from ....postgres.connection import ConnectionOptions, connect
from ....postgres.names import TableName
from ....progress import at_table, expect_tables
from ..comparing import Difference, compare_tables
from ..expected_rows import ExpectedRows
from ..statistics import analyze, stored_tables


class FinishedTables:
    """Compares and analyzes tables as soon as they are loaded; safe for threads.

    :param options: the way into the database.
    :param units: what the tables must hold; empty where nothing is known of the rows.
    """

    def __init__(self, options: ConnectionOptions, units: Sequence[ExpectedRows]) -> None:
        self.differences: list[Difference] = []
        self.warnings: list[str] = []
        self._options = options
        self._units = units
        self._checked: set[TableName] = set()
        self._lock = threading.Lock()
        self._complete = False

    def check_complete(self, tables: Sequence[TableName]) -> None:
        """Compare and analyze tables that are completely loaded."""
        connection = connect(self._options)
        try:
            # Compared first, since that waits for nobody: foreign keys may be added to the table at the same time.
            found = compare_tables(connection, [unit for unit in self._units if _is_complete(unit, tables)])
            failed = analyze(connection, tables)
        finally:
            connection.close()
        with self._lock:
            self._checked.update(tables)
            self.differences += found
            self.warnings += failed

    def check_remaining(self) -> None:
        """Compare and analyze all tables that were not checked yet; a missing one is a difference. Runs once."""
        if self._complete:
            return
        self._complete = True
        connection = connect(self._options)
        try:
            there = [table for table in stored_tables(connection) if table not in self._checked]
            expect_tables(len(there))
            self.warnings += analyze(connection, there, at_table)
            rest = [unit for unit in self._units if not _is_complete(unit, self._checked)]
            self.differences += compare_tables(connection, rest)
        finally:
            connection.close()


def _is_complete(unit: ExpectedRows, tables: Collection[TableName]) -> bool:
    """Whether all is there that a unit is about; the rows of a tree come with every one of its partitions."""
    return not unit.is_tree and unit.name in tables
