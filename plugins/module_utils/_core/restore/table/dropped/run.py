"""The operation on a table that is gone: brought back, and later made one like any other or taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ....catalogue.good_set import GoodSet
from ....errors import FormatError, SourceError, after_change
from ....postgres.archive import Toc, schema_differences
from ....postgres.connection import Connection
from ....postgres.names import TableName, display_name
from ....reading.set_archive import SetArchive
from ....texts import bounded_list
from ..analyzing import collect
from ..muted_calls import calls_muted, report_muted
from ..request import TableRequest
from ..session import Session
from ..swap.schema_dump import Tools, dump_schema
from ..target import Target
from .plan import RecreatePlan, plan_recreate
from .recreating import recreate
from .reporting import report_recreated, report_undone
from .undo_record import UndoRecord
from .undoing import undo

_BACK = "state: reverted drops it again"


def recreate_table(
    connection: Connection,
    table: TableName,
    found: tuple[GoodSet, SetArchive],
    tools: Tools,
    request: TableRequest,
    check_mode: bool,
) -> dict[str, Any]:
    """Bring back a table that is gone, with all that went with it.

    :return: what the module returns.
    :raises BackupError: it could not be done; nothing was changed, unless the message says so.
    """
    with Session(connection) as session:
        plan = plan_recreate(session, table, *found, tools, request)
        if check_mode:
            return report_muted(report_recreated(request, plan, None), plan.calls)
        with calls_muted(session, plan.calls):
            returned = recreate(session, plan, request, tools)
        session.commit()
    report = report_muted(report_recreated(request, plan, returned), plan.calls)
    with after_change():
        report["warnings"] += _analyze(connection, plan)
        report["warnings"] += _verify(plan, tools)
    return report


def undo_recreate(
    session: Session, target: Target, memory: UndoRecord, tools: Tools, request: TableRequest, check_mode: bool
) -> dict[str, Any]:
    """Let the table be gone again.

    :return: what the module returns.
    """
    taken = undo(session, target, memory, tools, request, check_mode=check_mode)
    if not check_mode:
        session.commit()
    return report_undone(request, target.name, memory, taken)


def _analyze(connection: Connection, plan: RecreatePlan) -> list[str]:
    """Collect the planner's statistics of everything that has rows; return what has none then."""
    if not plan.calls.analyzed:
        return []
    session = Session(connection)
    tables = [(one.namespace, one.tag) for one in plan.lost_objects.made if one.desc in ("TABLE", "MATERIALIZED VIEW")]
    with session.at("collect the statistics"):
        far = [display_name(table) for table in tables if not collect(session, table)]
    return [f"not analyzed, as a part of it lies on another server: {bounded_list(far)}"] if far else []


def _verify(plan: RecreatePlan, tools: Tools) -> list[str]:
    """Compare the schema with what it was before and what the backup has; return what is only written otherwise.

    :raises FormatError: something is not there, or there is something that nobody has made.
    """
    try:
        now = dump_schema(tools).toc
    except SourceError as error:
        message = f"{plan.name} was brought back, but the schema could not be compared afterwards: {error.message}"
        raise SourceError("compare the schema", message, hint=_BACK) from None
    found = schema_differences(_wanted(plan), now, same_version=not plan.present.loose)
    if strange := sorted([*found.missing, *found.strange]):
        raise FormatError(
            "compare the schema",
            f"{plan.name} was brought back, but the schema differs from the backup: {bounded_list(strange)}",
            hint=_BACK,
        )
    given_back = {lost.name for lost in plan.lost_objects.changed}
    otherwise = sorted({*found.changed, *found.moved, *found.rewritten, *found.doubtful} - given_back)
    return [f"written in another form than in the backup: {bounded_list(otherwise)}"] if otherwise else []


def _wanted(plan: RecreatePlan) -> Toc:
    """The table of contents that the database should have afterwards."""
    there = plan.before.toc
    shift = max((entry.dump_id for entry in there.entries), default=0)
    made = [
        replace(one, dump_id=one.dump_id + shift, dependencies=tuple(needed + shift for needed in one.dependencies))
        for one in plan.lost_objects.made
    ]
    return replace(there, entries=(*there.entries, *made))
