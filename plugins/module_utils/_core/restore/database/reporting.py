"""What a restore tells its caller: values for playbooks, and a summary that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...texts import page
from ..outbound.paused_objects import names_of
from ..outbound.resuming import Resumed
from .plan import RestorePlan
from .replaced_database import Kept
from .request import RestoreRequest
from .restored import Restored
from .strategies import STRATEGIES


def report_planned(plan: RestorePlan, duration: float) -> dict[str, Any]:
    """Check mode: everything was proven and checked, nothing was changed."""
    how = STRATEGIES[plan.strategy].how
    summary = [f"database {plan.target.name!r}: {plan.contents.name} {how}", *_origin(plan)]
    if plan.roles.roles:
        summary.append(f"roles that would be made: {', '.join(plan.roles.roles)}")
    forecast = plan.forecast
    summary += forecast.lines()
    return {
        "changed": True,
        **_common(plan, duration),
        "paused": [one.as_result() for one in (*forecast.paused, *forecast.unfilled)],
        "not_paused": [one.as_result() for one in forecast.awake],
        "warnings": [*plan.warnings, *plan.contents.passed_over],
        "summary": summary,
        "diff": _diff(summary),
    }


def report_restored(
    plan: RestorePlan,
    restored: Restored,
    safety: dict[str, Any] | None,
    reaped: Sequence[str],
    warnings: Sequence[str],
    duration: float,
) -> dict[str, Any]:
    """The result of ``restore_database`` after a restore."""
    found = restored.comparison
    summary = [f"database {plan.target.name!r}: restored {plan.contents.name} in {duration:.1f} s", *_origin(plan)]
    if plan.contents.manifest is not None:
        summary.append(
            f"compared: {found.tables} tables, {found.rows:,} rows, {found.fingerprints} fingerprints, "
            f"{len(plan.contents.manifest.schema.objects)} objects"
        )
    if safety is not None:
        summary.append(f"safety backup: {safety['id']}")
    if restored.kept is not None:
        summary.append(
            f"the replaced database is kept as {restored.kept!r}: state finalized drops it, reverted brings it back"
        )
    if restored.outbound.paused:
        summary.append(f"paused until state resumed: {names_of(restored.outbound.paused)}")
    return {
        "changed": True,
        **_common(plan, duration),
        "kept": restored.kept,
        "safety_backup": None if safety is None else safety["id"],
        "tables": found.tables,
        "rows": found.rows,
        "fingerprints": found.fingerprints,
        "extra_objects": list(found.extra),
        "reaped": list(reaped),
        "paused": [one.as_result() for one in (*restored.outbound.paused, *restored.outbound.resting)],
        "not_paused": [one.as_result() for one in restored.outbound.awake],
        "warnings": [
            *plan.warnings,
            *plan.contents.passed_over,
            *warnings,
            *found.warnings,
            *restored.outbound.warnings(),
        ],
        "summary": summary,
        "diff": _diff(summary),
    }


def report_resumed(request: RestoreRequest, resumed: Resumed, *, check_mode: bool) -> dict[str, Any]:
    """The result of ``state: resumed``."""
    names = [str(one) for one in resumed.resumed]
    word = "would be started again" if check_mode else "started again"
    message = f"database {request.database!r}: {word}: {', '.join(names)}" if names else ""
    summary = [message or f"database {request.database!r}: nothing is paused"]
    return {
        "changed": bool(resumed.resumed or resumed.gone),
        "database": request.database,
        "state": request.state,
        "resumed": [one.as_result() for one in resumed.resumed],
        "warnings": list(resumed.warnings),
        "summary": summary,
        "diff": _diff(summary if names else []),
    }


def report_kept(request: RestoreRequest, kept: Kept) -> dict[str, Any]:
    """The result of ``state: finalized`` or ``state: reverted``."""
    if kept.returned is not None:
        message = f"database {request.database!r} is again what it was before the restore"
        if kept.kept_as is not None:
            message += f"; the restored one is kept as {kept.kept_as!r}"
    elif kept.dropped:
        message = f"dropped: {', '.join(kept.dropped)}"
    else:
        message = f"database {request.database!r}: nothing to do"
    return {
        "changed": kept.changed,
        "database": request.database,
        "state": request.state,
        "dropped": list(kept.dropped),
        "kept": kept.kept_as,
        "warnings": list(kept.warnings),
        "summary": [message],
        "diff": _diff([message] if kept.changed else []),
    }


def _common(plan: RestorePlan, duration: float) -> dict[str, Any]:
    good = plan.contents.good
    return {
        "id": plan.contents.name,
        "label": plan.request.label,
        "location": None if good is None else good.location.name,
        "signature": None if good is None else good.loaded.signature,
        "database": plan.target.name,
        "state": "restored",
        "strategy": plan.strategy,
        "replaces": plan.target.database is not None,
        "roles_made": list(plan.roles.roles),
        "duration": round(duration, 3),
    }


def _origin(plan: RestorePlan) -> list[str]:
    good = plan.contents.good
    if good is None:
        return []
    manifest = good.manifest
    environment = f", environment {manifest.environment!r}" if manifest.environment else ""
    time = f"{manifest.database.snapshot.time:%Y-%m-%d %H:%M:%S} UTC"
    return [
        f"from location {good.location.name!r}: {manifest.database.name!r} as of {time}"
        f"{environment}, PostgreSQL {manifest.database.server_version}"
    ]


def _diff(summary: Sequence[str]) -> dict[str, str]:
    return {"before": "", "after": page(summary)}
