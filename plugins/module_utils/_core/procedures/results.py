"""What a task of the procedure returned, as a step's status and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..backupset.naming import SetId
from ..findings import ended_badly
from ..texts import first_lines, visible
from .document import DONE, FAILED, PENDING, SKIPPED, Backup, Copy, File

_LINES = 20
_UNKNOWN = "ended without a message (see the output of the run)"


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    :param backup: the set that it made, found or proved.
    :param differences: what it found to be otherwise than before.
    :param needed: False where the step turned out to be about nothing, so that there is a go without it.
    """

    status: str
    evidence: tuple[str, ...] = ()
    backup: Backup | None = None
    differences: tuple[str, ...] = ()
    needed: bool = True


def outcome_of(result: Mapping[str, Any], *, check_mode: bool, reused: bool = False) -> Outcome:
    """Read a result as Ansible registers it; one that is empty is of a task that never ended.

    :param check_mode: what went well then was planned, and not done.
    :param reused: whether the set that it tells of was there before.
    """
    backup = backup_of(result, reused=reused)
    differences = _lines(result.get("differences"))
    if reason := result.get("not_needed"):
        return Outcome(SKIPPED, (visible(str(reason)),), needed=False)
    if result.get("skipped") and check_mode:
        return Outcome(PENDING, ("it is done only when the procedure is carried out",))
    if result.get("skipped"):
        return Outcome(SKIPPED, ("it was not done",))
    if ended_badly(result):
        return Outcome(FAILED, (_reason(result),), backup, differences)
    if because := result.get("skipped_because"):
        return Outcome(FAILED, (visible(f"there is no new backup: {because}"),))
    return Outcome(PENDING if check_mode else DONE, evidence_of(result), backup, differences)


def evidence_of(result: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines that a module told, and what one should know of it."""
    lines = _lines(result.get("summary")) or _lines(result.get("msg"))
    return tuple(first_lines([*lines, *_lines(result.get("warnings"))], limit=_LINES))


def backup_of(result: Mapping[str, Any], *, reused: bool) -> Backup | None:
    """The set that a result tells of, as a backup or a restore does; None where it tells of none."""
    copies = result.get("locations")
    if result.get("state") == "restored" and result.get("label") and result.get("location"):
        return _restored(str(result["id"]), str(result["label"]), str(result["location"]), result.get("signature"))
    if not result.get("directory") or not isinstance(copies, list):
        return None
    signed = result.get("signed")
    return Backup(
        id=str(result["id"]),
        label=str(result["label"]),
        directory=str(result["directory"]),
        manifest_sha256=result.get("manifest_sha256"),
        signed=signed if isinstance(signed, bool) else None,
        reused=reused,
        copies=tuple(
            Copy(
                location=str(one.get("name")),
                type=str(one.get("type")),
                status=str(one.get("status")),
                proof=one.get("proof"),
                error=None if one.get("error") is None else visible(str(one["error"])),
            )
            for one in copies
        ),
        files=tuple(_files(result)),
    )


def _restored(name: str, label: str, location: str, signature: object) -> Backup:
    """The set that is restored; nothing is known of other copies than the one that is read."""
    return Backup(
        id=name,
        label=label,
        directory=SetId.parse(name).directory(label),
        manifest_sha256=None,
        signed=signature in ("good", "unverified"),
        reused=True,
        copies=(Copy(location=location, type="", status="good", proof="read_back", error=None),),
        files=(),
    )


def _files(result: Mapping[str, Any]) -> list[File]:
    found = result.get("artifacts")
    if not isinstance(found, list):
        return []
    return [
        File(name=str(one["name"]), role=str(one["role"]), size=int(one["size"]), sha256=str(one["sha256"]))
        for one in found
    ]


def _reason(result: Mapping[str, Any]) -> str:
    message = str(result.get("msg") or result.get("censored") or "").strip() or _UNKNOWN
    return visible(f"the host cannot be reached: {message}" if result.get("unreachable") else message)


def _lines(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence):
        return ()
    return tuple(visible(str(line)) for line in value if str(line).strip())
