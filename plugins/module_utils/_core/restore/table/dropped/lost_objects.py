"""What a table that was dropped took with it, from the backup's table of contents and that of the database as it is.

What is in the database was not dropped, so that nothing which hangs on it alone went with the table. Everything else
that depended on the table, or on what went with it, is made again, and what that needs and is gone, too: a schema, a
type, a function. What needs a table or a view that is gone for itself waits until that one is brought back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ....errors import PreflightError
from ....postgres.archive import Toc, TocEntry, object_digest, object_name
from ....postgres.archive.toc import BLOBS, TABLE_DATA
from ....postgres.names import IDENTIFIER, TableName
from ....texts import bounded_list
from .lost_parts import LostParts, find_lost_parts

STEP = "compare the database with the backup"
NOTHING_TOUCHED = "nothing was touched"
REFRESH = "MATERIALIZED VIEW DATA"
SEQUENCE_VALUE = "SEQUENCE SET"
TABLES = ("TABLE", "FOREIGN TABLE")
_OF_ROWS = (TABLE_DATA, BLOBS, "STATISTICS DATA")
_WITH_PARENT = (*_OF_ROWS, REFRESH, SEQUENCE_VALUE)
"""Kinds of entries that a dump without rows has not: they are there with what they depend on."""
FOUNDATIONS = frozenset(
    {
        *("SCHEMA", "TYPE", "SHELL TYPE", "DOMAIN", "SEQUENCE", "FUNCTION", "PROCEDURE", "AGGREGATE", "COLLATION"),
        *("CAST", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "CONVERSION", "TEXT SEARCH CONFIGURATION"),
        *("TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE"),
    }
)
"""Kinds of what a table may stand on that are nothing but a definition."""
_CHILD = re.compile(rf"\ACREATE \w* ?TABLE {IDENTIFIER}\.{IDENTIFIER} OF |\n\)\nINHERITS \(")
"""A table that goes with what it inherits from, or with its type."""
_ATTACHED = frozenset({"ACL", "COMMENT", "SECURITY LABEL", SEQUENCE_VALUE, "SEQUENCE OWNED BY"})


class Present:
    """What the database has, to be looked up by name.

    :param toc: of a dump of its schema.
    :param loose: whether another version of the server may write the same definition in another way.
    """

    def __init__(self, toc: Toc, *, loose: bool) -> None:
        self.loose = loose
        self._entries: dict[str, list[TocEntry]] = defaultdict(list)
        for entry in toc.entries:
            self._entries[object_name(entry)].append(entry)

    def named_like(self, entry: TocEntry) -> Sequence[TocEntry]:
        """The objects of the same kind and name in the database."""
        return self._entries.get(object_name(entry), ())

    def same(self, entry: TocEntry) -> bool:
        """Whether the database has an object with the definition of *entry*."""
        wanted = object_digest(entry, loose=self.loose)
        return any(object_digest(one, loose=self.loose) == wanted for one in self.named_like(entry))


@dataclass(frozen=True)
class LostObjects:
    """What is brought back; all in the backup's order.

    :param table: the entry of the table itself.
    :param made: what is made, the table among it.
    :param tables: tables whose rows come back.
    :param changed: tables that are there, and what they have lost.
    :param waiting: what cannot be made, as name -> what of that is gone for itself.
    """

    table: TocEntry
    made: tuple[TocEntry, ...]
    changed: tuple[LostParts, ...]
    waiting: Mapping[str, Sequence[str]]

    @property
    def names(self) -> list[str]:
        """The names of the objects that are recreated."""
        given = [f"{part} of {lost.name}" for lost in self.changed for part in lost.titles]
        return [entry_title(entry) for entry in self.made] + given

    @property
    def tables(self) -> list[TocEntry]:
        """The entries of the tables that are recreated."""
        return [entry for entry in self.made if entry.desc == "TABLE"]


def find_table_entry(toc: Toc, table: TableName) -> TocEntry:
    """The entry of the table; raise an error if the backup does not have it."""
    return next(entry for entry in toc.entries if entry.desc == "TABLE" and (entry.namespace, entry.tag) == table)


def find_lost_objects(toc: Toc, table: TocEntry, present: Present, expected: Callable[[str], bool]) -> LostObjects:
    """Find everything that was dropped together with the table.

    :param expected: whether an object, by its name, is to be left as it is.
    :raises PreflightError: naming what is there in another form, or what the table needs and cannot be made.
    """
    search = _Search(toc, table, present, expected)
    if table.dump_id in search.blocked:
        raise PreflightError(
            STEP,
            f"{entry_title(table)} needs what is gone, too: {bounded_list(sorted(search.blocked[table.dump_id]))}",
            hint=f"bring that back first, which brings back what depends on it; {NOTHING_TOUCHED}",
        )
    made = search.made()
    changed = search.check_standing(made)
    return LostObjects(table, made, changed, search.waiting())


def missing_around(toc: Toc, table: TableName, present: Present) -> list[str]:
    """What the backup has with a table, by name, and the database has not although the table is there."""
    entry = next((one for one in toc.entries if one.desc == "TABLE" and (one.namespace, one.tag) == table), None)
    return [] if entry is None else _Search(toc, entry, present, lambda _name: False).missing_around()


class _Search:
    def __init__(self, toc: Toc, table: TocEntry, present: Present, expected: Callable[[str], bool]) -> None:
        self._toc = toc
        self._table = table
        self._present = present
        self._expected = expected
        self._missing = self._find_missing()
        self._attached = {one for entry in toc.entries if entry.desc == "TABLE ATTACH" for one in entry.dependencies}
        self._reached = self._reach()
        self.blocked = self._block()

    def made(self) -> tuple[TocEntry, ...]:
        """What can be made: what went with the table, and what that stands on."""
        wanted = {dump_id for dump_id in self._reached if self._is_makeable(dump_id)}
        waiting, foundations = list(wanted), set()
        while waiting:
            for dump_id in self._toc.by_id[waiting.pop()].dependencies:
                if self._is_makeable(dump_id) and dump_id not in wanted:
                    wanted.add(dump_id)
                    foundations.add(dump_id)
                    waiting.append(dump_id)
        wanted |= {
            entry.dump_id
            for entry in self._toc.entries
            if entry.desc in _ATTACHED and foundations & set(entry.dependencies) and self._is_makeable(entry.dump_id)
        }
        return tuple(entry for entry in self._entries(wanted) if entry.desc not in _OF_ROWS)

    def check_standing(self, made: Sequence[TocEntry]) -> tuple[LostParts, ...]:
        """What existing tables have lost by the drop.

        :raises PreflightError: something is there in another form.
        """
        changed, others = [], []
        for entry in self._entries(self._reached - self._missing):
            if self._present.same(entry) or self._expected(object_name(entry)):
                continue
            if entry.desc not in TABLES:
                others.append(object_name(entry))
                continue
            now = self._present.named_like(entry)[0]
            lost = find_lost_parts(object_name(entry), entry.defn, now.defn, made)
            others += [f"{object_name(entry)} ({one})" for one in lost.for_ever]
            if lost.statements:
                changed.append(lost)
        if others:
            raise PreflightError(
                STEP,
                f"not as the backup has it, and in the way of {entry_title(self._table)} and what belongs to it: "
                f"{bounded_list(others, limit=30)}",
                hint=f"drop or rename it, or name it in expected_differences to keep it as it is; {NOTHING_TOUCHED}",
            )
        return tuple(changed)

    def waiting(self) -> dict[str, Sequence[str]]:
        """What went with the table and is not made, and why."""
        entries = self._entries(self._reached & self._missing)
        return {
            object_name(entry): sorted(self.blocked[entry.dump_id])
            for entry in entries
            if entry.dump_id in self.blocked and entry.desc not in (*_ATTACHED, *_OF_ROWS, REFRESH)
        }

    def missing_around(self) -> list[str]:
        """The names of missing objects that depended on the table."""
        others = self._entries((self._reached & self._missing) - {self._table.dump_id})
        return [object_name(entry) for entry in others if entry.desc not in _WITH_PARENT]

    def _find_missing(self) -> set[int]:
        missing = {self._table.dump_id}
        for entry in self._toc.entries:
            if entry.desc in _WITH_PARENT:
                if missing & set(entry.dependencies):
                    missing.add(entry.dump_id)
            elif not self._present.named_like(entry):
                missing.add(entry.dump_id)
        return missing

    def _reach(self) -> set[int]:
        """What depended on the table, up to what is there; of a sequence that is there, whose it was."""
        dependents, by_id = self._toc.dependents, self._toc.by_id
        reached, waiting = {self._table.dump_id}, [self._table.dump_id]
        while waiting:
            current = waiting.pop()
            found = [by_id[one] for one in dependents.get(current, ())]
            if current not in self._missing:
                found = [one for one in found if one.desc == "SEQUENCE OWNED BY"]
            for entry in (*found, *self._views_of(by_id[current])):
                if entry.dump_id not in reached:
                    reached.add(entry.dump_id)
                    if entry.desc == "SEQUENCE" or (
                        entry.dump_id in self._missing and self._is_dropped_by_cascade(entry)
                    ):
                        waiting.append(entry.dump_id)
        return reached

    def _views_of(self, entry: TocEntry) -> list[TocEntry]:
        """The view whose query *entry* is: where views depend on each other in a circle pg_dump writes it as a rule."""
        if entry.desc != "RULE":
            return []
        needed = (self._toc.by_id[one] for one in entry.dependencies if one in self._toc.by_id)
        return [one for one in needed if one.desc == "VIEW" and entry.tag == f"{one.tag} _RETURN"]

    def _block(self) -> dict[int, set[str]]:
        """What cannot be made, and for want of what; pg_dump writes everything behind what it needs."""
        blocked: dict[int, set[str]] = {}
        for entry in self._toc.entries:
            if entry.dump_id not in self._missing:
                continue
            name = object_name(entry)
            goes_along = entry.dump_id in self._reached and self._is_dropped_by_cascade(entry)
            made_here = goes_along or entry.desc in FOUNDATIONS or entry.desc in _ATTACHED
            if not made_here or (self._expected(name) and entry is not self._table):
                blocked[entry.dump_id] = {name}
            elif found := set().union(*(blocked.get(one, ()) for one in entry.dependencies)):
                blocked[entry.dump_id] = found
        return blocked

    def _is_dropped_by_cascade(self, entry: TocEntry) -> bool:
        """Whether CASCADE drops it; of other tables no more than a default, a check or a column."""
        if entry.desc not in TABLES or entry is self._table:
            return True
        return entry.dump_id in self._attached or bool(_CHILD.search(entry.defn))

    def _is_makeable(self, dump_id: int) -> bool:
        return dump_id in self._missing and dump_id not in self.blocked

    def _entries(self, dump_ids: Collection[int]) -> Iterable[TocEntry]:
        return (entry for entry in self._toc.entries if entry.dump_id in dump_ids)


def entry_title(entry: TocEntry) -> str:
    """The kind and name of an entry, for messages."""
    tag = entry.tag if entry.tag.isprintable() else repr(entry.tag)
    return f"{entry.desc.lower()} {entry.namespace}.{tag}" if entry.namespace else f"{entry.desc.lower()} {tag}"
