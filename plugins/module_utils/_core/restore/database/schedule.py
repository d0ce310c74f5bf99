"""In which pieces the data of a dump are loaded, and what can be built while others still load.

pg_restore can load in parallel only from a file that it can seek in, and there is none: nothing plain lies on a disk.
So each piece of the data is a stream of its own, and the order of the work is decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from ...archive import Section, Toc, TocEntry
from ...archive.extract import ALWAYS_KEPT
from ...archive.toc import TABLE_DATA

_SMALLEST_SHARE = 0.02
"""Tables below this share of all data are loaded together, in one stream."""
_BUILT_BY_ITSELF = ("INDEX", "CONSTRAINT")
_LARGE_OBJECTS = ("BLOB", "BLOB METADATA")


class Work(Enum):
    """What is done with a piece."""

    LOAD = auto()
    BUILD = auto()
    FINISH = auto()
    """All that comes when the data and what is built early are there."""
    SETTLE = auto()
    """Look at a table that is complete: compare it, and collect the planner's statistics."""


@dataclass(frozen=True)
class Piece:
    """One piece of work: the entries of one run of pg_restore.

    :param entries: dump ids; of a table that is to be settled, the table's.
    :param size: bytes of the table's data in the dump, by which the largest goes first.
    :param table: dump id of the one table that it is about; None for several.
    :param exclusive: whether nothing else can be built on the table at the same time.
    """

    entries: tuple[int, ...]
    work: Work
    size: int
    table: int | None = None
    exclusive: bool = False
    name: str = ""


@dataclass(frozen=True)
class Schedule:
    """Everything that a restore into an empty database does.

    :param before: entries that come before all data.
    :param loads: the data, largest first.
    :param builds: what can begin when the load of the table (by its dump id) is done, in this order.
    :param after: entries that come when all of that is done.
    """

    before: tuple[int, ...]
    loads: tuple[Piece, ...]
    builds: Mapping[int, tuple[Piece, ...]] = field(default_factory=dict)
    after: tuple[int, ...] = ()


def plan_schedule(toc: Toc, sizes: Mapping[int, int], jobs: int) -> Schedule:
    """Divide the entries of a dump.

    :param sizes: bytes of each entry's data, by dump id.
    """
    data = [entry for entry in toc.entries if entry.had_dumper]
    before = [entry.dump_id for entry in toc.entries if _is_before(entry)]
    loads = _plan_loads(data, sizes, jobs, toc)
    alone = {piece.table: piece.size for piece in loads if piece.table is not None}
    builds = _plan_builds(toc, alone, set(before)) if jobs > 1 else {}
    early = {dump_id for pieces in builds.values() for piece in pieces for dump_id in piece.entries}
    done = {*before, *early, *(entry.dump_id for entry in data)}
    after = tuple(entry.dump_id for entry in toc.entries if entry.dump_id not in done)
    return Schedule(tuple(before), loads, builds, after)


def _is_before(entry: TocEntry) -> bool:
    """Definitions, and large objects without their data; comments and grants can wait for the end."""
    if entry.had_dumper:
        return False
    return entry.section is Section.PRE_DATA or entry.desc in ALWAYS_KEPT or entry.desc in _LARGE_OBJECTS


def _plan_loads(data: Sequence[TocEntry], sizes: Mapping[int, int], jobs: int, toc: Toc) -> tuple[Piece, ...]:
    total = sum(sizes.values())
    floor = total * _SMALLEST_SHARE if jobs > 1 else total + 1
    large = [entry for entry in data if sizes[entry.dump_id] >= floor]
    chosen = {entry.dump_id for entry in large}
    small = tuple(entry.dump_id for entry in data if entry.dump_id not in chosen)
    pieces = [
        Piece((one.dump_id,), Work.LOAD, sizes[one.dump_id], table_of(one, toc), name=f"{one.namespace}.{one.tag}")
        for one in large
    ]
    if small:
        pieces.append(Piece(small, Work.LOAD, sum(sizes[dump_id] for dump_id in small), name="the small tables"))
    return tuple(sorted(pieces, key=lambda piece: -piece.size))


def table_of(entry: TocEntry, toc: Toc) -> int | None:
    """The dump id of the table that an entry of data, an index or a constraint belongs to."""
    for dump_id in entry.dependencies:
        other = toc.by_id.get(dump_id)
        if other is None or other.desc != "TABLE":
            continue
        if entry.desc != TABLE_DATA or (other.namespace, other.tag) == (entry.namespace, entry.tag):
            return dump_id
    return None


def _plan_builds(toc: Toc, tables: Mapping[int, int], before: Collection[int]) -> dict[int, tuple[Piece, ...]]:
    """Indexes and constraints that wait for nothing but the definitions and the data of one of *tables*."""
    found: dict[int, list[Piece]] = defaultdict(list)
    for entry in toc.entries:
        if entry.section is not Section.POST_DATA or entry.desc not in _BUILT_BY_ITSELF:
            continue
        table = table_of(entry, toc)
        known = (dump_id for dump_id in entry.dependencies if dump_id in toc.by_id)
        if table is not None and table in tables and all(dump_id in before for dump_id in known):
            constraint = entry.desc == "CONSTRAINT"
            piece = Piece(
                (entry.dump_id,), Work.BUILD, tables[table], table, constraint, f"{entry.namespace}.{entry.tag}"
            )
            found[table].append(piece)
    # A constraint needs the table for itself; what comes behind it can then be built side by side.
    return {table: tuple(sorted(pieces, key=lambda piece: not piece.exclusive)) for table, pieces in found.items()}


class Queue:
    """Which piece can be worked on next; not safe for threads by itself."""

    def __init__(self, schedule: Schedule) -> None:
        self._loads = list(schedule.loads)
        self._builds = {table: list(pieces) for table, pieces in schedule.builds.items()}
        self._loaded: dict[int, Piece] = {}
        self._finish = Piece(schedule.after, Work.FINISH, 0, name="the rest") if schedule.after else None
        self._running: list[Piece] = []

    @property
    def finished(self) -> bool:
        """Whether everything is done."""
        return not (self._running or self._loads or self._loaded or self._finish)

    def take(self) -> Piece | None:
        """The next piece, or None while there is nothing that can begin.

        Of what is ready the piece of the largest table goes first, as what belongs to it takes longest; tables are
        settled while there is nothing else to do, the last ones beside all that comes at the end.
        """
        ready = self._loads[:1] + [one for table in self._loaded for one in self._ready(table)]
        if ready:
            piece = max(ready, key=lambda one: (one.size, one.work is Work.BUILD))
        elif self._finish is not None and self._all_is_there():
            piece, self._finish = self._finish, None
        else:
            complete = [table for table in self._loaded if not self._builds.get(table) and not self._busy(table)]
            if not complete:
                return None
            load = self._loaded.pop(complete[0])
            piece = Piece((complete[0],), Work.SETTLE, load.size, complete[0], name=load.name)
        self._running.append(piece)
        if piece.work is Work.LOAD:
            self._loads.remove(piece)
        elif piece.work is Work.BUILD and piece.table is not None:
            self._builds[piece.table].remove(piece)
        return piece

    def done(self, piece: Piece) -> None:
        """A piece has ended well."""
        self._running.remove(piece)
        if piece.work is Work.LOAD and piece.table is not None:
            self._loaded[piece.table] = piece

    def _all_is_there(self) -> bool:
        under_way = any(piece.work in (Work.LOAD, Work.BUILD) for piece in self._running)
        return not (self._loads or under_way or any(self._builds.values()))

    def _busy(self, table: int) -> list[Piece]:
        return [piece for piece in self._running if piece.work is Work.BUILD and piece.table == table]

    def _ready(self, table: int) -> list[Piece]:
        waiting, busy = self._builds.get(table, []), self._busy(table)
        if not waiting or any(piece.exclusive for piece in busy) or (waiting[0].exclusive and busy):
            return []
        return waiting[:1]
