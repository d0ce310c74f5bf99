"""Pausing what calls out: statements for a transaction, so that nobody ever sees it awake.

Event triggers come first, as what is paused after them would wake them. A trigger of a partition is an object of its
own, which has a state of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...postgres.messages import database_errors
from ...postgres.types import Composable, Connection, Cursor
from . import kinds
from .paused_objects import (
    Paused,
    as_json,
    comment_with_paused,
    comment_without_paused,
    line_before,
    names_of,
    paused_in_comment,
)
from .statements import DUE, HUSH, PAUSE_ALL, PAUSE_OBJECTS, REMEMBER

STEP = "pause what calls out"

_RESTING = """
SELECT s.subname, s.subslotname, s.oid::bigint FROM pg_catalog.pg_subscription s
JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database() AND NOT s.subenabled ORDER BY s.subname
"""
_PAUSED_AND_AWAKE = "SELECT pg_catalog.current_setting('mobul.paused'), pg_catalog.current_setting('mobul.awake')"


@dataclass(frozen=True)
class Pausing:
    """What was paused, and what could not be.

    :param paused: what does nothing any more until it is resumed.
    :param resting: subscriptions that are disabled by themselves, as a dump makes them.
    :param awake: what calls out and could not be paused: another role's, or nothing that can be switched off.
    """

    paused: tuple[Paused, ...] = ()
    awake: tuple[Paused, ...] = ()
    resting: tuple[Paused, ...] = ()

    def warnings(self) -> Iterator[str]:
        """Warnings about objects that still call out, or that were paused."""
        if self.paused:
            yield (
                f"paused, as it would mail, call or replicate: {names_of(self.paused)}: restore_database with state "
                "resumed (restore_state=resumed) starts it again"
            )
        if self.resting:
            yield f"disabled, as a dump makes them: {names_of(self.resting)}: docs/restore.md says how they go on"
        if self.awake:
            yield f"calls out and could not be paused: {names_of(self.awake)}"


NOTHING_PAUSED = Pausing()


def pause(connection: Connection, of_set: Sequence[Paused] = ()) -> Pausing:
    """Pause whatever calls out in a database that nobody uses yet.

    :param connection: into it, outside any transaction.
    :param of_set: what was paused in the database that was backed up, so that it is not forgotten.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        _set(cursor, "mobul.of_set", as_json(of_set))
        found = replace(_run(cursor, PAUSE_ALL), resting=resting(cursor))
        cursor.execute("COMMIT")
    return found


def look(connection: Connection, paused: tuple[Paused, ...]) -> Pausing:
    """What a database is like in which all is paused that can be; nothing is changed.

    :param paused: what it remembers of that.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        names = {one.name for one in paused if one.kind == kinds.SUBSCRIPTION}
        disabled = tuple(one for one in resting(cursor) if one.name not in names)
        cursor.execute("BEGIN")
        found = _run(cursor, PAUSE_ALL)
        cursor.execute("ROLLBACK")
    return Pausing(paused, found.awake, disabled)


def resting(cursor: Cursor) -> tuple[Paused, ...]:
    """The subscriptions of the database that are disabled."""
    cursor.execute(_RESTING)
    return tuple(
        Paused(kinds.SUBSCRIPTION, "", "", name, "disabled", f"has the slot {slot!r} at its publisher", oid)
        for name, slot, oid in cursor.fetchall()
    )


def pause_before_restore(connection: Connection, comment: str | None) -> Pausing:
    """Stop what runs by itself in a database that is in use: jobs and subscriptions; and remember it there.

    :param comment: the database's.
    :return: all that is paused then, what was before among it.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        _set(cursor, "mobul.paused", as_json(paused_in_comment(comment)))
        found = _run(cursor, HUSH)
        if found.paused != paused_in_comment(comment):
            cursor.execute(comment_on_database(cursor, comment_with_paused(comment, found.paused)))
        cursor.execute("COMMIT")
    return found


def comment_on_database(cursor: Cursor, comment: str | None) -> Composable:
    """The statement that sets the comment of the session's database."""
    from psycopg2 import sql

    cursor.execute("SELECT pg_catalog.current_database()")
    row = cursor.fetchone()
    name = sql.Identifier("" if row is None else row[0])
    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(comment))


def pausing_script(known: Sequence[Paused] = ()) -> Composable:
    """The statements within a transaction that pause triggers, rules and event triggers.

    :param known: what is paused already, at the transaction's beginning.
    """
    from psycopg2 import sql

    begun = sql.SQL("SET LOCAL mobul.paused TO {};\n").format(sql.Literal(as_json(known))) if known else sql.SQL("")
    return sql.SQL("").join([begun, sql.SQL(DUE), sql.SQL(PAUSE_OBJECTS)])


def last_script(comment: str | None, of_set: Sequence[Paused]) -> Composable:
    """The statements at the end of a transaction that pause all there is, and remember it.

    :param comment: the database's.
    :param of_set: as of :func:`pause`.
    """
    from psycopg2 import sql

    before = comment_without_paused(comment)
    values = {"mobul.of_set": as_json(of_set), "mobul.comment": before or "", "mobul.line": line_before(before)}
    settings = [
        sql.SQL("SET LOCAL {} TO {};\n").format(sql.Identifier(name), sql.Literal(value))
        for name, value in values.items()
    ]
    return sql.SQL("").join([*settings, sql.SQL(DUE), sql.SQL(PAUSE_ALL), sql.SQL(REMEMBER)])


def _set(cursor: Cursor, name: str, value: str) -> None:
    cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])


def _run(cursor: Cursor, block: str) -> Pausing:
    cursor.execute(block)
    cursor.execute(_PAUSED_AND_AWAKE)
    row = cursor.fetchone()
    paused, awake = ("[]", "[]") if row is None else row
    return Pausing(tuple(map(Paused.parse, json.loads(paused))), tuple(map(Paused.parse, json.loads(awake))))
