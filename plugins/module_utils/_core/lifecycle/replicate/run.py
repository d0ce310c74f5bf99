"""The operation behind ``backup_replicate``: parameters in, a report out."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ...backupset.naming import SetId, check_name
from ...backupset.record_keys import record_verify_keys
from ...backupset.signing import load_verify_keys
from ...catalogue.all_locations import Catalogue
from ...catalogue.cache import default_directory
from ...catalogue.selector import LATEST
from ...durations import parse_time
from ...errors import BackupError, ConfigError, LocationError
from ...locations import enter_locations
from ...locations.base import Location
from ...progress import stage
from ...texts import first_lines
from ..retention import Policy
from .copying import Outcome, copy_set
from .planning import ALL, STEP, ReplicationRequest, SetPlan, Target, plan_replication
from .reporting import StillMissing, missing_line, report_run
from .surveying import survey
from .verifying import verify_copies

_OPTIONS = "check the options"
_FAILURES_AT_MOST = 3
"""After how many sets in a row a location that fails is given up: each of them waits for it."""


def run_backup_replicate(params: Mapping[str, Any], check_mode: bool, *, now: datetime | None = None) -> dict[str, Any]:
    """Bring the sets of a label to the locations that lack them, as the parameters of ``backup_replicate`` say.

    :return: what the module returns.
    :raises StillMissing: not all could be made up for; what could was.
    :raises BackupError: nothing was done.
    """
    request = parse_request(params)
    with contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        cache_dir = params["cache_dir"] or default_directory()
        catalogue = survey(locations, request, cache_dir=cache_dir, trial=check_mode)
        if not catalogue.indexes:
            message = "; ".join(str(error) for error in catalogue.failures.values())
            raise BackupError(STEP, f"no location can be read: {message}")
        plans = _plan(locations, catalogue, request, now or datetime.now(timezone.utc))
        if request.repair and request.backup != ALL:
            plans = tuple(verify_copies(plan, request) for plan in plans)
        outcomes = None if check_mode else apply(plans, request)
    report = report_run(request, catalogue.failures, plans, outcomes)
    if report["missing"]:
        message = "; ".join(first_lines([missing_line(one) for one in report["missing"]], report["missing_count"]))
        hint = "the copies that were made are kept; running it again finishes what is left"
        raise StillMissing("replicate the backups", message, report, hint=hint)
    return report


def parse_request(params: Mapping[str, Any]) -> ReplicationRequest:
    """What the parameters ask for, checked as far as that goes without touching the world."""
    backup = params["backup"]
    if backup not in (ALL, LATEST):
        SetId.parse(backup)
    since = parse_time(params["since"], "since") if params["since"] else None
    if since is not None and backup != ALL:
        raise ConfigError(_OPTIONS, "since goes with backup: all only", hint="leave one of them out")
    return ReplicationRequest(
        label=check_name(params["label"], "label"),
        backup=backup,
        since=since,
        policy=Policy.parse(params["policy"]),
        repair=params["repair"],
        verify_keys=load_verify_keys(params["verify_key"]),
        record_keys=record_verify_keys(params),
    )


def apply(plans: Sequence[SetPlan], request: ReplicationRequest) -> list[Outcome]:
    """Copy one set after the other; whatever fails, the next one is tried.

    A source that has failed is asked last from then on, and a target that fails again and again no more.
    """
    bad_sources: Counter[str] = Counter()
    bad_targets: Counter[str] = Counter()
    outcomes: list[Outcome] = []
    for plan in plans:
        given_up = [one for one in plan.targets if bad_targets[one.location.name] >= _FAILURES_AT_MOST]
        with stage(f"copy {plan.id}"):
            outcome = _copy(plan, given_up, bad_sources, request)
        outcomes.append(outcome)
        bad_sources.update(outcome.failures)
        for target in plan.targets:
            if target not in given_up:
                name = target.location.name
                bad_targets[name] = bad_targets[name] + 1 if _at_fault(name, outcome) else 0
    return outcomes


def _copy(plan: SetPlan, given_up: Sequence[Target], bad_sources: Counter[str], request: ReplicationRequest) -> Outcome:
    targets = tuple(target for target in plan.targets if target not in given_up)
    sources = tuple(sorted(plan.sources, key=lambda one: bad_sources[one.name]))
    outcome = copy_set(replace(plan, sources=sources, targets=targets), request) if targets else Outcome()
    for target in given_up:
        message = (
            f"location '{target.location.name}': not tried, as {_FAILURES_AT_MOST} sets in a row have failed there"
        )
        outcome.missing[target.location.name] = BackupError(f"copy {plan.id}", message)
    return outcome


def _at_fault(name: str, outcome: Outcome) -> bool:
    """Whether it was the location itself that failed, and no source."""
    error = outcome.missing.get(name)
    return isinstance(error, LocationError) and error.location == name


def _plan(
    locations: Sequence[Location], catalogue: Catalogue, request: ReplicationRequest, now: datetime
) -> tuple[SetPlan, ...]:
    try:
        return plan_replication(locations, catalogue, request, now)
    except ConfigError as error:
        for failure in catalogue.failures.values():
            error.add(str(failure))
        raise
