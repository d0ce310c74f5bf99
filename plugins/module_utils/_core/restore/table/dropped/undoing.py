"""Undoing what brought a table back: it is gone again, with all that came with it.

Nothing is kept aside, and so nothing may be lost: the rows must still be those of the backup, and what depends on the
table must be what came with it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ....errors import PreflightError, SourceError
from ....postgres.archive import Toc, TocEntry, object_digest, object_name
from ....postgres.counting import fingerprints
from ....postgres.names import TableName, display_name
from ....texts import bounded_list
from ..request import TableRequest
from ..session import Session
from ..swap.dependents import find_entry
from ..swap.drift import Watch
from ..swap.lock_holders import describe_holders
from ..swap.schema_dump import Tools, dump_schema
from ..target import Target
from ..waiting import in_turns
from .lost_objects import FOUNDATIONS, entry_title
from .undo_record import UndoRecord

STEP = "undo the restore"
_HINT = "drop it by hand if it is not needed any more; nothing was touched"


@dataclass(frozen=True)
class Undone:
    """What was dropped again, or in check mode would be.

    :param warnings: what stays, because others use it by now.
    """

    dropped: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def undo(
    session: Session, target: Target, memory: UndoRecord, tools: Tools, request: TableRequest, *, check_mode: bool
) -> Undone:
    """Drop the table and the objects recreated with it, up to but without the commit.

    :raises PreflightError: somebody has written to it, or made something that would be lost with it.
    """
    from psycopg2 import sql

    with session.at(STEP):
        watch = Watch(session, target)
        toc = dump_schema(tools).toc
        gone = _dependents(toc, target, memory)
        _refuse_new(toc, gone, target, memory)
        tables = _tables(toc, gone, memory)
        if not check_mode:
            _lock(session, target, tables, request)
            watch.check()
        _refuse_written(session, memory, tables)
        foundations = _foundations(session, toc, gone, target, memory)
        dropped = tuple(entry_title(one) for one in toc.entries if one.dump_id in gone and one.drop_stmt)
        if check_mode:
            return Undone((*dropped, *map(entry_title, foundations)))
        session.execute(sql.SQL("DROP TABLE {} CASCADE").format(target.identifier))
        stayed = [entry_title(one) for one in reversed(foundations) if not _drop(session, one)]
    also = [entry_title(one) for one in foundations if entry_title(one) not in stayed]
    return Undone((*dropped, *also), tuple(f"{name} stays: it is used by something else" for name in stayed))


def _dependents(toc: Toc, target: Target, memory: UndoRecord) -> set[int]:
    """The table and everything that goes with it; not through tables that only got something back."""
    dependents, by_id = toc.dependents, toc.by_id
    start = find_entry(toc, target).dump_id
    reached, waiting = {start}, [start]
    while waiting:
        for dump_id in dependents.get(waiting.pop(), ()):
            if dump_id not in reached and object_name(by_id[dump_id]) not in memory.changed:
                reached.add(dump_id)
                waiting.append(dump_id)
    return reached


def _refuse_new(toc: Toc, gone: Collection[int], target: Target, memory: UndoRecord) -> None:
    new = [
        object_name(one)
        for one in toc.entries
        if one.dump_id in gone and memory.made.get(object_name(one)) != object_digest(one, loose=True)
    ]
    if new:
        raise PreflightError(
            STEP,
            f"since {target.name} was brought back from {memory.backup} this came to depend on it, or was changed: "
            f"{bounded_list(new)}",
            hint=_HINT,
        )


def _refuse_written(session: Session, memory: UndoRecord, tables: Collection[TableName]) -> None:
    found = fingerprints(session.connection, list(tables))
    written = [
        display_name((schema, name)) for schema, name, value in memory.rows if found[schema, name].value != value
    ]
    if written:
        raise PreflightError(
            STEP,
            f"what was brought back from {memory.backup} has been written to since then: {bounded_list(written)}",
            hint=_HINT,
        )


def _tables(toc: Toc, gone: Collection[int], memory: UndoRecord) -> list[TableName]:
    """Whose rows are compared; only what goes anyway, as the table's owner could have written anything down."""
    going = {(one.namespace, one.tag) for one in toc.entries if one.dump_id in gone and one.desc == "TABLE"}
    tables = [(schema, name) for schema, name, _value in memory.rows]
    if others := [display_name(table) for table in tables if table not in going]:
        raise PreflightError(
            STEP, f"tables that were brought back with it are gone: {bounded_list(others)}", hint=_HINT
        )
    return tables


def _foundations(
    session: Session, toc: Toc, gone: Collection[int], target: Target, memory: UndoRecord
) -> list[TocEntry]:
    """What the table stood on, as far as its owner may drop it, who could have written anything down."""
    found = [
        one
        for one in toc.entries
        if one.desc in FOUNDATIONS and object_name(one) in memory.made and one.dump_id not in gone
    ]
    owners = sorted({one.owner for one in found})
    query = "SELECT o FROM pg_catalog.unnest(%s::text[]) AS o WHERE pg_catalog.pg_has_role(%s, o, 'USAGE')"
    may = {owner for (owner,) in session.rows(query, [owners, target.owner])} if owners else set()
    return [one for one in found if one.owner in may]


def _lock(session: Session, target: Target, tables: Collection[TableName], request: TableRequest) -> None:
    from psycopg2 import sql

    def lock() -> None:
        for table in sorted({target.table, *tables}):
            session.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*table)))

    in_turns(
        session,
        lock,
        what=target.name,
        lock_timeout=request.lock_timeout,
        holders=lambda: describe_holders(session, target.oid),
    )


def _drop(session: Session, entry: TocEntry) -> bool:
    """Drop what the table stood on, unless something else stands on it by now."""
    try:
        with session.savepoint("mobul_foundation"):
            session.execute(entry.drop_stmt)
    except SourceError:
        return False
    return True
