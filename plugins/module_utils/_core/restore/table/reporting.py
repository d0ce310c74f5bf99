"""What the module returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...postgres.names import TableName, display_name
from ...postgres.tables import NoSuchTableError
from ...texts import bounded_list
from .finalize import FinalizeOutcome
from .request import TableRequest
from .source.sources import Backup
from .target import Target


def report_restored(
    request: TableRequest, target: Target, backup: Backup, details: Mapping[str, Any]
) -> dict[str, Any]:
    """The result of ``restore_table`` after a restore or in check mode.

    :param details: what only the strategy returns.
    """
    return {
        "table": target.name,
        "strategy": request.strategy,
        "state": request.state,
        "id": backup.name,
        "snapshot_time": None if backup.time is None else f"{backup.time:%Y-%m-%dT%H:%M:%SZ}",
        **details,
        "warnings": [*backup.warnings, *backup.passed_over, *details.get("warnings", ())],
    }


def report_finalized(request: TableRequest, target: Target, outcome: FinalizeOutcome) -> dict[str, Any]:
    """The result of ``state: finalized`` or ``state: reverted``."""
    dropped = [display_name(one) for one in outcome.dropped]
    report: dict[str, Any] = {
        "changed": outcome.changed,
        "table": target.name,
        "state": request.state,
        "dropped": dropped,
        "warnings": [],
    }
    if not outcome.changed:
        report["summary"] = [f"{target.name} has nothing to finalize or revert"]
    elif request.state == "finalized":
        lines = (
            [f"{target.name} was brought back, and stays: nothing was kept beside it"] if outcome.brought_back else []
        )
        report["summary"] = lines + ([f"dropped {bounded_list(dropped)}"] if dropped else [])
    else:
        report["summary"] = [f"{target.name} has the rows of {dropped[0]} again"]
    if outcome.swapped is not None:
        old: TableName = (target.table[0], outcome.swapped.old_table)
        report |= {"rows": outcome.swapped.rows, "old_table": display_name(old)}
    return report


def report_absent(request: TableRequest, missing: NoSuchTableError) -> dict[str, Any]:
    """A table that is not there, of which nothing can be left to settle."""
    return {
        "changed": False,
        "table": request.table,
        "state": request.state,
        "dropped": [],
        "warnings": [f"{missing.message} ({missing.hint})"],
        "summary": [f"{request.table} has nothing to finalize or revert"],
    }
