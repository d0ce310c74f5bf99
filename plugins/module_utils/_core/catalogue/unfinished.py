"""What killed runs left below a label: found by age, removed only where nothing else can be meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..backupset.naming import HOLDS, MANIFEST, SKIPPED, SetId, check_name
from ..errors import BackupError, ConfigError
from ..locations.base import Leftover, Location, ObjectInfo
from .directories import SetDirectory, gather
from .search import Problem, Problems

DEFAULT_AGE = timedelta(hours=24)
WINDOW = timedelta(days=14)
SKIPS_KEPT = timedelta(days=90)
"""The record of a skipped backup is no leftover: it stays until nobody asks any more whether the next one was, too."""

_STEP = "look for what earlier runs left"
_SKEW = timedelta(days=1)


@dataclass(frozen=True)
class Unfinished:
    """The objects that a killed run left in the directory of one set.

    :param objects: everything in a directory without a manifest; empty where only *leftovers* are to go.
    :param leftovers: temporary files and open uploads.
    """

    label: str
    id: SetId
    objects: tuple[ObjectInfo, ...]
    leftovers: tuple[Leftover, ...]

    @property
    def directory(self) -> str:
        """The key of the set's directory."""
        return self.id.directory(self.label)

    @property
    def size(self) -> int:
        """Bytes of the objects; what leftovers hold is not known."""
        return sum(info.size for info in self.objects)


@dataclass(frozen=True)
class Reaped:
    """What was removed; iterates over :attr:`removed`.

    :param removed: the directories of sets, and the keys of unfinished objects.
    :param freed: bytes of the removed objects.
    :param kept: what changed since it was found, and so was left alone.
    :param failures: what could not be removed; the next run tries again.
    """

    removed: tuple[str, ...]
    freed: int
    kept: tuple[Problem, ...]
    failures: tuple[BackupError, ...]

    def __iter__(self) -> Iterator[str]:
        return iter(self.removed)


def find_unfinished(
    location: Location,
    label: str,
    *,
    now: datetime,
    older_than: timedelta = DEFAULT_AGE,
    full: bool = False,
    problems: Problems | None = None,
) -> list[Unfinished]:
    """Find sets without a manifest and unfinished objects in which nothing has moved for *older_than*.

    A directory that is held, that has a manifest, or that holds anything foreign keeps its objects.

    :param older_than: must exceed the longest run: what a run writes is without a manifest until its end.
    :param full: look at everything; otherwise only at the sets of the last 14 days, which takes two listings or so.
    :param problems: what does not belong there is added here; it is left alone.
    """
    check_name(label, "label")
    if older_than <= timedelta(0):
        raise ConfigError(_STEP, f"older_than is {older_than}", hint="more than the longest backup takes")
    first, last = (now - WINDOW).date(), (now + _SKEW).date()
    gathered = gather(location, label, [label] if full else _months(label, first, last))
    if problems is not None:
        problems.extend(gathered.all_problems())
    recent = [one for one in gathered.directories.values() if full or first <= one.id.time.date() <= last]
    return unfinished_among(recent, label, now - older_than)


def unfinished_among(directories: Iterable[SetDirectory], label: str, before: datetime) -> list[Unfinished]:
    """What of *directories* may go, as nothing in it has moved since *before*."""
    wanted = (one for one in directories if one.leftovers or MANIFEST not in one.objects)
    found = [_unfinished(one, label, before) for one in sorted(wanted, key=lambda one: one.id)]
    return [one for one in found if one.objects or one.leftovers]


def _unfinished(directory: SetDirectory, label: str, before: datetime) -> Unfinished:
    if any(name in directory.objects for name in HOLDS):
        return Unfinished(label, directory.id, (), ())
    if tuple(directory.objects) == (SKIPPED,):
        before -= SKIPS_KEPT
    leftovers = tuple(leftover for leftover in directory.leftovers if leftover.started <= before)
    objects = tuple(directory.objects.values())
    at_rest = len(leftovers) == len(directory.leftovers) and all(info.modified <= before for info in objects)
    goes = MANIFEST not in directory.objects and not directory.foreign and at_rest
    return Unfinished(label, directory.id, objects if goes else (), leftovers)


def _months(label: str, first: date, last: date) -> Iterator[str]:
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        yield f"{label}/{year:04}/{month:02}"
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def reap(location: Location, found: Iterable[Unfinished]) -> Reaped:
    """Remove what :func:`find_unfinished` found, unless it has changed since.

    A failure of the location is noted and the rest goes on.
    """
    removed: list[str] = []
    kept: list[Problem] = []
    failures: list[BackupError] = []
    freed = 0
    for unfinished in found:
        try:
            if _has_changed(location, unfinished):
                kept.append(Problem(unfinished.directory, "has changed since it was looked at"))
                continue
            for leftover in unfinished.leftovers:
                location.discard(leftover)
                removed.append(leftover.key)
            for info in unfinished.objects:
                location.delete(info.key)
                freed += info.size
            if unfinished.objects:
                removed.append(unfinished.directory)
        except BackupError as error:
            failures.append(error)
    return Reaped(tuple(removed), freed, tuple(kept), tuple(failures))


def _has_changed(location: Location, unfinished: Unfinished) -> bool:
    """Whether anything but the known objects is there by now: a manifest, a hold, another run's artifact."""
    if not unfinished.objects:
        return False
    known = set(unfinished.objects)
    outside = any(info.key.rpartition("/")[0] != unfinished.directory for info in known)
    return outside or any(info not in known for info in location.list(unfinished.directory))
