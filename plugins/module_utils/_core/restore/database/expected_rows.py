"""What the tables of a backup must hold, in units whose rows stay together.

A unit is a table. Of a tree that is partitioned by the hash of an enum it is the tree: the hash is made of numbers that
every server gives its enum's values anew, so that pg_dump loads such a tree through its root, and rows change
partitions. What all partitions hold together stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...backupset.manifest import Manifest, Table
from ...postgres.archive import Toc
from ...postgres.archive.copy_statement import CopyStatement
from ...postgres.archive.toc import TABLE_DATA
from ...postgres.counting import ALGORITHM
from ...postgres.halves import halves_as_text
from ...postgres.names import TableName, display_name

_VALUE = re.compile(r"[0-9a-f]{32}")
_DIGITS = 16


@dataclass(frozen=True)
class ExpectedRows:
    """The row count and fingerprint that a table, or a tree of partitions, must have.

    :param name: of the table, or the root of the tree.
    :param tables: what has the rows.
    :param fingerprint: the sum of the tables'; None where one has none that can be computed here.
    """

    name: TableName
    tables: tuple[TableName, ...]
    rows: int
    fingerprint: str | None

    def __str__(self) -> str:
        whole = " with its partitions" if self.is_tree else ""
        return f"table {display_name(self.name)}{whole}"

    @property
    def is_tree(self) -> bool:
        """Whether rows may be in another of several tables than they were."""
        return self.tables != (self.name,)

    @property
    def object_name(self) -> str:
        """The name of the table in the manifest's form."""
        return f"TABLE {'.'.join(self.name)}"


def expected_rows(manifest: Manifest, toc: Toc | None) -> tuple[ExpectedRows, ...]:
    """Every unit of a backup.

    :param toc: of its dump.
    """
    roots, columns = _loaded_through(toc)
    trees: dict[TableName, list[Table]] = {}
    for table in manifest.tables:
        if table.left_out:
            # Nothing is loaded into it, but what a trigger or the root of a tree may put there.
            continue
        name = (table.schema, table.name)
        trees.setdefault(roots.get(name, name), []).append(table)
    return tuple(_unit(root, tables, columns) for root, tables in trees.items())


def _loaded_through(toc: Toc | None) -> tuple[dict[TableName, TableName], dict[TableName, tuple[str, ...]]]:
    """Table -> the root that its rows are loaded through, where that is another; table -> its columns."""
    roots: dict[TableName, TableName] = {}
    columns: dict[TableName, tuple[str, ...]] = {}
    for entry in toc.entries if toc is not None else ():
        if entry.desc != TABLE_DATA or (copy := CopyStatement.parse(entry.copy_stmt)) is None:
            continue
        table = (entry.namespace, entry.tag)
        columns[table] = copy.columns
        if copy.table != table:
            roots[table] = copy.table
    return roots, columns


def _unit(root: TableName, tables: Sequence[Table], columns: dict[TableName, tuple[str, ...]]) -> ExpectedRows:
    names = tuple((table.schema, table.name) for table in tables)
    # A row that has moved has the same text only where its columns have the same order.
    alike = len({columns.get(name) for name in names}) == 1
    values = [value for value in map(_value, tables) if value is not None]
    fingerprint = add_fingerprints(values) if alike and len(values) == len(tables) else None
    return ExpectedRows(root, names, sum(table.rows for table in tables), fingerprint)


def _value(table: Table) -> str | None:
    one = table.fingerprint
    return one.value if one is not None and one.algorithm == ALGORITHM and _VALUE.fullmatch(one.value) else None


def add_fingerprints(values: Sequence[str]) -> str:
    """The fingerprint of what several tables hold together: both halves are sums."""
    halves = (sum(int(value[at : at + _DIGITS], 16) for value in values) for at in (0, _DIGITS))
    return halves_as_text(halves)
