"""All that lies below a label, sorted by the sets that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..backupset.naming import MARK, SetId
from ..errors import FormatError
from ..locations.base import Leftover, Location, ObjectInfo
from .search import STEP, Problem, Problems, parse_directory

_OWN_NAME = re.compile(rf"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{{0,126}}|{re.escape(MARK)}[0-9a-f]{{16}}")
_DEPTH = 4
"""Parts of a key between the label and the object's own name: year, month, day, set."""
MAX_OBJECTS = 500_000
"""Below a label: fifty sets a day have as many after four years."""


@dataclass
class SetDirectory:
    """The objects in the directory of one set.

    :param foreign: what no set holds.
    """

    id: SetId
    objects: dict[str, ObjectInfo] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    foreign: Problems = field(default_factory=Problems)


@dataclass
class Gathered:
    """The objects below a label in one location, sorted by set.

    :param directories: in no order.
    :param problems: what belongs to no set; what lies in a set's directory and does not belong there is told by that.
    """

    directories: dict[SetId, SetDirectory] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)

    def all_problems(self) -> Problems:
        """All objects that belong to no set, in set directories and outside of them."""
        found = Problems(self.problems)
        for directory in self.directories.values():
            found.extend(directory.foreign)
        return found


def gather(location: Location, label: str, prefixes: Iterable[str], *, leftovers: bool = True) -> Gathered:
    """List everything below *prefixes*, directories that *label* is the first part of.

    :param leftovers: whether to look for unfinished objects, too.
    :raises FormatError: there is no end of them.
    """
    found = Gathered()
    known: dict[str, SetDirectory | None] = {}
    for prefix in prefixes:
        for number, one in enumerate(location.list_all(prefix) if leftovers else location.list(prefix)):
            if number == MAX_OBJECTS:
                raise FormatError(
                    STEP,
                    f"location '{location.name}' has more than {MAX_OBJECTS:,} objects below {prefix!r}",
                    hint="remove what does not belong there",
                )
            _place(one, label, found, known)
    return found


def _place(one: ObjectInfo | Leftover, label: str, found: Gathered, known: dict[str, SetDirectory | None]) -> None:
    key, _slash, name = one.key.rpartition("/")
    if key.count("/") > _DEPTH:
        key, name = "/".join(one.key.split("/")[: _DEPTH + 1]), ""
    if key not in known:
        set_id = parse_directory(key, label)
        known[key] = None if set_id is None else found.directories.setdefault(set_id, SetDirectory(set_id))
    directory = known[key]
    if directory is None:
        found.problems.append(Problem(one.key, "does not belong to any set"))
    elif not _OWN_NAME.fullmatch(name):
        directory.foreign.append(Problem(one.key, "is nothing that a set holds"))
    elif isinstance(one, ObjectInfo):
        directory.objects[name] = one
    else:
        directory.leftovers.append(one)
