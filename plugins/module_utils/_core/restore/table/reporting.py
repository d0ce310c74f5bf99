"""What the module returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...postgres.names import TableName, display_name
from ...postgres.tables import NoSuchTableError
from ...texts import bounded_list
from .finalize import Settled
from .merge.merge import Merged
from .request import TableRequest
from .source.sources import Backup
from .swap.dependents import Dependents
from .swap.swap import Swapped, SwapPlan
from .target import Target


def report_planned(request: TableRequest, plan: SwapPlan, backup: Backup) -> dict[str, Any]:
    """A swap that check mode has only planned."""
    name = plan.target.name
    return {
        **_common(request, plan.target, backup),
        "changed": True,
        "rows": None if backup.expected is None else backup.expected.rows,
        "plan": _steps(plan.dependents),
        "warnings": [*backup.warnings, *backup.passed_over],
        "summary": [f"{name} would be restored from {backup.name} by {request.strategy}"],
    }


def report_swapped(request: TableRequest, plan: SwapPlan, backup: Backup, swapped: Swapped) -> dict[str, Any]:
    """A swap that was carried out."""
    old = display_name((plan.target.table[0], swapped.old_table))
    return {
        **_common(request, plan.target, backup),
        "changed": True,
        "rows": swapped.rows,
        "old_table": old,
        "plan": _steps(plan.dependents),
        "warnings": [*backup.warnings, *backup.passed_over, *swapped.warnings],
        "summary": [
            f"{plan.target.name} was restored from {backup.name}: {swapped.rows} rows",
            f"what was there before is kept as {old}",
        ],
    }


def report_merged(
    request: TableRequest, target: Target, backup: Backup, merged: Merged, diff: Mapping[str, str] | None
) -> dict[str, Any]:
    """Rows that were put into the table, or in check mode would be."""
    counts = merged.counts
    told = f"{counts.inserted} rows inserted, {counts.updated} updated, {counts.deleted} deleted"
    report = {
        **_common(request, target, backup),
        "changed": counts.changed,
        "rows": merged.rows,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "warnings": [*backup.warnings, *backup.passed_over, *merged.warnings],
        "summary": [f"{target.name} from {backup.name} by {request.strategy}: {told}"],
    }
    return report if diff is None else {**report, "diff": dict(diff)}


def report_settled(request: TableRequest, target: Target, settled: Settled) -> dict[str, Any]:
    """What became of the kept versions."""
    dropped = [display_name(one) for one in settled.dropped]
    report: dict[str, Any] = {
        "changed": settled.changed,
        "table": target.name,
        "state": request.state,
        "dropped": dropped,
        "warnings": [],
    }
    if not settled.changed:
        report["summary"] = [f"nothing of {target.name} was left to settle"]
    elif request.state == "finalized":
        told = (
            [f"{target.name} was brought back, and stays: nothing was kept beside it"] if settled.brought_back else []
        )
        report["summary"] = told + ([f"dropped {bounded_list(dropped)}"] if dropped else [])
    else:
        report["summary"] = [f"{target.name} has the rows of {dropped[0]} again"]
    if settled.swapped is not None:
        old: TableName = (target.table[0], settled.swapped.old_table)
        report |= {"rows": settled.swapped.rows, "old_table": display_name(old)}
    return report


def report_absent(request: TableRequest, missing: NoSuchTableError) -> dict[str, Any]:
    """A table that is not there, of which nothing can be left to settle."""
    return {
        "changed": False,
        "table": request.table,
        "state": request.state,
        "dropped": [],
        "warnings": [f"{missing.message} ({missing.hint})"],
        "summary": [f"nothing of {request.table} was left to settle"],
    }


def _common(request: TableRequest, target: Target, backup: Backup) -> dict[str, Any]:
    return {"table": target.name, "strategy": request.strategy, "state": request.state, "id": backup.name}


def _steps(dependents: Dependents) -> list[str]:
    """One line for each object that is made again around the table."""
    return [f"{entry.desc.lower()} {entry.namespace}.{entry.tag}" for entry in dependents.carried]
