"""What the module returns of a table that was gone."""

from __future__ import annotations

from typing import Any

from ....postgres.names import display_name
from ....texts import bounded_list
from ..request import TableRequest
from ..source.sources import as_of
from .plan import RecreatePlan
from .recreating import Recreated
from .undo_record import UndoRecord
from .undoing import Undone


def report_recreated(request: TableRequest, plan: RecreatePlan, returned: Recreated | None) -> dict[str, Any]:
    """The result of recreating a dropped table.

    :param returned: None in check mode, where it is only planned.
    """
    names = plan.lost_objects.names
    others = len(names) - 1
    rows = plan.expected_rows if returned is None else sum(returned.rows.values())
    subject = f"{plan.name}, which is gone, would be" if returned is None else f"{plan.name} was"
    return {
        "changed": True,
        "table": plan.name,
        "strategy": request.strategy,
        "state": request.state,
        "id": plan.set_name,
        "snapshot_time": f"{plan.time:%Y-%m-%dT%H:%M:%SZ}",
        "rows": rows,
        "plan": names,
        "warnings": [*plan.warnings, *(() if returned is None else returned.warnings)],
        "summary": [
            f"{subject} brought back from {as_of(plan.set_name, plan.time)}: {'?' if rows is None else rows} rows, "
            f"{others} other objects",
            *_tables(plan),
        ],
    }


def report_undone(request: TableRequest, name: str, memory: UndoRecord, taken: Undone) -> dict[str, Any]:
    """The result of undoing a recreation."""
    return {
        "changed": True,
        "table": name,
        "state": request.state,
        "dropped": [name],
        "plan": list(taken.dropped),
        "warnings": list(taken.warnings),
        "summary": [f"{name} was dropped again, as it had been brought back from {memory.backup}"],
    }


def _tables(plan: RecreatePlan) -> list[str]:
    tables = [(one.namespace, one.tag) for one in plan.lost_objects.tables]
    others = [display_name(table) for table in tables if table != plan.table]
    return [f"with the tables {bounded_list(others)}"] if others else []
