"""In which pieces the data of a dump are loaded, and what can be built while others still load.

pg_restore can load in parallel only from a file that it can seek in, and there is none: nothing plain lies on a disk.
So each piece of the data is a stream of its own, and the order of the work is decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from ....postgres.archive import Section, Toc, TocEntry
from ....postgres.archive.extract import ALWAYS_KEPT
from ....postgres.archive.toc import TABLE_DATA
from ....texts import bounded_list
from ..event_triggers import event_triggers

_SMALLEST_SHARE = 0.02
"""Tables below this share of all data are loaded together, as many as make up this share."""
_BUILT_BY_ITSELF = ("INDEX", "CONSTRAINT")
_LARGE_OBJECTS = ("BLOB", "BLOB METADATA")


class Work(Enum):
    """The kind of work of a piece."""

    LOAD = auto()
    BUILD = auto()
    FINISH = auto()
    """All that comes when the data and what is built early are there."""
    CHECK = auto()
    """Look at tables that are complete: compare them, and collect the planner's statistics."""


@dataclass(frozen=True)
class Piece:
    """The entries that one run of pg_restore restores.

    :param entries: dump ids; where tables are to be settled, theirs.
    :param size: bytes of the data in the dump that it is about, by which the largest goes first.
    :param groups: the loads that it waits for, and whose tables it locks; numbers in :attr:`Schedule.loads`.
    :param exclusive: whether nothing else can be built on these tables at the same time.
    """

    entries: tuple[int, ...]
    work: Work
    size: int
    groups: frozenset[int] = frozenset()
    exclusive: bool = False
    name: str = ""


@dataclass(frozen=True)
class Schedule:
    """All pieces of a restore into an empty database, in their order.

    :param before: entries that come before all data.
    :param loads: the data, largest first; what one of them loads is a group of tables.
    :param tables: the dump ids of each group's tables, where they are settled as soon as they are complete.
    :param builds: what can begin when a group is loaded, in this order.
    :param links: foreign keys, together those between the same groups, which can begin when all is built on these.
    :param after: entries that come when all of that is done.
    :param last: event triggers, which would fire at what comes behind them.
    """

    before: tuple[int, ...]
    loads: tuple[Piece, ...]
    tables: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    builds: Mapping[int, tuple[Piece, ...]] = field(default_factory=dict)
    links: tuple[Piece, ...] = ()
    after: tuple[int, ...] = ()
    last: tuple[int, ...] = ()


def plan_schedule(toc: Toc, sizes: Mapping[int, int], jobs: int) -> Schedule:
    """Divide the entries of a dump.

    :param sizes: bytes of each entry's data, by dump id.
    """
    data = [entry for entry in toc.entries if entry.had_dumper]
    before = {entry.dump_id for entry in toc.entries if _is_before(entry)}
    loads = _plan_loads(data, sizes, jobs)
    tables: dict[int, tuple[int, ...]] = {}
    builds: dict[int, tuple[Piece, ...]] = {}
    links: tuple[Piece, ...] = ()
    if jobs > 1:
        tables = {number: _tables_of(load, toc) for number, load in enumerate(loads)}
        group_of = {table: number for number, members in tables.items() for table in members}
        builds = _plan_builds(toc, loads, tables, before)
        group_of |= {dump_id: group for group, pieces in builds.items() for one in pieces for dump_id in one.entries}
        links = _plan_links(toc, loads, group_of)
    early = [*links, *(piece for pieces in builds.values() for piece in pieces)]
    last = event_triggers(toc)
    done = {*before, *last, *(dump_id for piece in (*loads, *early) for dump_id in piece.entries)}
    return Schedule(
        before=tuple(entry.dump_id for entry in toc.entries if entry.dump_id in before),
        loads=loads,
        tables=tables,
        builds=builds,
        links=links,
        after=tuple(entry.dump_id for entry in toc.entries if entry.dump_id not in done),
        last=last,
    )


def _is_before(entry: TocEntry) -> bool:
    """Definitions, and large objects without their data; comments and grants can wait for the end."""
    if entry.had_dumper:
        return False
    return entry.section is Section.PRE_DATA or entry.desc in ALWAYS_KEPT or entry.desc in _LARGE_OBJECTS


def _plan_loads(data: Sequence[TocEntry], sizes: Mapping[int, int], jobs: int) -> tuple[Piece, ...]:
    """Large tables by themselves, small ones together in the order of the dump."""
    total = sum(sizes[entry.dump_id] for entry in data)
    share = max(1, total * _SMALLEST_SHARE) if jobs > 1 else total + 1
    groups = [[entry] for entry in data if sizes[entry.dump_id] >= share]
    gathered = share
    for entry in (one for one in data if sizes[one.dump_id] < share):
        if gathered >= share:
            groups.append([])
            gathered = 0
        groups[-1].append(entry)
        gathered += sizes[entry.dump_id]
    pieces = [
        Piece(
            tuple(one.dump_id for one in group),
            Work.LOAD,
            sum(sizes[one.dump_id] for one in group),
            name=f"{group[0].namespace}.{group[0].tag}" if len(group) == 1 else f"{len(group)} small tables",
        )
        for group in groups
    ]
    return tuple(sorted(pieces, key=lambda piece: -piece.size))


def _tables_of(load: Piece, toc: Toc) -> tuple[int, ...]:
    found = (table_of(toc.by_id[dump_id], toc) for dump_id in load.entries)
    return tuple(table for table in found if table is not None)


def table_of(entry: TocEntry, toc: Toc) -> int | None:
    """The dump id of the table that an entry of data, an index or a constraint belongs to."""
    for dump_id in entry.dependencies:
        other = toc.by_id.get(dump_id)
        if other is None or other.desc != "TABLE":
            continue
        if entry.desc != TABLE_DATA or (other.namespace, other.tag) == (entry.namespace, entry.tag):
            return dump_id
    return None


def _plan_builds(
    toc: Toc, loads: Sequence[Piece], tables: Mapping[int, Sequence[int]], before: set[int]
) -> dict[int, tuple[Piece, ...]]:
    """Indexes and constraints that wait for nothing but the definitions and the data of one group."""
    group_of = {table: number for number, members in tables.items() for table in members}
    found: dict[int, list[TocEntry]] = defaultdict(list)
    for entry in toc.entries:
        if entry.section is not Section.POST_DATA or entry.desc not in _BUILT_BY_ITSELF:
            continue
        table = table_of(entry, toc)
        if table in group_of and before.issuperset(_known(entry, toc)):
            found[group_of[table]].append(entry)
    return {number: _build(number, loads[number], entries) for number, entries in found.items()}


def _build(number: int, load: Piece, entries: Sequence[TocEntry]) -> tuple[Piece, ...]:
    """What is built on one group: on one table piece by piece, on several small ones all at once."""
    groups = frozenset([number])
    if len(load.entries) > 1:
        ids = tuple(entry.dump_id for entry in entries)
        return (Piece(ids, Work.BUILD, load.size, groups, exclusive=True, name=f"what belongs to {load.name}"),)
    pieces = [
        Piece((one.dump_id,), Work.BUILD, load.size, groups, one.desc == "CONSTRAINT", f"{one.namespace}.{one.tag}")
        for one in entries
    ]
    # A constraint needs the table for itself; what comes behind it can then be built side by side.
    return tuple(sorted(pieces, key=lambda piece: not piece.exclusive))


def _plan_links(toc: Toc, loads: Sequence[Piece], group_of: Mapping[int, int]) -> tuple[Piece, ...]:
    """Foreign keys between tables that have rows themselves, and not only partitions that have.

    :param group_of: of tables, and of what is built on them early.
    """
    found: dict[frozenset[int], list[TocEntry]] = defaultdict(list)
    for entry in toc.entries:
        known = _known(entry, toc)
        if entry.desc == "FK CONSTRAINT" and known and all(dump_id in group_of for dump_id in known):
            found[frozenset(group_of[dump_id] for dump_id in known)].append(entry)
    pieces = [
        Piece(
            tuple(entry.dump_id for entry in entries),
            Work.BUILD,
            sum(loads[group].size for group in groups),
            groups,
            exclusive=True,
            name=bounded_list([f"{entry.namespace}.{entry.tag}" for entry in entries]),
        )
        for groups, entries in found.items()
    ]
    return tuple(sorted(pieces, key=lambda piece: -piece.size))


def _known(entry: TocEntry, toc: Toc) -> list[int]:
    return [dump_id for dump_id in entry.dependencies if dump_id in toc.by_id]


class Queue:
    """Which piece can be worked on next; not safe for threads by itself."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._loads = list(schedule.loads)
        self._builds = {group: list(pieces) for group, pieces in schedule.builds.items()}
        self._links = list(schedule.links)
        self._loaded: set[int] = set()
        self._checked: set[int] = set()
        self._finish = Piece(schedule.after, Work.FINISH, 0, name="the rest") if schedule.after else None
        self._running: list[Piece] = []

    @property
    def finished(self) -> bool:
        """Whether everything is done."""
        return not (self._running or self._loads or self._links or self._finish or self._to_check())

    def take(self) -> Piece | None:
        """The next piece, or None while there is nothing that can begin.

        Of what is ready the piece of the largest table goes first, as what belongs to it takes longest; foreign keys
        and then a look at what is complete come while there is nothing else to do, the last tables are settled beside
        all that comes at the end.
        """
        ready = self._loads[:1] + [one for group in sorted(self._loaded) for one in self._ready(group)]
        linkable = [link for link in self._links if all(map(self._is_built, link.groups))]
        if ready:
            piece = max(ready, key=lambda one: (one.size, one.work is Work.BUILD))
        elif linkable:
            piece = linkable[0]
        elif self._finish is not None and self._all_is_there():
            piece, self._finish = self._finish, None
        else:
            complete = [group for group in self._to_check() if self._is_built(group)]
            if not complete:
                return None
            load = self._schedule.loads[complete[0]]
            tables = self._schedule.tables[complete[0]]
            piece = Piece(tables, Work.CHECK, load.size, frozenset(complete[:1]), name=load.name)
        self._begin(piece)
        return piece

    def _begin(self, piece: Piece) -> None:
        self._running.append(piece)
        if piece.work is Work.LOAD:
            self._loads.remove(piece)
        elif piece.work is Work.CHECK:
            self._checked |= piece.groups
        elif piece in self._links:
            self._links.remove(piece)
        elif piece.work is Work.BUILD:
            (group,) = piece.groups
            self._builds[group].remove(piece)

    def done(self, piece: Piece) -> None:
        """Record that a piece has succeeded."""
        self._running.remove(piece)
        if piece.work is Work.LOAD:
            self._loaded.add(self._schedule.loads.index(piece))

    def _to_check(self) -> list[int]:
        """The groups of tables that are loaded but not checked, the largest first."""
        tables = self._schedule.tables
        return [group for group in sorted(tables) if tables[group] and group not in self._checked]

    def _all_is_there(self) -> bool:
        under_way = any(piece.work in (Work.LOAD, Work.BUILD) for piece in self._running)
        return not (self._loads or self._links or under_way or any(self._builds.values()))

    def _is_built(self, group: int) -> bool:
        """Whether a group's rows and what is built on them are there, and nobody works on it."""
        return group in self._loaded and not (self._builds.get(group) or self._busy(group))

    def _busy(self, group: int) -> list[Piece]:
        return [piece for piece in self._running if group in piece.groups]

    def _ready(self, group: int) -> list[Piece]:
        waiting, busy = self._builds.get(group, []), self._busy(group)
        if not waiting or any(piece.exclusive for piece in busy) or (waiting[0].exclusive and busy):
            return []
        return waiting[:1]
