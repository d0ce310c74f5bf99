"""What belongs to a table or depends on it, told by pg_dump: which of it is built anew with the table, and which is
dropped and made again around it.

Whatever is neither is refused by name before anything is touched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ....errors import FormatError, PreflightError
from ....postgres.archive import Toc, TocEntry
from ....texts import bounded_list
from ..session import Session
from ..target import Target
from .statements import QualifiedName

STEP = "check what depends on the table"
PG_CLASS = 1259
"""OID of pg_class itself, the same on every server."""

CARRIED = frozenset(
    {
        "ACL",
        "COMMENT",
        "FK CONSTRAINT",
        "FUNCTION",
        "INDEX ATTACH",
        "MATERIALIZED VIEW",
        "POLICY",
        "PROCEDURE",
        "PUBLICATION TABLE",
        "ROW SECURITY",
        "RULE",
        "SECURITY LABEL",
        "STATISTICS",
        "TABLE ATTACH",
        "TRIGGER",
        "VIEW",
    }
)
"""Kinds of entries that can be dropped and made again as pg_dump wrote them."""
_GRANTS = "ACL"
_ROUTINES = ("FUNCTION", "PROCEDURE")

# Catalogue and OID of the table's own parts.
_OWN = """
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid::bigint, indexrelid::bigint
FROM pg_catalog.pg_index WHERE indrelid = %(oid)s
UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid::bigint, oid::bigint
FROM pg_catalog.pg_constraint WHERE conrelid = %(oid)s AND contype <> 'f'
UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::oid::bigint, oid::bigint
FROM pg_catalog.pg_attrdef WHERE adrelid = %(oid)s
"""
# Parts of views that pg_dump writes down like parts of tables.
_OF_VIEWS = """
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid::bigint, i.indexrelid::bigint
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid WHERE c.relkind = 'm'
UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::oid::bigint, d.oid::bigint
FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid WHERE c.relkind = 'v'
"""
# What a body reads is bound anew when it is written anew; a row's type in the signature would make another routine.
_REBINDABLE = """
SELECT p.oid::bigint FROM pg_catalog.pg_proc p, pg_catalog.pg_class c JOIN pg_catalog.pg_type t ON t.oid = c.reltype
WHERE c.oid = %(oid)s AND p.prosqlbody IS NOT NULL
  AND NOT ARRAY[t.oid, t.typarray] && (coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype)
"""
_BODIES_SINCE = 140000
_POPULATED = "SELECT oid::bigint FROM pg_catalog.pg_class WHERE relkind = 'm' AND relispopulated"
_CLONES = "SELECT oid::bigint FROM pg_catalog.pg_trigger WHERE tgparentid <> 0"

Objects = Collection[tuple[int, int]]
"""OID of the catalogue, OID of the object."""


@dataclass(frozen=True)
class Catalogue:
    """What of the catalogue decides how an entry is treated.

    :param own: the table's own indexes, constraints, defaults and identity sequences.
    :param of_views: indexes of materialized views, defaults of views.
    :param serials: sequences that a column owns, but that are more than a part of it.
    :param populated: materialized views that can be read.
    :param clones: triggers that a partition has from its parent.
    :param rebindable: routines whose body the server has parsed, and whose signature has nothing of the table.
    """

    own: Objects
    of_views: Objects = frozenset()
    serials: Collection[int] = frozenset()
    populated: Collection[int] = frozenset()
    clones: Collection[int] = frozenset()
    rebindable: Collection[int] = frozenset()

    @classmethod
    def read(cls, session: Session, target: Target) -> Catalogue:
        """Read the state of the system catalogs."""
        own = set(session.rows(_OWN, {"oid": target.oid}))
        return cls(
            own=own | {(PG_CLASS, one.oid) for one in target.sequences if one.identity},
            of_views=set(session.rows(_OF_VIEWS)),
            serials={one.oid for one in target.sequences if not one.identity},
            populated={oid for (oid,) in session.rows(_POPULATED)},
            clones={oid for (oid,) in session.rows(_CLONES)},
            rebindable=_rebindable(session, target),
        )


@dataclass(frozen=True)
class Dependents:
    """The plan of what happens around the table; all in pg_dump's order.

    :param table: the entry of the table itself.
    :param built: its own parts, built with the new table.
    :param carried: what is dropped and made again as it is written.
    :param kept: sequences that stay and are given to the new table, as the entries that say so.
    :param refresh: materialized views that have to be filled again.
    :param undroppable: those of *carried* that go with something else.
    :param rebound: routines that stay, and whose bodies are written anew when the table is another.
    """

    table: TocEntry
    name: QualifiedName
    built: tuple[TocEntry, ...]
    carried: tuple[TocEntry, ...]
    kept: tuple[TocEntry, ...]
    refresh: tuple[QualifiedName, ...]
    undroppable: frozenset[int]
    rebound: tuple[TocEntry, ...] = ()

    @property
    def definitions(self) -> list[int]:
        """Dump ids of what is made again, without grants."""
        return [entry.dump_id for entry in self.carried if entry.desc != _GRANTS]

    @property
    def grants(self) -> list[int]:
        """The dump ids of the grants."""
        return [entry.dump_id for entry in self.carried if entry.desc == _GRANTS]


def find_entry(toc: Toc, target: Target) -> TocEntry:
    """The table's own entry.

    :raises FormatError: pg_dump did not see it.
    """
    for entry in toc.entries:
        if entry.table_oid == PG_CLASS and entry.oid == target.oid:
            return entry
    raise FormatError(STEP, f"pg_dump knows nothing of {target.name}", hint="does it belong to an extension?")


def classify(toc: Toc, target: Target, catalogue: Catalogue) -> Dependents:
    """Sort the objects that belong to the table or depend on it by how they are carried over.

    :raises PreflightError: naming everything that cannot be carried over.
    """
    table = find_entry(toc, target)
    name = QualifiedName.parse(table.drop_stmt.removeprefix("DROP TABLE ").removesuffix(";\n"))
    reached, serials, rebound = _reach(toc, table, catalogue)
    built, carried, refused = [], [], []
    for entry in toc.entries:
        if entry.dump_id not in reached or entry.dump_id in rebound:
            continue
        key = (entry.table_oid, entry.oid)
        if key in catalogue.own:
            built.append(entry)
        elif entry.desc in CARRIED or key in catalogue.of_views:
            carried.append(entry)
        else:
            refused.append(entry)
    if refused:
        titles = bounded_list([f"{entry.desc.lower()} {_entry_title(entry)}" for entry in refused])
        raise PreflightError(
            STEP,
            f"strategy swap cannot carry over what depends on {target.name}: {titles}",
            hint="use strategy: merge or replace; nothing was touched",
        )
    _refuse_loops([table, *built], carried, target)
    return Dependents(
        table=table,
        name=name,
        built=tuple(built),
        carried=tuple(carried),
        kept=tuple(e for e in toc.entries if e.desc == "SEQUENCE OWNED BY" and serials & set(e.dependencies)),
        refresh=tuple(_view_name(e) for e in carried if _is_populated(e, catalogue)),
        undroppable=frozenset(e.dump_id for e in carried if e.desc == "TRIGGER" and e.oid in catalogue.clones),
        rebound=tuple(e for e in toc.entries if e.dump_id in rebound),
    )


def reachable(toc: Toc, start: Collection[int]) -> set[int]:
    """Dump ids of everything that depends on one of *start*, and those themselves."""
    return _closure(toc.dependents, start, frozenset())


def _reach(toc: Toc, table: TocEntry, catalogue: Catalogue) -> tuple[set[int], set[int], set[int]]:
    """What depends on the table, without the sequences that stay; those; and routines that stay and are bound anew.

    Nothing that depends on such a routine has to go, unless the routine itself reads something that does.
    """
    serials = {e.dump_id for e in toc.entries if e.table_oid == PG_CLASS and e.oid in catalogue.serials}
    dependents = toc.dependents
    stay = {e.dump_id for e in toc.entries if e.desc in _ROUTINES and e.oid in catalogue.rebindable}
    while True:
        reached = _closure(dependents, [table.dump_id], serials, stay)
        going = reached - stay - {table.dump_id}
        lost = {dump_id for dump_id in stay & reached if going.intersection(toc.by_id[dump_id].dependencies)}
        if not lost:
            return reached - {table.dump_id}, serials, stay & reached
        stay -= lost


def _rebindable(session: Session, target: Target) -> set[int]:
    if session.connection.server_version < _BODIES_SINCE:
        return set()
    return {oid for (oid,) in session.rows(_REBINDABLE, {"oid": target.oid})}


def _closure(
    dependents: Mapping[int, Sequence[int]],
    start: Collection[int],
    without: Collection[int],
    ends: Collection[int] = frozenset(),
) -> set[int]:
    """*start* and everything that depends on it.

    :param without: what does not count.
    :param ends: what counts, and nothing that depends on it.
    """
    reached, waiting = set(start), list(start)
    while waiting:
        for dump_id in dependents.get(waiting.pop(), ()):
            if dump_id not in reached and dump_id not in without:
                reached.add(dump_id)
                waiting += [] if dump_id in ends else [dump_id]
    return reached


def _refuse_loops(parts: Sequence[TocEntry], carried: Sequence[TocEntry], target: Target) -> None:
    routines = {entry.dump_id: entry for entry in carried if entry.desc in _ROUTINES}
    for part in parts:
        for dump_id in part.dependencies:
            if dump_id in routines:
                raise PreflightError(
                    STEP,
                    f"strategy swap cannot carry over {part.desc.lower()} {_entry_title(part)}, which needs the "
                    f"function {_entry_title(routines[dump_id])}, which itself needs {target.name}",
                    hint="use strategy: merge or replace; nothing was touched",
                )


def _is_populated(entry: TocEntry, catalogue: Catalogue) -> bool:
    return entry.desc == "MATERIALIZED VIEW" and entry.oid in catalogue.populated


def _view_name(entry: TocEntry) -> QualifiedName:
    return QualifiedName.parse(entry.drop_stmt.removeprefix("DROP MATERIALIZED VIEW ").removesuffix(";\n"))


def _entry_title(entry: TocEntry) -> str:
    tag = entry.tag if entry.tag.isprintable() else repr(entry.tag)
    return f"{entry.namespace}.{tag}" if entry.namespace else tag
