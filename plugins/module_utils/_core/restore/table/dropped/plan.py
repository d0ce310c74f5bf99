"""The plan of bringing a table back: everything that can be checked is checked before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ....catalogue.good_set import GoodSet
from ....errors import FormatError, PreflightError
from ....postgres.archive import Toc, TocEntry
from ....postgres.names import TableName, display_name
from ....reading.set_archive import SetArchive
from ....texts import bounded_list
from ...environments import unknown_environment
from ...outbound.forecast import foresee
from ...outbound.of_table import NO_CALLS, TableCalls, foreseen_calls
from ..request import TableRequest
from ..session import Session
from ..source.copy_statement import copy_of_entry
from ..source.sources import Backup, rows_of_set
from ..swap.schema_dump import SchemaDump, Tools, dump_schema
from .lost_objects import LostObjects, Present, find_lost_objects, find_table_entry
from .obstacles import refuse_obstacles

STEP = "find the table in the backup"


@dataclass(frozen=True)
class RecreatePlan:
    """What bringing a table back is going to do; nothing was touched yet.

    :param rows: each table that is made -> its rows, and the table that they are copied into.
    """

    table: TableName
    lost_objects: LostObjects
    archive: SetArchive
    set_name: str
    time: datetime
    rows: Mapping[TableName, Backup]
    through: Mapping[TableName, TableName]
    before: SchemaDump
    present: Present
    warnings: tuple[str, ...]
    calls: TableCalls = NO_CALLS

    @property
    def name(self) -> str:
        """The table's name, for messages."""
        return display_name(self.table)

    @property
    def toc(self) -> Toc:
        """The table of contents of the backup."""
        return self.archive.toc

    @property
    def expected_rows(self) -> int | None:
        """How many rows come back, of all tables, where the manifest tells of all of them."""
        counts = [one.expected for one in self.rows.values()]
        return sum(one.rows for one in counts if one is not None) if None not in counts else None


def plan_recreate(
    session: Session, table: TableName, good: GoodSet, archive: SetArchive, tools: Tools, request: TableRequest
) -> RecreatePlan:
    """Find out what went with the table, and whether all of it can be made again.

    :raises BackupError: what is in the way, named.
    """
    before = dump_schema(tools)
    loose = good.manifest.database.server_version_num // 10000 != tools.server_version_num // 10000
    present = Present(before.toc, loose=loose)
    entry = find_table_entry(archive.toc, table)
    lost_objects = find_lost_objects(archive.toc, entry, present, request.expected)
    refuse_obstacles(session, lost_objects.made)
    rows: dict[TableName, Backup] = {}
    through: dict[TableName, TableName] = {}
    known = archive.tables()
    for one in lost_objects.tables:
        name = (one.namespace, one.tag)
        if name in known:
            rows[name] = rows_of_set(good, archive, name, tools.pg_restore)
            through[name] = copy_of_entry(known[name], archive.toc).table
        elif name not in good.manifest.left_out and not _is_partitioned(one):
            _refuse_empty(good, name)
    empty = [
        (one.namespace, one.tag) for one in lost_objects.tables if (one.namespace, one.tag) in good.manifest.left_out
    ]
    unknown = unknown_environment(good.manifest.environment, request.expect_environment)
    waiting = [
        f"{name} is not made: {' and '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} not there"
        for name, wanted in lost_objects.waiting.items()
        if name not in wanted
    ]
    calls = NO_CALLS
    if request.outbound != "active":
        calls = foreseen_calls(foresee(archive.toc), lost_objects.made)
        calls.refuse_stored(display_name(table), refreshes=True)
    return RecreatePlan(
        table=table,
        lost_objects=lost_objects,
        archive=archive,
        set_name=str(good.manifest.id),
        time=good.manifest.database.snapshot.time,
        rows=rows,
        through=through,
        before=before,
        present=present,
        warnings=(*good.warnings, *unknown, *_without_rows(good, empty), *waiting),
        calls=calls,
    )


def _without_rows(good: GoodSet, tables: Sequence[TableName]) -> Iterator[str]:
    if tables:
        names = bounded_list(list(map(display_name, tables)))
        yield f"{good.manifest.id} was made without the rows of {names}, on purpose: what comes back is empty"


def _is_partitioned(entry: TocEntry) -> bool:
    return entry.relkind == "p" or "\n)\nPARTITION BY " in entry.defn


def _refuse_empty(good: GoodSet, table: TableName) -> None:
    entry = next((one for one in good.manifest.tables if (one.schema, one.name) == table), None)
    if entry is not None and entry.rows > 0:
        raise FormatError(
            STEP, f"{good.manifest.id} has {entry.rows} rows of {display_name(table)}, and not in its dump"
        )
    raise PreflightError(
        STEP,
        f"{good.manifest.id} has the definition of {display_name(table)}, and no rows of it",
        hint="take another backup; nothing was touched",
    )
