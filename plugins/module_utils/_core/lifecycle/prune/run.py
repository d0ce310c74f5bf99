"""The operation behind ``backup_prune``: parameters in, a report out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

from ...backupset.record_keys import record_verify_keys
from ...backupset.signing import load_verify_keys
from ...catalogue.all_locations import read_catalogue
from ...catalogue.cache import default_directory
from ...catalogue.index import objects_stay
from ...errors import ConfigError, ReportedError
from ...locations import enter_locations
from ...locations.base import Location
from ...progress import stage
from ..retention import Policy
from .applying import Cleaned, clean
from .locked import keep_locked
from .planning import PrunePlan, PruneRefused, plan_prune, refuse_locked
from .reporting import report_cleaned, report_planned


class NotCleaned(ReportedError):
    """Some of what was to go is still there."""


def run_backup_prune(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Carry out the retention of one label as the parameters of ``backup_prune`` say.

    :return: what the module returns.
    :raises PruneRefused: before anything was deleted.
    :raises NotCleaned: something could not be deleted.
    """
    policy = Policy.parse(params["policy"])
    if params["unfinished_after"] < 1:
        raise ConfigError(
            "check the options", f"unfinished_after is {params['unfinished_after']}", hint="give hours, for example 24"
        )
    keys, record_keys = load_verify_keys(params["verify_key"]), record_verify_keys(params)
    with objects_stay(), contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        now = datetime.now(timezone.utc)
        catalogue = read_catalogue(
            locations,
            params["label"],
            cache_dir=params["cache_dir"] or default_directory(),
            verify_keys=keys,
            record_keys=record_keys,
            leftovers=True,
        )
        older_than = timedelta(hours=params["unfinished_after"])
        plan = plan_prune(catalogue, policy, now, older_than, adopt=params.get("adopt"))
        if not catalogue.failures:
            refuse_locked(locations, policy)
        plan = keep_locked(plan, locations)
        if check_mode:
            return report_planned(plan)
        cleaned = _clean_all(locations, plan)
    report = report_cleaned(plan, cleaned)
    if failures := [one.failure for one in cleaned if one.failure is not None]:
        hint = "nothing that stays was touched; the next run goes on"
        raise NotCleaned("clean up", "; ".join(map(str, failures)), report, hint=hint)
    return report


def _clean_all(locations: Sequence[Location], plan: PrunePlan) -> list[Cleaned]:
    def clean_one(location: Location) -> Cleaned:
        return clean(location, plan.label, plan.goes[location.name], plan.unfinished[location.name])

    with stage("delete"), ThreadPoolExecutor(max_workers=len(locations), thread_name_prefix="clean") as pool:
        return list(pool.map(clean_one, locations))


__all__ = ["NotCleaned", "PruneRefused", "run_backup_prune"]
