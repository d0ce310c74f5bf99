"""A backup that was not made because another one was running: told, and noted for the daily check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..backupset.naming import SKIPPED
from ..backupset.set_records import Skip
from ..catalogue import free_id
from ..catalogue.search import ask_all
from ..errors import BackupError
from ..locations.base import Location
from .request import BackupRequest


def report_skipped(request: BackupRequest, reason: BackupError, notes: Sequence[str] = ()) -> dict[str, Any]:
    """What the module returns.

    :param notes: warnings about locations in which it could not be noted.
    """
    message = f"{request.label}: no backup was made: {reason.message}"
    return {
        "changed": False,
        "label": request.label,
        "skipped_because": reason.message,
        "summary": [message],
        "warnings": [f"{message} ({reason.hint})", *notes],
    }


def note_skip(request: BackupRequest, locations: Sequence[Location], reason: BackupError, now: datetime) -> list[str]:
    """Leave a record where the set would have been, so that a second skip in a row is noticed, from whichever host.

    :return: warnings about locations that did not take it.
    """
    set_id = free_id(locations, request.label, request.kind, now)
    record = Skip(id=set_id, label=request.label, reason=str(reason)).to_bytes()
    key = f"{set_id.directory(request.label)}/{SKIPPED}"

    def note(location: Location) -> None:
        # A root that is missing is made.
        location.check()
        location.put(key, record)

    _done, failures = ask_all(locations, note)
    return [f"that the backup was skipped could not be noted: {error}" for error in failures.values()]
