"""What became of a set in each location, and how that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...backupset.naming import SetId, check_name
from ...catalogue.good_set import choose_id
from ...catalogue.selector import BackupSelector
from ...errors import BackupError
from ...locations.base import Location
from ...texts import page
from ..incomplete import refuse_incomplete

MISSING, UNFINISHED, FAILED = "missing", "unfinished", "failed"
_ABSENT = {
    MISSING: "does not have this set",
    UNFINISHED: "has only an unfinished set, without a manifest: left as it is",
}


@dataclass(frozen=True)
class Copy:
    """What became of the set in one location, or would in check mode.

    :param state: ``signed`` or ``rekeyed``, ``missing``, ``unfinished`` or ``failed``.
    :param before: how it stood, in words.
    :param after: how it stands.
    :param changed: whether anything was written.
    :param error: why it failed.
    """

    location: str
    state: str
    before: str = "not known"
    after: str = ""
    changed: bool = False
    error: BackupError | None = None


def which_set(params: Mapping[str, Any], locations: Sequence[Location]) -> SetId:
    """The id of the set that the module's parameters name.

    :raises BackupError: a name cannot be right, or there is no such set.
    """
    return choose_id(locations, check_name(params["label"], "label"), BackupSelector.parse(params["backup"]), {})


def absent(location: Location, directory: str) -> str:
    """What a location has that does not have the manifest: ``missing`` or ``unfinished``."""
    return MISSING if next(iter(location.list(directory)), None) is None else UNFINISHED


def report(
    step: str, set_id: SetId, copies: Sequence[Copy], head: str, details: Mapping[str, Any], check_mode: bool
) -> dict[str, Any]:
    """The module's result.

    :param head: the first line of the summary.
    :param details: what only this module returns.
    :raises LocationsFailed: a location failed.
    """
    result = {
        **details,
        "changed": any(copy.changed for copy in copies),
        "id": str(set_id),
        "copies": [
            {"location": copy.location, "state": copy.state, "error": None if copy.error is None else str(copy.error)}
            for copy in copies
        ],
        "summary": [head, *(f"{copy.location}: {_line(copy, check_mode)}" for copy in copies)],
        "diff": {
            "before": page(f"{copy.location}: {copy.before}" for copy in copies),
            "after": page(f"{copy.location}: {copy.after or copy.before}" for copy in copies),
        },
    }
    refuse_incomplete(step, set_id, [copy.error for copy in copies], result, check_mode=check_mode)
    return result


def _line(copy: Copy, check_mode: bool) -> str:
    if copy.error is not None:
        return f"failed: {copy.error}"
    if copy.state in _ABSENT:
        return _ABSENT[copy.state]
    if not copy.changed:
        return f"was {copy.before} already"
    return f"{'would be ' if check_mode else ''}{copy.after}"
