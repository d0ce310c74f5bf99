"""One copy of a set: how it stands, and carrying out what was planned for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...backupset.naming import HOLDS, MANIFEST, SetId
from ...backupset.set_records import Hold
from ...backupset.signing import VerifyKey
from ...catalogue.index import read_copy
from ...errors import BackupError, FormatError, LocationError
from ...locations.base import LegalHoldDenied, Location
from .planning import Standing, Step


@dataclass(frozen=True)
class Looked:
    """What was found in one location.

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


def look(location: Location, label: str, set_id: SetId, verify_keys: Sequence[VerifyKey] = ()) -> Looked:
    """Find out how the set stands in *location*; nothing is changed.

    :raises BackupError: the location fails.
    """
    copy = read_copy(location, label, set_id, verify_keys=verify_keys)
    if copy is None:
        return Looked(Standing(frozenset()))
    directory = set_id.directory(label)
    holds = {name: _read_hold(location, label, set_id, name) for name in HOLDS if name in copy.objects}
    warnings: list[str] = []
    legal = _legal_holds(location, directory, sorted(copy.objects), warnings)
    standing = Standing(frozenset(copy.objects), holds, copy.release, legal)
    return Looked(standing, copy.problems, tuple(warnings))


def _read_hold(location: Location, label: str, set_id: SetId, name: str) -> Hold | None:
    try:
        hold = Hold.parse(location.get(f"{set_id.directory(label)}/{name}"))
    except FormatError:
        return None
    return hold if (hold.label, hold.id) == (label, set_id) else None


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


def carry_out(location: Location, directory: str, steps: Sequence[Step]) -> Outcome:
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


def require_manifest(location: Location, directory: str) -> None:
    """Raise if the set went while it was being held: a deletion that had begun begins with the manifest."""
    if location.stat(f"{directory}/{MANIFEST}") is None:
        raise LocationError(
            location.name,
            "hold the set",
            f"{directory} was deleted while it was being held",
            hint="hold a copy in another location; what is left here is no backup any more",
        )
