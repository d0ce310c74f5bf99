"""Which sets a location holds, found with few listings: from the newest year down to the newest set.

Only a directory with a manifest is a set. What does not belong is named and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ..backupset.manifest import Manifest, digest
from ..backupset.naming import MANIFEST, SetId, check_name, next_id
from ..documents.strict_json import MAX_BYTES
from ..errors import BackupError, ConfigError, CryptoError, FormatError
from ..locations.base import Location
from ..stream.pipeline import as_backup_error

Result = TypeVar("Result")

STEP = "read the catalogue"

_LEVELS = (
    ("a year", re.compile(r"[0-9]{4}")),
    ("a month", re.compile(r"0[1-9]|1[0-2]")),
    ("a day", re.compile(r"0[1-9]|[12][0-9]|3[01]")),
)


@dataclass(frozen=True)
class Problem:
    """Something in a location that is damaged or does not belong there.

    :param key: where it lies.
    :param message: what is wrong with it.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key!r} {self.message}"


@dataclass(frozen=True)
class FoundSet:
    """A set whose manifest can be read; its signature is not checked.

    :param data: ``manifest.json`` as it is stored.
    :param sha256: of *data*.
    """

    manifest: Manifest
    data: bytes
    sha256: str

    @property
    def id(self) -> SetId:
        """The set's."""
        return self.manifest.id


def set_ids(location: Location, label: str, problems: list[Problem]) -> Iterator[SetId]:
    """The ids of all set directories of *label*, newest first, whether or not they have a manifest.

    Lists no more than what is asked for: a listing for each year, month and day that the caller comes to.

    :param problems: what does not belong is added here.
    """
    for day in _days(location, check_name(label, "label"), 0, problems):
        found: list[SetId] = []
        for name in location.list_directories(day):
            set_id = parse_directory(f"{day}/{name}", label)
            if set_id is None:
                problems.append(Problem(f"{day}/{name}", "is not the directory of a set"))
            else:
                found.append(set_id)
        yield from sorted(found, reverse=True)


def _days(location: Location, directory: str, depth: int, problems: list[Problem]) -> Iterator[str]:
    if depth == len(_LEVELS):
        yield directory
        return
    what, pattern = _LEVELS[depth]
    names: list[str] = []
    for name in location.list_directories(directory):
        if pattern.fullmatch(name):
            names.append(name)
        else:
            problems.append(Problem(f"{directory}/{name}", f"stands where {what} should"))
    for name in sorted(names, reverse=True):
        yield from _days(location, f"{directory}/{name}", depth + 1, problems)


def parse_directory(directory: str, label: str) -> SetId | None:
    """The set whose directory this is; None if it is that of no set of *label*."""
    try:
        set_id = SetId.parse(directory.rpartition("/")[2])
    except ConfigError:
        return None
    return set_id if set_id.directory(label) == directory else None


def newest_set(location: Location, label: str, problems: list[Problem]) -> FoundSet | None:
    """The newest set of *label* whose manifest can be read and belongs where it lies.

    :param problems: what is passed by on the way to it is added here.
    """
    for set_id in set_ids(location, label, problems):
        try:
            data = read_manifest(location, label, set_id)
            if data is None:
                continue
            manifest = Manifest.parse(data)
            check_place(manifest, label, set_id)
        except (FormatError, CryptoError) as error:
            problems.append(Problem(f"{set_id.directory(label)}/{MANIFEST}", error.message))
            continue
        return FoundSet(manifest, data, digest(data))
    return None


def set_exists(location: Location, label: str, set_id: SetId) -> bool:
    """Whether the set is there as a whole: its manifest is."""
    return location.stat(f"{set_id.directory(check_name(label, 'label'))}/{MANIFEST}") is not None


def id_taken(location: Location, label: str, set_id: SetId) -> bool:
    """Whether anything is stored under the id, be it a set or what a killed run left of one."""
    return next(iter(location.list(set_id.directory(check_name(label, "label")))), None) is not None


def free_id(locations: Sequence[Location], label: str, kind: str, now: datetime) -> SetId:
    """An id for a set begun at *now* under which no location holds anything yet; see :func:`naming.next_id`.

    A location that fails is left out: it will be reported when it is written to, and it never replaces anything.
    """
    check_name(label, "label")
    days: dict[str, set[str]] = {}

    def taken(set_id: SetId) -> bool:
        day, _slash, name = set_id.directory(label).rpartition("/")
        if day not in days:
            answers, _silent = ask_all(locations, lambda location: list(location.list_directories(day)))
            days[day] = {name for names in answers.values() for name in names}
        return name in days[day]

    return next_id(kind, now, taken)


def read_manifest(location: Location, label: str, set_id: SetId) -> bytes | None:
    """``manifest.json`` as it is stored; None when there is none. Never reads more than a manifest may have."""
    key = f"{set_id.directory(label)}/{MANIFEST}"
    info = location.stat(key)
    if info is None:
        return None
    if info.size > MAX_BYTES:
        raise FormatError(STEP, f"{key!r} in location '{location.name}' is too large for a manifest: {info.size} bytes")
    return b"".join(location.read(key, length=MAX_BYTES + 1))


def check_place(manifest: Manifest, label: str, set_id: SetId) -> None:
    """A manifest belongs to one place only: moved or replayed elsewhere it is refused (:class:`CryptoError`)."""
    if (manifest.label, manifest.id) != (label, set_id):
        raise CryptoError(
            STEP,
            f"the manifest of {set_id} of '{label}' is that of {manifest.id} of '{manifest.label}'",
            hint="somebody moved or copied it: do not use this set",
        )


def ask_all(
    locations: Sequence[Location], ask: Callable[[Location], Result]
) -> tuple[dict[str, Result], dict[str, BackupError]]:
    """Ask all locations at the same time: the answers, and the failures of those that gave none, by name."""

    def guarded(location: Location) -> Result | BackupError:
        try:
            return ask(location)
        except Exception as error:
            return as_backup_error(error, STEP)

    with ThreadPoolExecutor(max_workers=max(1, len(locations))) as pool:
        answers = list(zip(locations, pool.map(guarded, locations), strict=True))
    good = {location.name: answer for location, answer in answers if not isinstance(answer, BackupError)}
    failures = {location.name: answer for location, answer in answers if isinstance(answer, BackupError)}
    return good, failures
