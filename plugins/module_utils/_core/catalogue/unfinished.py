"""What killed runs left below a label: found by age, removed only where nothing else can be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ..errors import BackupError, ConfigError
from ..locations.base import Leftover, Location, ObjectInfo
from ..naming import HOLD, MANIFEST, SetId, check_name
from .finding import Problem, parse_directory

DEFAULT_AGE = timedelta(hours=24)
WINDOW = timedelta(days=14)

_STEP = "look for what earlier runs left"
_SKEW = timedelta(days=1)
_OWN_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,126}")
_DEPTH = 4
"""Parts of a key between the label and the object's own name: year, month, day, set."""


@dataclass(frozen=True)
class Unfinished:
    """What a killed run left in the directory of one set.

    :param objects: everything in a directory without a manifest; empty where only *leftovers* are to go.
    :param leftovers: temporary files and open uploads.
    """

    label: str
    id: SetId
    objects: tuple[ObjectInfo, ...]
    leftovers: tuple[Leftover, ...]

    @property
    def directory(self) -> str:
        """The set's key."""
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


@dataclass
class _Directory:
    """All that was found in the directory of one set."""

    id: SetId
    objects: list[ObjectInfo] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    foreign: bool = False

    def unfinished(self, label: str, before: datetime) -> Unfinished:
        """What of it may go, as nothing has moved since *before*."""
        names = {info.key.rpartition("/")[2] for info in self.objects}
        if HOLD in names:
            return Unfinished(label, self.id, (), ())
        leftovers = tuple(leftover for leftover in self.leftovers if leftover.started <= before)
        at_rest = len(leftovers) == len(self.leftovers) and all(info.modified <= before for info in self.objects)
        goes = MANIFEST not in names and not self.foreign and at_rest
        return Unfinished(label, self.id, tuple(self.objects) if goes else (), leftovers)


def find_unfinished(
    location: Location,
    label: str,
    *,
    now: datetime,
    older_than: timedelta = DEFAULT_AGE,
    full: bool = False,
    problems: list[Problem] | None = None,
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
    directories: dict[str, _Directory] = {}
    foreign: list[Problem] = []
    for prefix in [label] if full else _months(label, first, last):
        for info in location.list(prefix):
            _place(info, label, directories, foreign)
        for leftover in location.leftovers(prefix):
            _place(leftover, label, directories, foreign)
    if problems is not None:
        problems += foreign
    looked_at = [one for _name, one in sorted(directories.items()) if full or first <= one.id.time.date() <= last]
    found = [directory.unfinished(label, now - older_than) for directory in looked_at]
    return [one for one in found if one.objects or one.leftovers]


def _months(label: str, first: date, last: date) -> Iterator[str]:
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        yield f"{label}/{year:04}/{month:02}"
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def _place(
    found: ObjectInfo | Leftover, label: str, directories: dict[str, _Directory], problems: list[Problem]
) -> None:
    parts = found.key.split("/")
    key = "/".join(parts[: _DEPTH + 1])
    set_id = parse_directory(key, label)
    if set_id is None:
        problems.append(Problem(found.key, "does not belong to any set"))
        return
    directory = directories.setdefault(key, _Directory(set_id))
    if len(parts) != _DEPTH + 2 or not _OWN_NAME.fullmatch(parts[-1]):
        directory.foreign = True
        problems.append(Problem(found.key, "is nothing that a set holds"))
    elif isinstance(found, ObjectInfo):
        directory.objects.append(found)
    else:
        directory.leftovers.append(found)


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
