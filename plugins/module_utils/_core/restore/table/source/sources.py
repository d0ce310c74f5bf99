"""The rows that were asked for: of a table in a backup set, or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ....backupset.manifest import Table as ManifestTable
from ....catalogue.good_set import GoodSet, find_good_set
from ....postgres.archive import Toc, TocEntry
from ....postgres.names import TableName, display_name, identifier
from ....postgres.programs import Program
from ....postgres.tables import TableInfo, choose_table
from ....reading.access import Access
from ....reading.left_out import refuse_left_out
from ....reading.set_archive import SetArchive
from ..request import TableRequest
from .copy_statement import copy_of_entry
from .rows import CopiedRows, RowSource, SeveralRows, copy_data, restored_text

STEP = "find the table in the backup"


@dataclass(frozen=True)
class Expected:
    """What the manifest tells of a table, to compare with.

    :param fingerprint: algorithm and value; None where none was taken.
    """

    rows: int
    fingerprint: tuple[str, str] | None = None


@dataclass(frozen=True)
class Backup:
    """The source of a table's rows: a set or a file.

    :param name: the set's id, or the file's name.
    :param expected: None for a file, which tells nothing of its rows.
    :param personal_data: whether values may not be shown.
    :param toc: of the set; None for a file.
    :param time: the moment that the rows show; None for a file, which does not tell.
    :param passed_over: why reading went on in another location; grows while rows are read.
    """

    name: str
    rows: RowSource
    expected: Expected | None = None
    personal_data: bool = False
    warnings: tuple[str, ...] = ()
    passed_over: Sequence[str] = ()
    toc: Toc | None = None
    time: datetime | None = None

    @property
    def shown(self) -> str:
        """For people: ``weekly_20261122_000000, as of 2026-11-22 00:00:03 UTC``."""
        return self.name if self.time is None else as_of(self.name, self.time)


def as_of(name: str, time: datetime) -> str:
    """The name of a set with the moment that it shows."""
    return f"{name}, as of {time:%Y-%m-%d %H:%M:%S} UTC"


def find_set(request: TableRequest, access: Access) -> GoodSet:
    """The requested set, in the first location with a good copy.

    :raises BackupError: it is not the one that was expected, or it is not authentic.
    """
    good = find_good_set(access.locations, request.label or "", request.wanted, access.verify_keys)
    request.check_origin(good.manifest.environment)
    return good


def rows_of_set(
    good: GoodSet, archive: SetArchive, table: TableName, pg_restore: Program, warnings: Sequence[str] = ()
) -> Backup:
    """The rows that a set has of one table; of a partitioned one those of all its partitions."""
    refuse_left_out(good.manifest, {table, *_partitions(archive.toc, table)}, STEP)
    entries = _entries(archive, table)
    name = display_name(table)
    sources = [_copied(archive, entry, pg_restore) for entry in entries]
    rows = sources[0] if len(sources) == 1 else SeveralRows(name, sources)
    tables = [(entry.schema, entry.table) for entry in entries]
    recorded = [one for one in good.manifest.tables if (one.schema, one.name) in tables]
    return Backup(
        str(good.manifest.id),
        rows,
        _expected(recorded) if len(recorded) == len(entries) else None,
        any(one.personal_data for one in recorded),
        (*good.warnings, *warnings),
        good.passed_over,
        archive.toc,
        good.manifest.database.snapshot.time,
    )


def _copied(archive: SetArchive, entry: TocEntry, pg_restore: Program) -> CopiedRows:
    copy = copy_of_entry(entry, archive.toc)
    name = display_name(copy.table)
    text = restored_text(pg_restore, archive.source({entry.dump_id}))
    return CopiedRows(name, copy.columns, copy_data(text, copy.statement, name), copy.options)


def defined_tables(toc: Toc) -> list[TableInfo]:
    """The tables that the backup defines, sorted by name."""
    return [TableInfo(entry.namespace, entry.tag, 0) for entry in toc.entries if entry.desc == "TABLE"]


def find_in_backup(name: str, known: Sequence[TableName]) -> TableName:
    """The table of the backup with this name; raise an error if there is none or several.

    :raises ConfigError: there is none (with the nearest names), or there are several.
    """
    absent, instead = "the backup has no rows of a table {}", "a table of the database that was backed up"
    return choose_table(name, known, absent=absent, instead=instead)


def _entries(archive: SetArchive, table: TableName) -> list[TocEntry]:
    known = archive.tables()
    if leaves := [known[one] for one in _partitions(archive.toc, table) if one in known]:
        return leaves
    if table not in known:
        table = find_in_backup(identifier(*table), list(known))
    return [known[table]]


def _partitions(toc: Toc, table: TableName) -> list[TableName]:
    """All partitions of a table, at every level."""
    by_id, found = toc.by_id, []
    names = {(entry.namespace, entry.tag): entry.dump_id for entry in toc.entries if entry.desc == "TABLE"}
    for entry in toc.entries:
        if entry.desc == "TABLE ATTACH" and names.get(table) in entry.dependencies:
            children = [by_id[one] for one in entry.dependencies if one in by_id and one != names.get(table)]
            for child in children:
                if (child.namespace, child.tag) == (entry.namespace, entry.tag):
                    name = (child.namespace, child.tag)
                    found += [name, *_partitions(toc, name)]
    return found


def _expected(tables: Sequence[ManifestTable]) -> Expected:
    rows = sum(one.rows for one in tables)
    fingerprint = tables[0].fingerprint if len(tables) == 1 else None
    return Expected(rows, None if fingerprint is None else (fingerprint.algorithm, fingerprint.value))
