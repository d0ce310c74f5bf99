"""All that lies below a label, sorted by the sets that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..backupset.naming import MARK, SetId
from ..locations.base import Leftover, Location, ObjectInfo
from .search import Problem, parse_directory

_OWN_NAME = re.compile(rf"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{{0,126}}|{re.escape(MARK)}[0-9a-f]{{16}}")
_DEPTH = 4
"""Parts of a key between the label and the object's own name: year, month, day, set."""


@dataclass
class SetDirectory:
    """All that was found in the directory of one set.

    :param foreign: what no set holds.
    """

    id: SetId
    objects: dict[str, ObjectInfo] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    foreign: list[Problem] = field(default_factory=list)


@dataclass
class Gathered:
    """What was found below a label in one location.

    :param directories: in no order.
    :param problems: what belongs to no set; what lies in a set's directory and does not belong there is told by that.
    """

    directories: dict[SetId, SetDirectory] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def all_problems(self) -> list[Problem]:
        """Everything foreign, wherever it lies."""
        return [*self.problems, *(one for directory in self.directories.values() for one in directory.foreign)]


def gather(location: Location, label: str, prefixes: Iterable[str], *, leftovers: bool = True) -> Gathered:
    """List everything below *prefixes*, directories that *label* is the first part of.

    :param leftovers: whether to look for unfinished objects, too.
    """
    found = Gathered()
    known: dict[str, SetDirectory | None] = {}
    for prefix in prefixes:
        for info in location.list(prefix):
            _place(info, label, found, known)
        if leftovers:
            for leftover in location.leftovers(prefix):
                _place(leftover, label, found, known)
    return found


def _place(one: ObjectInfo | Leftover, label: str, found: Gathered, known: dict[str, SetDirectory | None]) -> None:
    parts = one.key.split("/")
    key = "/".join(parts[: _DEPTH + 1])
    if key not in known:
        set_id = parse_directory(key, label)
        known[key] = None if set_id is None else found.directories.setdefault(set_id, SetDirectory(set_id))
    directory = known[key]
    if directory is None:
        found.problems.append(Problem(one.key, "does not belong to any set"))
    elif len(parts) != _DEPTH + 2 or not _OWN_NAME.fullmatch(parts[-1]):
        directory.foreign.append(Problem(one.key, "is nothing that a set holds"))
    elif isinstance(one, ObjectInfo):
        directory.objects[parts[-1]] = one
    else:
        directory.leftovers.append(one)
