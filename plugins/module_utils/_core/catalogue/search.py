"""Which sets a location holds, found with few listings: from the newest year down to the newest set.

Only a directory with a manifest is a set. What does not belong is named and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ..backupset.manifest import Manifest
from ..backupset.naming import MANIFEST, SetId, check_name, next_id
from ..errors import BackupError, ConfigError, CryptoError, LocationError
from ..locations.base import Location
from ..stream.pipeline import as_backup_error
from ..texts import first_lines

Result = TypeVar("Result")

KEPT_PROBLEMS = 1000
MAX_DIRECTORIES = 2000
"""How many are looked through for a set, those of days and of sets."""

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


class Problems(list[Problem]):
    """Problems, of which only the first :data:`KEPT_PROBLEMS` are kept: who can write there can make any number.

    :ivar more: how many others there are.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        super().__init__()
        self.more = 0
        if problems:
            self.extend(problems)

    def append(self, problem: Problem) -> None:
        """Add *problem*; above the limit only its number is kept."""
        if len(self) < KEPT_PROBLEMS:
            super().append(problem)
        else:
            self.more += 1

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add all problems of another collection, with the number of those that it did not keep."""
        for problem in problems:
            self.append(problem)
        self.more += problems.more if isinstance(problems, Problems) else 0

    @property
    def total(self) -> int:
        """The number of problems, those that were not kept included."""
        return len(self) + self.more

    def once(self) -> Problems:
        """A copy of the collection without duplicates."""
        found = Problems(dict.fromkeys(self))
        found.more = self.more
        return found

    def messages(self) -> list[str]:
        """A line each for the first of them, and one that counts the rest."""
        return first_lines([str(problem) for problem in self], self.total)


def set_ids(location: Location, label: str, problems: list[Problem]) -> Iterator[SetId]:
    """The ids of all set directories of *label*, newest first, whether or not they have a manifest.

    Lists no more than what is asked for: a listing for each year, month and day that the caller comes to.

    :param problems: what does not belong is added here.
    :raises Endless: there is no end of them.
    """
    listings = _Listings(location)
    for day in _days(listings, check_name(label, "label"), 0, problems):
        found: list[SetId] = []
        for name in listings.names(day):
            set_id = parse_directory(f"{day}/{name}", label)
            if set_id is None:
                problems.append(Problem(f"{day}/{name}", "is not the directory of a set"))
            else:
                found.append(set_id)
        for set_id in sorted(found, reverse=True):
            listings.count(set_id.directory(label))
            yield set_id


class Endless(LocationError):
    """The error for a location with more directories than are read."""


class _Listings:
    """Looks through so many directories and no more: who can write there can make any number."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._left = MAX_DIRECTORIES

    def names(self, directory: str) -> Iterator[str]:
        """The names of the directories in *directory*."""
        self.count(directory)
        return self._location.list_directories(directory)

    def count(self, directory: str) -> None:
        """Count one more directory; raise :class:`Endless` above the limit."""
        if not self._left:
            raise Endless(
                self._location.name,
                STEP,
                f"{MAX_DIRECTORIES} directories were looked through up to {directory!r}, and no backup was found",
                hint="name the backup, and remove from the location what does not belong there",
            )
        self._left -= 1


def _days(listings: _Listings, directory: str, depth: int, problems: list[Problem]) -> Iterator[str]:
    if depth == len(_LEVELS):
        yield directory
        return
    what, pattern = _LEVELS[depth]
    names: list[str] = []
    for name in listings.names(directory):
        if pattern.fullmatch(name):
            names.append(name)
        else:
            problems.append(Problem(f"{directory}/{name}", f"stands where {what} should"))
    for name in sorted(names, reverse=True):
        yield from _days(listings, f"{directory}/{name}", depth + 1, problems)


def parse_directory(directory: str, label: str) -> SetId | None:
    """The set whose directory this is; None if it is that of no set of *label*."""
    day, _slash, name = directory.rpartition("/")
    try:
        set_id = SetId.parse(name)
    except ConfigError:
        return None
    return set_id if day == set_id.day(label) else None


def set_exists(location: Location, label: str, set_id: SetId) -> bool:
    """Whether the set is complete, which means that its manifest exists."""
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
