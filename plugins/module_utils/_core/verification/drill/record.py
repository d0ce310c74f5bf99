"""A drill's outcome beside the set that it is about."""

from __future__ import annotations

from ...backupset.naming import signature_of
from ...backupset.set_records import Drill
from ...backupset.signing import SigningKey
from ...errors import BackupError
from ...locations.base import Location
from .rehearsal import Rehearsal

_TRIES = 100


def record_of(rehearsal: Rehearsal, label: str) -> Drill | None:
    """What is written; None where no manifest was proven, so that there is nothing that it could be about."""
    if rehearsal.manifest_sha256 is None:
        return None
    return Drill(
        id=rehearsal.set_id,
        label=label,
        manifest=rehearsal.manifest_sha256,
        started=rehearsal.started,
        finished=rehearsal.finished,
        verdict=rehearsal.verdict,
        location=rehearsal.location,
        server_version=rehearsal.server_version or "none",
        restore_seconds=round(rehearsal.restore_seconds or 0),
        findings=tuple(rehearsal.findings),
    )


def write_record(location: Location, record: Drill, key: SigningKey | None = None) -> str:
    """Write the record beside the set; return its object's name.

    The signature comes first, so that nobody ever sees the record without it.

    :param key: that signs it; None writes it unsigned.
    :raises BackupError: the location does not take it.
    """
    directory = record.id.directory(record.label)
    stem = f"verified_{record.finished:%Y%m%d_%H%M%S}"
    for number in range(1, _TRIES):
        name = f"{stem}.json" if number == 1 else f"{stem}_{number}.json"
        place = f"{directory}/{name}"
        if location.stat(place) is None and location.stat(signature_of(place)) is None:
            data = record.to_bytes()
            if key is not None:
                location.put(signature_of(place), key.sign(data))
            location.put(place, data)
            return name
    raise BackupError("write the drill's record", f"location '{location.name}' has {_TRIES} records of this second")
