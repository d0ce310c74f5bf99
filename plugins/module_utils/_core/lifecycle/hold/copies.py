"""One copy of a set: how it stands, and carrying out what was planned for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from ...backupset.naming import HOLD, HOLDS, MANIFEST, MARK, RELEASE
from ...backupset.set_records import Hold, Release
from ...catalogue.index import SetCopy
from ...errors import BackupError, LocationError
from ...locations.base import LegalHoldDenied, Location
from .planning import Standing, Step

Kind = TypeVar("Kind")

_MARK_AGE = timedelta(hours=1)
"""A deletion takes two requests from its mark on; one that has not ended after so long was killed."""


@dataclass(frozen=True)
class CopyState:
    """The state of the set's copy in one location.

    :param problems: what is wrong with the copy, a line each.
    :param warnings: what is not wrong with the copy but should be known.
    """

    standing: Standing
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a plan.

    :param denied: why no legal hold could be set.
    :param error: what ended it early.
    """

    done: tuple[Step, ...]
    denied: LegalHoldDenied | None = None
    error: BackupError | None = None


def read_copy_state(location: Location, directory: str, copy: SetCopy | None) -> CopyState:
    """Read the state of the set's copy in one location; nothing is changed.

    :param directory: of the set.
    :param copy: what was read of it just now; None where there is none.
    :raises BackupError: the location fails.
    """
    if copy is None:
        return CopyState(Standing(frozenset()))
    records = {claim.name: claim.record for claim in copy.claims}
    holds = {name: _if(Hold, records.get(name)) for name in HOLDS if name in copy.objects}
    warnings: list[str] = []
    legal = _legal_holds(location, directory, sorted(copy.objects), warnings)
    vouched = frozenset(claim.name for claim in copy.claims if claim.signed)
    standing = Standing(frozenset(copy.objects), holds, _if(Release, records.get(RELEASE)), legal, vouched)
    return CopyState(standing, copy.problems, tuple(warnings))


def _if(kind: type[Kind], record: object) -> Kind | None:
    return record if isinstance(record, kind) else None


def _legal_holds(
    location: Location, directory: str, names: Sequence[str], warnings: list[str]
) -> frozenset[str] | None:
    state = location.lock_state()
    if state.unknown:
        warnings.append(f"location '{location.name}': no legal hold is set or ended: {state.unknown}")
    if not state.enabled:
        return None
    try:
        return frozenset(name for name in names if location.legal_hold(f"{directory}/{name}"))
    except LegalHoldDenied as error:
        warnings.append(f"no legal hold is set or ended: {error}")
        return None


def apply(location: Location, directory: str, steps: Sequence[Step]) -> Outcome:
    """Do what was planned, in order, up to the first step that fails; running it all again finishes."""
    done: list[Step] = []
    denied: LegalHoldDenied | None = None
    try:
        for step in steps:
            if step.action == "legal_on" and denied is not None:
                continue
            try:
                _do(location, f"{directory}/{step.name}", step)
            except LegalHoldDenied as error:
                # The hold itself is there, and that is what this software goes by. Nothing is let go without the right.
                if step.action != "legal_on":
                    raise
                denied = error
            else:
                done.append(step)
    except BackupError as error:
        return Outcome(tuple(done), denied, error)
    return Outcome(tuple(done), denied)


def _do(location: Location, key: str, step: Step) -> None:
    if step.action == "put":
        location.put(key, step.data)
    elif step.action == "delete":
        location.delete(key)
    else:
        location.set_legal_hold(key, step.action == "legal_on")


def confirm(location: Location, directory: str, hold: bytes | None) -> None:
    """See that the set is there, and held, and that no deletion is under way that may not have seen the hold.

    A deletion leaves its mark before it looks for a hold; so of a hold and a deletion that meet, one sees the other.

    :param hold: the one that was written; None where it was there before.
    :raises LocationError: the set is gone, or may be in a moment.
    """
    there = {info.key.rpartition("/")[2]: info for info in location.list(directory)}
    if MANIFEST not in there:
        raise _too_late(
            location,
            f"{directory} was deleted while it was being held: the hold came too late",
            "hold a copy in another location; what is left here is no backup any more",
        )
    if HOLD not in there or (hold is not None and location.get(f"{directory}/{HOLD}") != hold):
        raise _too_late(location, f"another run took the hold of {directory} away", "run it again")
    now = datetime.now(timezone.utc)
    for name, info in there.items():
        if not name.startswith(MARK):
            continue
        if now - info.modified <= _MARK_AGE:
            raise _too_late(
                location,
                f"a clean-up is deleting {directory}, and the hold may have come too late",
                "run it again in a minute; if the clean-up was killed, in an hour: only then is the outcome known",
            )
        location.delete(info.key)


def _too_late(location: Location, message: str, hint: str) -> LocationError:
    return LocationError(location.name, "hold the set", message, hint=hint)
