"""What was replaced by an earlier restore: dropped when nobody needs it any more, or brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import PreflightError
from ...postgres.names import TableName
from ...postgres.types import Composable
from .dropped.undo_record import delete_undo_record, read_undo_record
from .kept_versions import REPLACED, UNDONE, Kept, kept_versions
from .request import TableRequest
from .session import Session
from .source.sources import Backup
from .swap.schema_dump import Tools
from .swap.swap import Swapped, SwapPlan, plan_swap, swap
from .target import Target, describe

STEP = "finalize or revert the restore"


@dataclass(frozen=True)
class FinalizeOutcome:
    """What became of the kept versions.

    :param dropped: those that were dropped, or in check mode would be.
    :param brought_back: whether the table was gone before, and stays for good now.
    """

    changed: bool
    dropped: tuple[TableName, ...] = ()
    swapped: Swapped | None = None
    plan: SwapPlan | None = None
    brought_back: bool = False


class TableRows:
    """The rows of another table of the same database."""

    documents = False

    def __init__(self, table: Target) -> None:
        self.name = table.name
        self.columns = tuple(column.name for column in table.columns if not column.generated)
        self._table = table

    def copy_into(self, session: Session, into: Composable, columns: Sequence[str]) -> int:
        """See :class:`rows.RowSource`."""
        from psycopg2 import sql

        cursor = session.execute(
            sql.SQL("INSERT INTO {} {} SELECT {} FROM {}").format(
                into,
                sql.SQL("({}) OVERRIDING SYSTEM VALUE").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
                if columns
                else sql.SQL(""),
                sql.SQL(", ").join(map(sql.Identifier, self.columns)),
                self._table.scope,
            )
        )
        return cursor.rowcount


def finalize(session: Session, target: Target, *, check_mode: bool) -> FinalizeOutcome:
    """Drop every version of the table that our restores have kept, and forget that one has brought it back."""
    kept = kept_versions(session, target.table)
    memory = read_undo_record(session, target)
    if not check_mode:
        with session.at(STEP):
            for one in kept:
                _drop(session, one)
            if memory is not None:
                delete_undo_record(session, target.table)
    return FinalizeOutcome(bool(kept or memory), tuple(one.name for one in kept), brought_back=memory is not None)


def revert(
    session: Session, target: Target, tools: Tools, request: TableRequest, *, check_mode: bool
) -> FinalizeOutcome:
    """Bring the rows of the replaced table back; the restored one is kept beside it until it is finalized.

    :raises PreflightError: there is nothing to bring back.
    """
    kept = kept_versions(session, target.table)
    if not kept:
        raise PreflightError(
            STEP,
            f"no table is kept that a restore of {target.name} has replaced",
            hint="it was finalized, or nothing was restored with strategy: swap",
        )
    newest = kept[0]
    if newest.note.kind != REPLACED:
        return FinalizeOutcome(False)
    backup = Backup(newest.note.backup, TableRows(describe(session, newest.name)))
    plan = plan_swap(session, target, backup, tools, request.column_map)
    if check_mode:
        return FinalizeOutcome(True, (newest.name,), plan=plan)
    swapped = swap(session, plan, backup, request, kind=UNDONE)
    with session.at(STEP):
        _drop(session, newest)
    return FinalizeOutcome(True, (newest.name,), swapped, plan)


def _drop(session: Session, kept: Kept) -> None:
    from psycopg2 import sql

    session.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*kept.name)))
