"""What holding and releasing tells its caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...backupset.naming import SetId
from ...backupset.set_records import Hold, Release
from ...errors import BackupError
from ...texts import page
from .planning import Standing, Step
from .request import HoldRequest

_LEGAL = {"legal_on": "put under a legal hold", "legal_off": "freed of a legal hold"}


@dataclass(frozen=True)
class Copy:
    """What became of the set in one location, or would in check mode.

    :param state: ``held``, ``released``, ``missing``, ``unfinished`` or ``failed``.
    :param before: how it stood; None where that is not known.
    :param hold: the one that is there now.
    :param release: the one that is there now.
    :param legal: whether its objects are under a legal hold; None where the store has none.
    :param steps: what was done, or would be.
    :param problems: what is wrong with the copy.
    :param error: why it failed.
    """

    location: str
    state: str
    before: Standing | None = None
    hold: Hold | None = None
    release: Release | None = None
    legal: bool | None = None
    steps: Sequence[Step] = ()
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()
    error: BackupError | None = None


def report(request: HoldRequest, set_id: SetId, copies: Sequence[Copy], check_mode: bool) -> dict[str, Any]:
    """The result of ``backup_hold``."""
    would = "would be" if check_mode else "is"
    goal = f"held: {request.hold_of(set_id)}" if request.held else f"released: {request.reason}"
    return {
        "changed": any(copy.steps for copy in copies),
        "id": str(set_id),
        "copies": [_copy_result(copy) for copy in copies],
        "summary": [
            f"{request.label}: {set_id} {would} {goal}",
            *(_line(copy, request, check_mode) for copy in copies),
        ],
        "warnings": [text for copy in copies for text in _warnings(copy)],
        "diff": {
            "before": page(f"{copy.location}: {_stands(copy.before)}" for copy in copies),
            "after": page(f"{copy.location}: {_stands_after(copy)}" for copy in copies),
        },
    }


def _copy_result(copy: Copy) -> dict[str, Any]:
    hold = None
    if copy.hold is not None:
        hold = {
            "reason": copy.hold.reason,
            "until": None if copy.hold.until is None else _iso(copy.hold.until),
            "held_at": _iso(copy.hold.held_at),
        }
    return {
        "location": copy.location,
        "state": copy.state,
        "hold": hold,
        "legal_hold": copy.legal,
        "error": None if copy.error is None else str(copy.error),
    }


def _iso(time: Any) -> str:
    return f"{time.replace(tzinfo=None).isoformat()}Z"


def _line(copy: Copy, request: HoldRequest, check_mode: bool) -> str:
    if copy.state == "missing":
        return f"{copy.location}: does not have this set"
    if copy.state == "unfinished":
        return f"{copy.location}: has only an unfinished set, without a manifest: not held"
    if copy.error is not None:
        return f"{copy.location}: failed: {copy.error}"
    damage = f" (this copy is damaged: {copy.problems[0]})" if copy.problems else ""
    if not copy.steps:
        return f"{copy.location}: was {copy.state} already{damage}"
    legal = [
        f"{count} object{'s' if count > 1 else ''} {words}"
        for action, words in _LEGAL.items()
        if (count := sum(step.action == action for step in copy.steps))
    ]
    return f"{copy.location}: {'would be ' if check_mode else ''}{', '.join([copy.state, *legal])}{damage}"


def _warnings(copy: Copy) -> list[str]:
    unreadable = [name for name, hold in (copy.before.holds if copy.before else {}).items() if hold is None]
    warnings = [f"location '{copy.location}': {name} could not be read and is replaced" for name in unreadable]
    return [*copy.warnings, *warnings]


def _stands(standing: Standing | None) -> str:
    if standing is None:
        return "not known"
    if not standing.names:
        return "no such set"
    if standing.hold is not None:
        return f"held: {standing.hold}"
    return f"released: {standing.release.reason}" if standing.release else "not held"


def _stands_after(copy: Copy) -> str:
    if copy.error is not None or not copy.steps:
        return _stands(copy.before)
    if copy.hold is not None:
        return f"held: {copy.hold}"
    return f"released: {copy.release.reason}" if copy.release else "not held"
