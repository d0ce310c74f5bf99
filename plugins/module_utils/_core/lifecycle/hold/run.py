"""What the module ``backup_hold`` does: the set is looked at everywhere, a plan is made, and carried out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ...backupset.naming import HOLD, RELEASE, SetId
from ...backupset.record_keys import RecordKeys
from ...backupset.signing import VerifyKey, load_verify_keys
from ...catalogue.index import read_copy
from ...catalogue.newest_good import FoundSet, newest_good, no_such_set
from ...catalogue.search import ask_all
from ...errors import BackupError
from ...locations import enter_locations
from ...locations.base import Location
from ..incomplete import refuse_incomplete
from .copies import CopyState, Outcome, apply, confirm, read_copy_state
from .planning import Standing, plan_hold, plan_release
from .reporting import Copy, report
from .request import HoldRequest

_NO_KEYS = RecordKeys()


def run_backup_hold(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Hold or release a set; parameters and result as the module's documentation names them.

    :raises ConfigError: something that was asked for cannot be right, or there is no such set; nothing was changed.
    :raises LocationsFailed: a location failed; a set that was held is held still.
    """
    request = HoldRequest.parse(params, datetime.now(timezone.utc).replace(microsecond=0))
    verify_keys = load_verify_keys(params["verify_key"] or ())
    keys = RecordKeys.parse(params)
    with contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        return hold_in(locations, request, verify_keys, check_mode, keys)


def hold_in(
    locations: Sequence[Location],
    request: HoldRequest,
    verify_keys: Sequence[VerifyKey],
    check_mode: bool,
    keys: RecordKeys = _NO_KEYS,
) -> dict[str, Any]:
    """Hold or release the set in locations that are open already; return the result."""
    named = request.backup and FoundSet(request.backup)
    found = named or newest_good(locations, request.label, verify_keys)
    set_id = found.id
    looks, more = _look_all(locations, request, set_id, verify_keys, keys)
    failures = {**more, **found.failures}
    copies = {name: _planned(request, set_id, name, looked, keys) for name, looked in looks.items()}
    if not any(copy.state in ("held", "released") for copy in copies.values()):
        unfinished = [copy.location for copy in copies.values() if copy.state == "unfinished"]
        raise no_such_set(locations, request.label, set_id, unfinished, more)
    for name, error in failures.items():
        copies[name] = Copy(name, "failed", error=error)
    if not check_mode:
        wanted = [(one, copies[one.name]) for one in locations]
        copies |= _apply_plans(
            request, set_id, [(one, copy) for one, copy in wanted if copy.steps or copy.state == "held"]
        )
    result = report(request, set_id, [copies[location.name] for location in locations], check_mode)
    result["warnings"] += [f"{one} is newer than {set_id}, and no good copy of it is known" for one in found.passed_by]
    result["warnings"] += keys.warnings()
    step = f"{'hold' if request.held else 'release'} the set"
    refuse_incomplete(step, set_id, [copies[one.name].error for one in locations], result, check_mode=check_mode)
    return result


def _look_all(
    locations: Sequence[Location],
    request: HoldRequest,
    set_id: SetId,
    verify_keys: Sequence[VerifyKey],
    keys: RecordKeys,
) -> tuple[dict[str, CopyState], dict[str, BackupError]]:
    def look_at(location: Location) -> CopyState:
        copy = read_copy(location, request.label, set_id, verify_keys=verify_keys, record_keys=keys.verify)
        return read_copy_state(location, set_id.directory(request.label), copy)

    return ask_all(locations, look_at)


def _planned(request: HoldRequest, set_id: SetId, name: str, looked: CopyState, keys: RecordKeys) -> Copy:
    """The planned outcome for one location, as check mode reports it."""
    standing = looked.standing
    found = Copy(
        name,
        "unfinished" if standing.names else "missing",
        standing,
        standing.hold,
        standing.release,
        problems=looked.problems,
        warnings=looked.warnings,
    )
    if request.held and standing.is_set:
        hold = request.hold_of(set_id)
        steps = plan_hold(standing, hold, keys.signing)
        placed = any(step.action == "put" for step in steps)
        legal = None if standing.legal is None else True
        kept = hold if placed else standing.holds.get(HOLD)
        return replace(found, state="held", hold=kept, release=None, legal=legal, steps=steps)
    # What is no set any more may be held still, which keeps others from clearing it away.
    if not request.held and (standing.is_set or standing.holds):
        release = request.release_of(set_id)
        legal = None if standing.legal is None else False
        steps = plan_release(standing, release, keys.signing)
        written = any((step.action, step.name) == ("put", RELEASE) for step in steps)
        kept_release = release if written else standing.release
        return replace(found, state="released", hold=None, release=kept_release, legal=legal, steps=steps)
    return found


def _apply_plans(request: HoldRequest, set_id: SetId, planned: Sequence[tuple[Location, Copy]]) -> dict[str, Copy]:
    """What became of the plans of some locations, by name."""
    directory = set_id.directory(request.label)
    steps = {location.name: copy.steps for location, copy in planned}

    def work(location: Location) -> Outcome:
        outcome = apply(location, directory, steps[location.name])
        if request.held and outcome.error is None:
            puts = [step.data for step in outcome.done if (step.action, step.name) == ("put", HOLD)]
            confirm(location, directory, puts[-1] if puts else None)
        return outcome

    outcomes, failures = ask_all([location for location, _copy in planned], work)
    found: dict[str, Copy] = {}
    for location, copy in planned:
        outcome = outcomes.get(location.name) or Outcome(tuple(copy.steps), error=failures[location.name])
        found[location.name] = _finished(copy, outcome)
    return found


def _finished(copy: Copy, outcome: Outcome) -> Copy:
    if outcome.error is not None:
        before = copy.before or Standing(frozenset())
        return replace(
            copy,
            state="failed",
            hold=before.hold,
            release=before.release,
            legal=None,
            steps=outcome.done,
            error=outcome.error,
        )
    if outcome.denied is not None:
        message = f"there is no legal hold beside the hold: {outcome.denied}"
        return replace(copy, legal=False, steps=outcome.done, warnings=(*copy.warnings, message))
    return replace(copy, steps=outcome.done)
