"""What a clean-up tells: for playbooks, and for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...backupset.naming import SetId
from ...texts import first_lines, page, readable_size, text_table
from ..retention import Decision
from ..retention.describing import describe_decision
from .applying import Cleaned
from .planning import PrunePlan

ALONE = "it is released there, by a record that no record_verify_key vouches for elsewhere"
_DOUBTS_SHOWN = 20
_SHOWN = 100
"""Of sets that stay, and of those that go, no more are listed one by one."""


def report_planned(plan: PrunePlan) -> dict[str, Any]:
    """What check mode returns: the plan, and what of it would be done."""
    deleted = [
        {"location": name, "id": str(copy.id), "bytes": copy.size}
        for name, copies in plan.goes.items()
        for copy in reversed(copies)
    ]
    reaped = [f"{name}: {one.directory}" for name, found in plan.unfinished.items() for one in found]
    freed = sum(copy.size for copies in plan.goes.values() for copy in copies) + sum(
        one.size for found in plan.unfinished.values() for one in found
    )
    gone = {name: [str(copy.id) for copy in copies] for name, copies in plan.goes.items()}
    return _report(plan, deleted, reaped, freed, gone, "would go", _doubtful(plan), plan.locked)


def report_cleaned(plan: PrunePlan, cleaned: Sequence[Cleaned]) -> dict[str, Any]:
    """The result of ``backup_prune`` after the deletions."""
    sizes = {(name, copy.id): copy.size for name, copies in plan.goes.items() for copy in copies}
    deleted = [
        {"location": one.location, "id": str(set_id), "bytes": sizes[one.location, set_id]}
        for one in cleaned
        for set_id in one.deleted
    ]
    reaped = [f"{one.location}: {key}" for one in cleaned for key in one.reaped.removed]
    warnings = _doubtful(plan)
    for one in cleaned:
        warnings += [
            f"{one.location}: {set_id} has changed since it was looked at, and stays" for set_id in one.changed
        ]
        warnings += [f"{one.location}: {problem}" for problem in one.reaped.kept]
        warnings += [f"{one.location}: {error}" for error in one.reaped.failures]
    gone = {one.location: [str(set_id) for set_id in reversed(one.deleted)] for one in cleaned}
    protected = {one.location: {**plan.locked.get(one.location, {}), **one.protected} for one in cleaned}
    return _report(plan, deleted, reaped, sum(one.freed for one in cleaned), gone, "went", warnings, protected)


def _doubtful(plan: PrunePlan) -> list[str]:
    shown = [*plan.unseen, *(f"{doubt.location}: {doubt}" for doubt in plan.doubts[:_DOUBTS_SHOWN])]
    more = len(plan.doubts) - _DOUBTS_SHOWN
    return [*shown, f"and {more:,} more records are in doubt; backup_check lists them"] if more > 0 else shown


def _report(
    plan: PrunePlan,
    deleted: list[dict[str, Any]],
    reaped: list[str],
    freed: int,
    gone: dict[str, list[str]],
    went: str,
    warnings: list[str],
    protected: Mapping[str, Mapping[SetId, str]],
) -> dict[str, Any]:
    staying, shown = sum(decision.keep for decision in plan.decisions), _shown(plan)
    leaving = _leaving(plan)
    locked = [
        {"location": name, "id": str(set_id), "reason": reason}
        for name, found in protected.items()
        for set_id, reason in found.items()
    ]
    warnings = [*warnings, *(f"{one['location']}: {one['id']} is due and stays: {one['reason']}" for one in locked)]
    summary = [
        f"'{plan.label}': {staying} of {len(plan.decisions)} sets stay; {len(deleted)} copies and {len(reaped)} "
        f"unfinished things {went}, {readable_size(freed)}"
    ]
    summary += [
        f"{name}: {set_id} stays there: it is the newest good copy of this location"
        for name, ids in plan.stays.items()
        for set_id in ids
    ]
    summary += [
        f"{name}: {one.id} goes from there alone: {ALONE}"
        for name, found in plan.alone.items()
        for one in found
        if one.id not in plan.stays[name] and one.id not in plan.locked.get(name, {})
    ]
    return {
        "changed": bool(deleted or reaped),
        "deleted": deleted[:_SHOWN],
        "deleted_count": len(deleted),
        "reaped": reaped[:_SHOWN],
        "reaped_count": len(reaped),
        "protected": locked[:_SHOWN],
        "freed": freed,
        "plan": [{"id": str(one.id), **describe_decision(one), "goes_from": leaving.get(one.id, [])} for one in shown],
        "staying": staying,
        "table": _table(plan, shown, staying),
        "summary": summary,
        "warnings": first_lines(warnings),
        "diff": _diff(plan, gone),
    }


def _shown(plan: PrunePlan) -> list[Decision]:
    """The decisions that are told: on the newest sets that go, and on the newest that stay."""
    leaving = _leaving(plan).keys()
    ids = ([one.id for one in plan.decisions if (one.id in leaving) is goes] for goes in (True, False))
    left_out = frozenset(set_id for some in ids for set_id in some[:-_SHOWN])
    return [one for one in plan.decisions if one.id not in left_out]


def _table(plan: PrunePlan, shown: Sequence[Decision], staying: int) -> list[str]:
    """The plan as lines of a table, the newest set first."""
    copies = _leaving(plan)
    rows = [
        ("keep" if one.keep else "delete", str(one.id), ", ".join(copies.get(one.id, [])), _reason(one, copies))
        for one in reversed(shown)
    ]
    table = text_table(("", "set", "goes from", "why"), rows)
    stay = staying - sum(one.keep for one in shown)
    go = len(plan.decisions) - len(shown) - stay
    table += [f"... and {stay} older ones that stay"] if stay else []
    return [*table, f"... and {go} older ones that go"] if go else table


def _leaving(plan: PrunePlan) -> dict[SetId, list[str]]:
    """Set -> the locations that it is deleted from."""
    copies: dict[SetId, list[str]] = {}
    for name, going in plan.goes.items():
        for copy in going:
            copies.setdefault(copy.id, []).append(name)
    return copies


def _reason(decision: Decision, leaving: Mapping[SetId, Sequence[str]]) -> str:
    if not decision.keep or decision.id not in leaving:
        return decision.reason
    return f"{decision.reason}; from {', '.join(leaving[decision.id])} it goes: {ALONE}"


def _diff(plan: PrunePlan, gone: dict[str, list[str]]) -> dict[str, str]:
    lines = [f"{name}: {set_id}" for name, ids in sorted(gone.items()) for set_id in ids]
    return {
        "before_header": f"sets of {plan.label} that go",
        "after_header": f"sets of {plan.label} that go",
        "before": page(first_lines(lines, limit=_SHOWN)),
        "after": "",
    }
