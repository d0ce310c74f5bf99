"""What the stores themselves will not let go, asked before anything is announced or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...backupset.naming import SetId
from ...catalogue.index import SetCopy
from ...catalogue.search import ask_all
from ...locations.base import Location, ObjectInfo
from ..retention import Decision
from .planning import PrunePlan, PruneRefused


def keep_locked(plan: PrunePlan, locations: Sequence[Location]) -> PrunePlan:
    """The plan without the copies that their store keeps, by Object Lock or a legal hold of its own.

    :raises PruneRefused: a store could not be asked.
    """
    answers, failures = ask_all(locations, lambda location: _locked(location, plan.goes[location.name]))
    if failures:
        message = "; ".join(str(error) for error in failures.values())
        raise PruneRefused(
            f"not every location could be asked for locks: {message}", hint="run it again when all answer"
        )
    goes = {name: tuple(copy for copy in copies if copy.id not in answers[name]) for name, copies in plan.goes.items()}
    decisions = tuple(_decide(one, plan, goes, answers) for one in plan.decisions)
    return replace(plan, decisions=decisions, goes=goes, locked=answers)


def protection_of(location: Location, objects: Iterable[ObjectInfo]) -> str | None:
    """Why the store keeps one of *objects*; None where it keeps none of them."""
    return next((reason for info in objects if (reason := location.protection(info.key)) is not None), None)


def may_lock(location: Location) -> bool:
    """Whether the store may keep objects; what cannot be known of the whole is asked of each."""
    state = location.lock_state()
    return state.enabled or bool(state.unknown)


def _locked(location: Location, copies: Sequence[SetCopy]) -> dict[SetId, str]:
    if not copies or not may_lock(location):
        return {}
    found = ((copy.id, protection_of(location, copy.objects.values())) for copy in copies)
    return {set_id: reason for set_id, reason in found if reason is not None}


def _decide(
    decision: Decision,
    plan: PrunePlan,
    goes: Mapping[str, Sequence[SetCopy]],
    locked: Mapping[str, Mapping[SetId, str]],
) -> Decision:
    """A set of which every copy that was to go is locked stays; of others the reason tells which copies do."""
    reasons = [f"{name}: {found[decision.id]}" for name, found in locked.items() if decision.id in found]
    if not reasons or decision.keep:
        return decision
    message = "; ".join(reasons)
    if any(copy.id == decision.id for copies in goes.values() for copy in copies):
        return replace(decision, reason=f"{decision.reason}; stays in {message}")
    return replace(decision, keep=True, rule="locked", reason=f"{message}, although {decision.reason}")
