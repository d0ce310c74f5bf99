"""The checklist of each procedure, in the order in which its steps are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .document import SKIPPED, Step

BEGUN, VERIFIED, REVERTED = "begun", "verified", "reverted"
RESTORED, FINALIZED, RESUMED = "restored", "finalized", "resumed"

ANNOUNCE, BACKUP, PROVE, DRILL, FIND, COMPARE, RELEASE = (
    *("announce", "backup", "prove", "drill"),
    *("find", "compare", "release"),
)
HOLD, FORENSIC_COPY = "hold", "forensic_copy"
MAINTENANCE_ON, SAFETY_BACKUP, RESTORE, MAINTENANCE_OFF = (
    "maintenance_on",
    "safety_backup",
    "restore",
    "maintenance_off",
)
RESTORE_POINT = "restore_point"
TELL, RECORD = "tell", "record"

_OPTIONAL = frozenset({RESTORE_POINT})
"""Where nobody asked for one of these, it is no step; where one fails, that is told, and stops nothing."""

_POINT = (RESTORE_POINT, "Make a restore point on the platform")

_PROVE = (PROVE, "Read every copy back and verify it")
_DRILL = (DRILL, "Restore it into a scratch database and compare")
_RESTORING = (
    (PROVE, "Verify the backup's integrity, and the target"),
    (MAINTENANCE_ON, "Put the application in maintenance mode"),
    (SAFETY_BACKUP, "Back up what is there, for safety"),
    (RESTORE, "Restore, and compare with the backup"),
    (MAINTENANCE_OFF, "Let everybody in again"),
)
_FINALIZING = (RESTORE, "Drop what was replaced")
_REVERTING = (RESTORE, "Bring back what was replaced")

Titles = tuple[tuple[str, str], ...]

_MIDDLES: Mapping[tuple[str, str | None], Titles] = {
    ("pre_deploy", None): (_POINT, (BACKUP, "Create the backup, or take one that is fresh"), _PROVE, _DRILL),
    ("pre_migration", BEGUN): (
        _POINT,
        (BACKUP, "Create the backup, kept until the migration is verified"),
        _PROVE,
        _DRILL,
    ),
    ("pre_migration", VERIFIED): (
        (FIND, "Find the backup that the migration began with"),
        (COMPARE, "Compare objects and row counts with before"),
        (RELEASE, "Let the backup go"),
    ),
    ("pre_migration", REVERTED): ((FIND, "Find the backup that the migration began with"), *_RESTORING),
    ("post_incident", None): (
        (BACKUP, "Back up the current state, with the incident's details in the set"),
        _PROVE,
        _DRILL,
        (FORENSIC_COPY, "Copy it to the forensic location"),
        (HOLD, "Keep it for the forensic analysis"),
    ),
    ("restore", RESTORED): _RESTORING,
    ("restore", FINALIZED): (_FINALIZING,),
    ("restore", REVERTED): (_REVERTING,),
    ("restore", RESUMED): ((RESTORE, "Start again what the restore has paused"),),
    ("restore_table", RESTORED): (
        (MAINTENANCE_ON, "Put the application in maintenance mode"),
        (SAFETY_BACKUP, "Back up what is there, for safety"),
        (RESTORE, "Restore the table, and compare with the backup"),
        (MAINTENANCE_OFF, "Let everybody in again"),
    ),
    ("restore_table", FINALIZED): (_FINALIZING,),
    ("restore_table", REVERTED): (_REVERTING,),
}


@dataclass(frozen=True)
class ChecklistOptions:
    """Who is notified by a procedure, and which optional steps it leaves out.

    :param told: whether there is anybody to tell.
    :param must_tell: whether there is no go without them knowing.
    :param left_out: steps that nobody asked for, and why they are left out.
    """

    told: bool = False
    must_tell: bool = False
    left_out: Mapping[str, str] | None = None


def checklist(procedure: str, state: str | None, options: ChecklistOptions) -> tuple[Step, ...]:
    """The steps of a procedure, all of them still to be done.

    :param state: which part of the procedure, where it has several.
    """
    return tuple(_steps(_MIDDLES[procedure, state], options))


def _steps(middle: Titles, options: ChecklistOptions) -> Iterator[Step]:
    left_out = options.left_out or {}
    # What it is about is known before anybody is told.
    found = tuple(one for one in middle if one[0] == FIND)
    for name, title in found:
        yield Step(name=name, title=title, required=True)
    yield _notification_step(ANNOUNCE, "Announce it to the team", options)
    for name, title in middle[len(found) :]:
        if name in left_out and name in _OPTIONAL:
            continue
        if name in left_out:
            yield Step(name=name, title=title, required=False, status=SKIPPED, evidence=(left_out[name],))
        else:
            yield Step(name=name, title=title, required=name not in _OPTIONAL)
    yield _notification_step(TELL, "Tell the team: go or no go", options)
    yield Step(name=RECORD, title="Document where the backup is, and when it was made", required=True)


def _notification_step(name: str, title: str, options: ChecklistOptions) -> Step:
    if options.told:
        return Step(name=name, title=title, required=options.must_tell)
    nobody = "backup_alerts is empty: there is nobody to notify"
    return Step(name=name, title=title, required=False, status=SKIPPED, evidence=(nobody,))


def states_of(procedure: str) -> tuple[str, ...]:
    """The parts of a procedure, the usual one first; none where it is one whole."""
    return tuple(state for name, state in _MIDDLES if name == procedure and state is not None)
