"""What a database has that the backup does not, and that depends on what is about to be made anew.

Views and functions, keys and partitions of other tables are taken down before and put up again after the restore. What
has rows of its own and cannot be without what is replaced, for example a table with a column of a type from the backup,
would lose them: it is named before anything is touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ....errors import PreflightError
from ....postgres.archive import Toc, TocEntry, object_name
from ....texts import bounded_list

STEP = "check the target"
_OF_A_TABLE = frozenset(
    {
        "CHECK CONSTRAINT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "INDEX", "POLICY", "ROW SECURITY", "RULE",
        "SEQUENCE OWNED BY", "STATISTICS", "TRIGGER",
    }
)  # fmt: skip
"""Kinds of which each belongs to one table, and is made with it or not at all."""
_ATTACHED = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_HAVE_ROWS = frozenset({"EXTENSION", "SCHEMA", "SEQUENCE", "TABLE"})
_RELATIONS = frozenset({"FOREIGN TABLE", "INDEX", "MATERIALIZED VIEW", "SEQUENCE", "TABLE", "VIEW"})
"""Kinds that share one space of names."""
_TIES = ("INDEX ATTACH", "TABLE ATTACH")
_NAMED_BEHIND_TABLE = _OF_A_TABLE - {"INDEX", "SEQUENCE OWNED BY", "STATISTICS"}


@dataclass(frozen=True)
class ExtraObjects:
    """What is done around the restore; all in pg_dump's order.

    :param kept: what is taken down and put up again.
    :param replaced: what has the name of something else in the backup, and gives way to it.
    :param lost: parts of tables that the backup has, as the database has them and the backup does not.
    """

    kept: tuple[TocEntry, ...] = ()
    replaced: tuple[TocEntry, ...] = ()
    lost: tuple[TocEntry, ...] = ()

    @property
    def dropped(self) -> Iterator[TocEntry]:
        """The entries to drop before the restore, in the reverse order of their creation."""
        return iter(sorted((*self.kept, *self.replaced), key=lambda entry: entry.position, reverse=True))


NO_EXTRA_OBJECTS = ExtraObjects()


def find_extra_objects(backup: Toc, present: Toc, left: Collection[str]) -> ExtraObjects:
    """Sort what the backup does not have.

    :param backup: what will be made.
    :param left: names of objects that are there and stay as they are.
    :raises PreflightError: naming what can neither stay nor be made again.
    """
    made = {object_name(entry) for entry in backup.entries}
    relations = {(entry.namespace, entry.tag) for entry in backup.entries if entry.desc in _RELATIONS}
    same = {entry.dump_id for entry in present.entries if object_name(entry) in made and object_name(entry) not in left}
    replaced = [
        entry
        for entry in present.entries
        if entry.dump_id not in same
        and entry.desc in _RELATIONS
        and (entry.namespace, entry.tag) in relations
        and object_name(entry) not in left
    ]
    anew = same | {entry.dump_id for entry in replaced}
    reached = reachable(present, anew) - anew
    kept, lost, refused = [], [], []
    for entry in present.entries:
        if entry.dump_id not in reached or object_name(entry) in left:
            continue
        if _belongs(entry, present, anew):
            lost.append(entry)
        elif entry.desc in _HAVE_ROWS:
            refused.append(entry)
        else:
            kept.append(entry)
    if refused:
        raise PreflightError(
            STEP,
            f"objects that are not in the backup depend on objects that are, and have rows: {_titles(refused)}",
            hint="nothing was touched; move it away or drop it first, or use strategy side_by_side",
        )
    return ExtraObjects(tuple(kept), tuple(replaced), tuple(lost))


def reachable(toc: Toc, start: Collection[int]) -> set[int]:
    """Dump ids of everything that depends on one of *start*, and those themselves."""
    # A partition is a table of its own, and so are its indexes: they are let go and attached again.
    tied: Mapping[int, set[int]] = defaultdict(set)
    for tie in (one for one in toc.entries if one.desc in _TIES):
        for dump_id in tie.dependencies:
            tied[dump_id].update(tie.dependencies)
    dependents: Mapping[int, list[int]] = defaultdict(list)
    for entry in toc.entries:
        for dump_id in entry.dependencies:
            if dump_id not in tied.get(entry.dump_id, ()):
                dependents[dump_id].append(entry.dump_id)
    reached, waiting = set(start), list(start)
    while waiting:
        for dump_id in dependents.get(waiting.pop(), ()):
            if dump_id not in reached:
                reached.add(dump_id)
                waiting.append(dump_id)
    return reached


def _belongs(entry: TocEntry, present: Toc, anew: Collection[int]) -> bool:
    """Whether it is a part of something that is made anew, or says something of it."""
    if entry.desc in _ATTACHED:
        return any(dump_id in anew for dump_id in entry.dependencies)
    if entry.desc not in _OF_A_TABLE:
        return False
    tables = [
        table
        for dump_id in entry.dependencies
        if (table := present.by_id.get(dump_id)) is not None and table.desc in _RELATIONS
    ]
    if entry.desc in _NAMED_BEHIND_TABLE:
        tables = [table for table in tables if f"{entry.tag} ".startswith(f"{table.tag} ")]
    return bool(tables) and all(table.dump_id in anew for table in tables)


def _titles(entries: Collection[TocEntry]) -> str:
    return bounded_list([object_name(entry) for entry in entries])
