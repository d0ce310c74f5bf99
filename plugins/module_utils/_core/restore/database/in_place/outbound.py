"""What calls out, around a restore in place: quiet from its beginning until somebody starts it again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ....errors import BackupError
from ....postgres.archive import Section, Toc, TocEntry, object_name
from ....postgres.archive.extract import ALWAYS_KEPT
from ....postgres.connection import ConnectionOptions, connect
from ....postgres.messages import database_errors
from ....postgres.types import Composable, Connection
from ...outbound.muting import giving_back_script, muting_script
from ...outbound.paused_objects import Paused, paused_in, paused_in_comment
from ...outbound.pausing import NOTHING_PAUSED, last_script, look, pause_before_restore, pausing_script
from ...outbound.resuming import resume
from ..plan import RestorePlan
from ..target import elsewhere

STEP = "pause what calls out"
_COMMENT = """
SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database
WHERE datname = pg_catalog.current_database()
"""
_AT_WORK = """
SELECT FROM pg_catalog.pg_stat_subscription w JOIN pg_catalog.pg_subscription s ON s.oid = w.subid
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database() AND NOT s.subenabled AND w.pid IS NOT NULL
"""
_SECONDS, _AGAIN = 10.0, 0.05
"""How long an apply worker may take to notice that its subscription is disabled, and how often it is looked for."""
_OUT_OF_ORDER = ("ACL", "BLOB METADATA", "DATABASE", "DATABASE PROPERTIES", "DEFAULT ACL", "SCHEMA")
"""Kinds whose entries pg_restore carries out elsewhere, or not as they are written."""
_SWITCHED = {"EVENT TRIGGER": "", "RULE": " RULE", "TRIGGER": " TRIGGER"}
_STATES = {"O": "", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


class Outbound:
    """Keeps the database of a restore in place from calling out; an object is used once.

    :ivar paused: how it ended.
    """

    def __init__(self, plan: RestorePlan) -> None:
        self._plan = plan
        self._options = elsewhere(plan.options, plan.target.name)
        self._lock_timeout = plan.request.lock_timeout
        self._active = plan.request.outbound == "active"
        self._toc = plan.contents.toc
        clearing = plan.clearing
        kept = () if clearing is None else clearing.extra_objects.kept
        self._put_back = frozenset(map(object_name, kept))
        self._unfilled = () if clearing is None else clearing.unfilled
        self._comment: str | None = None
        self._known: tuple[Paused, ...] = ()
        self.paused = NOTHING_PAUSED

    @contextlib.contextmanager
    def paused_meanwhile(self) -> Iterator[None]:
        """Stop jobs and subscriptions before the transaction, as they would wait for its end and then go on.

        What was stopped goes on if the block fails, unless the database may be the restored one. Whoever is cut off
        leaves it paused, which the database remembers.
        """
        if self._active:
            yield
            return
        with _into(self._options, self._lock_timeout) as connection:
            before = _comment(connection)
            found = pause_before_restore(connection, before)
            self._comment, self._known = _comment(connection), found.paused
            _wait_for_workers(connection)
        try:
            yield
        except BaseException as error:
            if isinstance(error, BackupError) and error.changed:
                raise
            with contextlib.suppress(BackupError), _into(self._options, self._lock_timeout) as connection:
                stopped = [one for one in found.paused if one not in paused_in_comment(before)]
                resume(connection, _comment(connection), only=stopped)
            raise

    def first(self) -> list[Composable]:
        """The statements with which the transaction begins."""
        return [] if self._active else [pausing_script(self._known), *self._foreign_tables(refused=True)]

    def _foreign_tables(self, *, refused: bool) -> Iterator[Composable]:
        from psycopg2 import sql

        for name, value in self._plan.session_settings:
            yield sql.SQL("SET LOCAL {} TO {};\n").format(sql.Identifier(name), sql.Literal(value if refused else ""))

    def muted(self, ids: Sequence[int]) -> dict[int, str]:
        """Definitions of some of the backup's entries with statements around them that mute what calls out.

        It is muted as soon as all functions are there, before any row, and its own again before an event trigger is.

        :param ids: what is carried out, in that order.
        """
        toc, plan = self._toc, self._plan
        if self._active or toc is None:
            return {}
        restored_entries = (toc.by_id[dump_id] for dump_id in ids)
        entries = [one for one in restored_entries if one.defn.strip() and one.desc not in ALWAYS_KEPT]
        needed = plan.forecast.called_at_load
        mute = muting_script(raising=not needed, needed=needed)
        statements = {one.dump_id: f"{mute}\n{one.defn}" for one in entries if one.dump_id in plan.computed_tables}
        plain = [one for one in entries if one.section is Section.PRE_DATA and one.desc not in _OUT_OF_ORDER]
        for one in plain[-1:]:
            statements[one.dump_id] = f"{statements.get(one.dump_id, one.defn)}\n{mute}"
        for one in [one for one in entries if one.desc == "EVENT TRIGGER"][:1]:
            statements[one.dump_id] = f"{giving_back_script()}\n{one.defn}"
        return statements

    def between(self) -> list[Composable]:
        """What comes behind the backup's own statements: its event triggers are there."""
        from psycopg2 import sql

        if self._active:
            return []
        return [sql.SQL(giving_back_script()), pausing_script(), *self._foreign_tables(refused=False)]

    def before_comparison(self) -> list[Composable]:
        """What keeps the planner, which evaluates constant parts, from calling out while rows are counted."""
        from psycopg2 import sql

        needed = self._plan.forecast.called_at_load
        return [sql.SQL(muting_script(raising=False, needed=needed))] if needed else []

    def last(self) -> list[Composable]:
        """The statements to run before the COMMIT."""
        from psycopg2 import sql

        if self._active:
            return []
        # What is taken down and put up again is another object of the same name.
        anew = [one for one in self._known if one.entry in self._put_back]
        unfilled = [*self._plan.forecast.unfilled, *self._unfilled]
        return [sql.SQL(giving_back_script()), last_script(self._comment, [*paused_in(self._toc), *anew, *unfilled])]

    def look(self) -> None:
        """Read what is paused in the database after the commit."""
        if not self._active:
            with _into(self._options, self._lock_timeout) as connection:
                self.paused = look(connection, paused_in_comment(_comment(connection)))

    def as_before(self, toc: Toc, dumped: Toc) -> Toc:
        """The objects of the database as they are when what is paused is started again.

        :param dumped: what the backup has: a trigger of a partition is an entry only if it is not in its table's state.
        """
        asleep = {object_name(entry) for entry in dumped.entries if _disables(entry)}
        paused = {one.entry: one for one in self.paused.paused if one.entry not in asleep}
        there = {object_name(entry) for entry in toc.entries}
        states = [
            entry
            for entry in dumped.entries
            if object_name(entry) in paused.keys() - there and entry.defn.startswith("\nALTER ")
        ]
        return replace(
            toc, entries=(*(_awake(entry, paused.get(object_name(entry))) for entry in toc.entries), *states)
        )


def _disables(entry: TocEntry) -> bool:
    """Whether the entry creates the object disabled."""
    return entry.desc in _SWITCHED and f" DISABLE{_SWITCHED[entry.desc]}" in entry.defn.rpartition("\nALTER ")[2]


def _awake(entry: TocEntry, paused: Paused | None) -> TocEntry:
    """An object without the statement behind it that disables it, or with that which says its state."""
    if paused is None or not _disables(entry):
        return entry
    begin, statement, end = entry.defn.rpartition("\nALTER ")
    kind = _SWITCHED[entry.desc]
    state = _STATES[paused.state]
    if not state:
        return replace(entry, defn=begin.rstrip("\n") + "\n")
    return replace(entry, defn=begin + statement + end.replace(f" DISABLE{kind}", f" {state}{kind}"))


@contextlib.contextmanager
def _into(options: ConnectionOptions, lock_timeout: int) -> Iterator[Connection]:
    with database_errors(STEP), contextlib.closing(connect(options, lock_timeout=lock_timeout)) as connection:
        yield connection


def _comment(connection: Connection) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(_COMMENT)
        row = cursor.fetchone()
    return None if row is None else row[0]


def _wait_for_workers(connection: Connection) -> None:
    """Until no subscription of the database that is disabled has a worker, or for as long as that is worth."""
    until = time.monotonic() + _SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(_AT_WORK)
            if not cursor.rowcount:
                return
            time.sleep(_AGAIN)
