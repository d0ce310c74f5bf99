"""The operation behind ``backup_thaw``: a set that lies in an archive becomes readable for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from ..backupset.naming import SetId, check_name
from ..catalogue import LATEST
from ..catalogue.newest_good import newest_good
from ..catalogue.search import ask_all, set_exists
from ..errors import LocationError, ReportedError
from ..locations import enter_locations
from ..locations.base import Location, Thaw

STEP = "thaw the backup"
_STATES = ("archived", "thawing", "available")


class NotThawed(ReportedError):
    """Some location could not be asked."""


def run_backup_thaw(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Ask every location for readable copies of what it has archived of one set.

    :return: what the module returns.
    :raises BackupError: there is no such set, or a location could not be asked (:class:`NotThawed`).
    """
    label = check_name(params["label"], "label")
    with contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        set_id = _find(locations, label, params["backup"])
        directory = set_id.directory(label)
        after, failures = ask_all(locations, lambda location: location.cold_objects(directory))
        wanted = [location for location in locations if _has_archived(after.get(location.name, ()))]
        if wanted and not check_mode:
            asked, more = ask_all(wanted, lambda one: one.thaw(directory, params["days"], tier=params["tier"]))
            after |= asked
            failures |= more
    copies = [_describe(location.name, after[location.name]) for location in locations if location.name in after]
    report = {
        "changed": bool(wanted),
        "id": str(set_id),
        "copies": copies,
        "readable": any(copy["state"] == "available" for copy in copies),
        "summary": [_line(set_id, copy, asked=bool(wanted), check_mode=check_mode) for copy in copies],
    }
    if failures:
        hint = "the requests to other locations continue; run it again for the rest"
        raise NotThawed(STEP, "; ".join(map(str, failures.values())), report, hint=hint)
    return report


def _find(locations: Sequence[Location], label: str, backup: str) -> SetId:
    if backup == LATEST:
        return newest_good(locations, label, ()).id
    set_id = SetId.parse(backup)
    found, failures = ask_all(locations, lambda location: set_exists(location, label, set_id))
    if not any(found.values()):
        problems = "".join(f"; {error}" for error in failures.values())
        raise LocationError(locations[0].name, STEP, f"there is no backup {set_id} of '{label}'{problems}")
    return set_id


def _has_archived(thaws: Sequence[Thaw]) -> bool:
    return any(thaw.state == "archived" for thaw in thaws)


def _describe(name: str, thaws: Sequence[Thaw]) -> dict[str, Any]:
    states = {thaw.state for thaw in thaws}
    ends = [thaw.until for thaw in thaws if thaw.until is not None]
    return {
        "location": name,
        "state": next((state for state in _STATES if state in states), "available"),
        "archived_objects": len(thaws),
        "until": f"{min(ends):%Y-%m-%dT%H:%M:%SZ}" if ends else None,
    }


def _line(set_id: SetId, copy: Mapping[str, Any], *, asked: bool, check_mode: bool) -> str:
    state, end = copy["state"], f" until {copy['until']}" if copy["until"] else ""
    outcome = {
        "available": f"can be read{end}",
        "thawing": "is thawing: try again in some hours",
        "archived": "is archived, and would be asked for" if check_mode and asked else "is archived",
    }[state]
    return f"{copy['location']}: {set_id} {outcome}"
