"""Bringing a table back: definitions, rows, and everything around, in one transaction."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ....errors import SourceError
from ....postgres.archive import Section, TocEntry, object_name
from ....postgres.archive.encodings import codec_of
from ....postgres.names import IDENTIFIER, TableName, display_name, unquote
from ..columns import Matching
from ..comparing import compare_rows
from ..muted_calls import mute_calls
from ..request import TableRequest
from ..session import LockedError, Session
from ..swap.lock_holders import describe_holders
from ..swap.privileges import Granted
from ..swap.schema_dump import Tools, script_of
from ..waiting import in_turns, set_lock_timeout
from .loaded_trees import compare_trees
from .lost_objects import REFRESH, SEQUENCE_VALUE, TABLES, entry_title
from .plan import RecreatePlan
from .undo_record import UndoRecord, write_undo_record

STEP = "make what belongs to the table"
_LOCK_TIMEOUT = re.compile(r"^SET lock_timeout = .*;\n", re.MULTILINE)
"""Of a script by pg_restore: what the session has otherwise."""
_GRANTS = "ACL"
_ATTACH = "TABLE ATTACH"
_INDEX_ATTACHED = re.compile(rf"ALTER INDEX ({IDENTIFIER})\.({IDENTIFIER}) ATTACH PARTITION ")
_CONSTRAINT = re.compile(rf"ALTER TABLE ONLY {IDENTIFIER}\.{IDENTIFIER}\s+ADD CONSTRAINT ({IDENTIFIER}) ")
_MODES = ("", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE")
_HINT = (
    "nothing was changed; correct that first, or name the object in expected_differences to leave it out, or in "
    "entry_search_path where it does not find what is there"
)
_OWNED = """
SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
"""


@dataclass(frozen=True)
class Recreated:
    """What was brought back.

    :param rows: of each table.
    """

    rows: dict[TableName, int]
    warnings: tuple[str, ...] = ()


def recreate(session: Session, plan: RecreatePlan, request: TableRequest, tools: Tools) -> Recreated:
    """Recreate the table and its objects, up to but without the commit."""
    making = _Making(session, plan, request, tools)
    granted = Granted(session)
    stages = Stages.of(plan)
    mute_calls(session, plan.calls)
    making.run(stages.first, STEP)
    mute_calls(session, plan.calls)
    rows, warnings = making.load()
    making.run(stages.values, "set the sequences")
    making.run(stages.own, "build the indexes and constraints")
    making.lock_others(stages.linking)
    making.run(stages.linking, "make what ties the table to others")
    for lost in plan.lost_objects.changed:
        with session.at(f"give back what {lost.name} has lost"):
            for statement in lost.statements:
                session.execute(statement)
    granted.reset_new()
    making.run(stages.grants, "grant the rights")
    making.refresh(stages.refreshed)
    with session.at("remember the restore"):
        write_undo_record(session, UndoRecord.of(session, plan))
    return Recreated(rows, tuple(warnings))


@dataclass(frozen=True)
class Stages:
    """What is made when; each in the backup's order.

    :param first: before the rows.
    :param values: of sequences.
    :param own: what touches nothing that was there.
    :param linking: what ties the tables to others, which wait meanwhile.
    """

    first: tuple[TocEntry, ...]
    values: tuple[TocEntry, ...]
    own: tuple[TocEntry, ...]
    linking: tuple[TocEntry, ...]
    grants: tuple[TocEntry, ...]
    refreshed: tuple[TocEntry, ...]

    @classmethod
    def of(cls, plan: RecreatePlan) -> Stages:
        """The entries in the stages in which they are created."""
        made = plan.lost_objects.made
        late = _late(plan)
        others = [one for one in made if one.desc not in (_GRANTS, REFRESH, SEQUENCE_VALUE)]
        early = {one.dump_id for one in others if one.section is Section.PRE_DATA} - late
        first = [one for one in others if one.dump_id in early]
        later = [one for one in others if one.dump_id not in early]
        linking = _linking_ids(plan, later, late)
        return cls(
            first=tuple(first),
            values=tuple(one for one in made if one.desc == SEQUENCE_VALUE),
            own=tuple(one for one in later if one.dump_id not in linking),
            linking=tuple(one for one in later if one.dump_id in linking),
            grants=tuple(one for one in made if one.desc == _GRANTS),
            refreshed=tuple(one for one in made if one.desc == REFRESH),
        )


def _late(plan: RecreatePlan) -> set[int]:
    """Partitions that are attached when they have their rows: meanwhile a default partition could not be read."""
    if any(table != through for table, through in plan.through.items()):
        return set()
    standing = _standing(plan)
    return {one.dump_id for one in plan.lost_objects.made if one.desc == _ATTACH and standing & set(one.dependencies)}


def _linking_ids(plan: RecreatePlan, later: Sequence[TocEntry], late: set[int]) -> set[int]:
    """The dump ids of objects that link the tables to others, and of those that depend on them."""
    standing, by_id = _standing(plan), plan.toc.by_id
    partitions = {dump_id for one in late for dump_id in by_id[one].dependencies}
    linking = set(late)
    indexes = {(one.namespace, _index_of(one)) for one in later if one.desc in ("INDEX", "CONSTRAINT")}
    for one in later:
        needs = set(one.dependencies)
        if (match := _INDEX_ATTACHED.match(one.defn)) and (unquote(match[1]), unquote(match[2])) in indexes:
            # It makes the index of a partition whole. When that is attached, the server makes another one otherwise.
            continue
        of_parent = late and one.desc == "TRIGGER" and partitions & needs
        if of_parent or not standing.isdisjoint(needs) or not linking.isdisjoint(needs):
            linking.add(one.dump_id)
    return linking


def _index_of(entry: TocEntry) -> str:
    """The name of the index of an INDEX or CONSTRAINT, whose tag begins with the name of its table."""
    match = _CONSTRAINT.match(entry.defn)
    return unquote(match[1]) if match else entry.tag


def _standing(plan: RecreatePlan) -> set[int]:
    """The dump ids of the backup's tables that exist in the database."""
    ours = {one.dump_id for one in plan.lost_objects.made}
    return {one.dump_id for one in plan.toc.entries if one.desc in TABLES and one.dump_id not in ours}


class _Making:
    def __init__(self, session: Session, plan: RecreatePlan, request: TableRequest, tools: Tools) -> None:
        self._session = session
        self._plan = plan
        self._lock_timeout = request.lock_timeout
        self._tools = tools
        self._paths = request.search_paths
        self._codec = codec_of(next((one.defn for one in plan.toc.entries if one.desc == "ENCODING"), ""))

    def run(self, entries: Collection[TocEntry], step: str) -> None:
        """Create the objects of these entries."""
        for path, run in groupby(entries, key=lambda entry: self._paths(object_name(entry))):
            self._run(list(run), path, step)

    def load(self) -> tuple[dict[TableName, int], list[str]]:
        """The rows of every table, compared with what the manifest tells of them."""
        from psycopg2 import sql

        rows, warnings = {}, []
        for table, backup in self._plan.rows.items():
            columns = backup.rows.columns
            into = sql.Identifier(*self._plan.through[table])
            path = self._paths(f"TABLE {'.'.join(table)}")
            with self._session.at(f"load the rows of {display_name(table)}"), self._finding(path):
                rows[table] = backup.rows.copy_into(self._session, into, columns)
            if self._plan.through[table] == table:
                matching = Matching(columns, tuple((name, name) for name in columns))
                warnings += compare_rows(self._session, table, rows[table], backup, matching)
            warnings += backup.passed_over
        compare_trees(self._session, self._plan, rows)
        return rows, list(dict.fromkeys(warnings))

    def lock_others(self, linking: Iterable[TocEntry]) -> None:
        """Lock the tables that were there and get something, all before the first of them."""
        from psycopg2 import sql

        modes = self._modes(linking)
        if not modes:
            return
        oids: list[int] = []

        def lock() -> None:
            for table, mode in sorted(modes.items()):
                oid = self._session.value(_OWNED, table)
                if oid is not None:
                    oids.append(oid)
                    statement = sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(sql.Identifier(*table), sql.SQL(mode))
                    self._session.execute(statement)

        with self._session.at("lock the tables around"):
            in_turns(
                self._session,
                lock,
                what=f"what is tied to {self._plan.name}",
                lock_timeout=self._lock_timeout,
                holders=lambda: [line for oid in dict.fromkeys(oids) for line in describe_holders(self._session, oid)],
            )
            set_lock_timeout(self._session, self._lock_timeout)

    def refresh(self, entries: Sequence[TocEntry]) -> None:
        """Fill materialized views as anybody would who refreshes them: policies decide what their owners see."""
        if not entries:
            return
        self._set("row_security", "on")
        for entry in entries:
            name = object_name(entry)
            with self._explained(f"fill {entry_title(entry)}"), self._finding(self._paths(name)):
                self._session.execute(entry.defn)
        self._set("row_security", "off")

    def _run(self, entries: Sequence[TocEntry], path: str, step: str) -> None:
        pieces: list[bytes] = []
        ids = {one.dump_id for one in entries}
        self._plan.archive.source(ids, data=False, search_path=path).run(pieces.append)
        script = script_of(b"".join(pieces), entries, self._tools, self._codec)
        with self._explained(step):
            self._session.execute(_LOCK_TIMEOUT.sub("", script, count=1).encode("utf-8", "surrogateescape"))
            self._set("search_path", "")

    @contextlib.contextmanager
    def _explained(self, step: str) -> Iterator[None]:
        """Add to an error within the block what the user can do."""
        with self._session.at(step):
            try:
                yield
            except LockedError:
                raise
            except SourceError as error:
                raise SourceError(error.step, f"{self._plan.name}: {error.message}", hint=error.hint or _HINT) from None

    @contextlib.contextmanager
    def _finding(self, path: str) -> Iterator[None]:
        """Set the search path within the block."""
        if path:
            self._set("search_path", path)
        yield
        if path:
            self._set("search_path", "")

    def _modes(self, linking: Iterable[TocEntry]) -> dict[TableName, str]:
        """The locks that these entries and what tables have lost will take."""
        standing, by_id = _standing(self._plan), self._plan.toc.by_id
        wanted: dict[TableName, int] = {}
        for entry in linking:
            for dump_id in standing & set(entry.dependencies):
                table = (by_id[dump_id].namespace, by_id[dump_id].tag)
                wanted[table] = max(wanted.get(table, 0), _strength(entry, table))
        names = {lost.name for lost in self._plan.lost_objects.changed}
        wanted |= {(one.namespace, one.tag): len(_MODES) - 1 for one in by_id.values() if object_name(one) in names}
        return {table: _MODES[strength] for table, strength in wanted.items() if strength}

    def _set(self, name: str, value: str) -> None:
        self._session.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])


def _strength(entry: TocEntry, table: TableName) -> int:
    """Which of :data:`_MODES` making *entry* takes of a table that it depends on."""
    if entry.desc == "FK CONSTRAINT":
        return 1
    if not entry.tag.startswith(f"{table[1]} "):
        return 0
    return 1 if entry.desc == "TRIGGER" else 2
