"""What a restore has paused is started again: exactly that, as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...errors import BackupError
from ...postgres.messages import server_message
from ...postgres.types import Composable, Connection, Cursor
from . import kinds
from .paused_objects import Paused, comment_with_paused, names_of, paused_in_comment
from .pausing import comment_on_database, resting
from .statements import HARMLESS

STEP = "resume what was paused"
_ASLEEP = {
    kinds.TRIGGER: """SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = %(relation)s AND t.tgname = %(name)s AND t.tgenabled = 'D'""",
    kinds.RULE: """SELECT FROM pg_catalog.pg_rewrite t JOIN pg_catalog.pg_class c ON c.oid = t.ev_class
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = %(relation)s AND t.rulename = %(name)s AND t.ev_enabled = 'D'""",
    kinds.EVENT_TRIGGER: "SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = %(name)s AND evtenabled = 'D'",
    kinds.SUBSCRIPTION: """SELECT FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
        WHERE d.datname = pg_catalog.current_database() AND s.subname = %(name)s AND NOT s.subenabled""",
    kinds.MATERIALIZED_VIEW: """SELECT FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND c.relkind = 'm' AND NOT c.relispopulated""",
}

_HARMLESS = f"SELECT FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass(%s) AND {HARMLESS}"


@dataclass(frozen=True)
class Resumed:
    """What was resumed, and what could not be.

    :param resumed: what acts again, or in check mode would.
    :param gone: what is not there any more, or was started by somebody else.
    """

    resumed: tuple[Paused, ...] = ()
    gone: tuple[Paused, ...] = ()
    warnings: tuple[str, ...] = ()


def resume(
    connection: Connection, comment: str | None, *, only: Sequence[Paused] | None = None, check_mode: bool = False
) -> Resumed:
    """Start what the database's comment says is paused, and forget it, in one transaction.

    :param connection: into the database, outside any transaction.
    :param only: these alone; the rest stays paused and remembered.
    :raises BackupError: one of them cannot be started; all stay paused.
    """
    from psycopg2 import Error

    paused = paused_in_comment(comment)
    wanted = paused if only is None else tuple(one for one in paused if one in only)
    # Event triggers last: what is altered after them would wake them. Before them what cannot be taken back.
    wanted = tuple(
        sorted(wanted, key=lambda one: (one.kind == kinds.EVENT_TRIGGER, one.kind == kinds.MATERIALIZED_VIEW))
    )
    found: list[Paused] = []
    empty: dict[Paused, str] = {}
    one = None
    with connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN")
            for one in wanted:
                cursor.execute("SAVEPOINT started")
                try:
                    if _start(cursor, one, check_mode):
                        found.append(one)
                except Error as error:
                    if one.kind != kinds.MATERIALIZED_VIEW:
                        raise
                    # Another server may not answer: nothing else waits for that.
                    cursor.execute("ROLLBACK TO SAVEPOINT started")
                    empty[one] = server_message(error)
            one = None
            if wanted:
                rest = [other for other in paused if other not in wanted or other in empty]
                cursor.execute(comment_on_database(cursor, comment_with_paused(comment, rest)))
            cursor.execute("ROLLBACK" if check_mode else "COMMIT")
            left = tuple(_subscriptions(cursor, {one.name for one in found if one.kind == kinds.SUBSCRIPTION}))
        except Error as error:
            about = "" if one is None else f"{one}: "
            raise BackupError(
                STEP,
                f"{about}{server_message(error)}",
                hint="nothing was started; connect as a role that owns it, or as a superuser",
            ) from None
    gone = tuple(other for other in wanted if other not in found and other not in empty)
    warnings = [f"not paused any more, or gone: {names_of(gone)}"] if gone else []
    warnings += [f"{other} stays empty and paused, as it cannot be filled: {why}" for other, why in empty.items()]
    return Resumed(tuple(found), gone, (*warnings, *left))


def _start(cursor: Cursor, one: Paused, check_mode: bool) -> bool:
    """Resume one object; return whether it was paused."""
    from psycopg2 import sql

    names = {"schema": one.schema, "relation": one.relation, "name": one.name}
    if one.kind == kinds.JOB:
        return _start_job(cursor, one)
    cursor.execute(_ASLEEP[one.kind], names)
    if not cursor.rowcount:
        return False
    name = sql.Identifier(one.name)
    statement: Composable
    if one.kind == kinds.SUBSCRIPTION:
        statement = sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(name)
    elif one.kind == kinds.MATERIALIZED_VIEW:
        if check_mode:
            return True
        statement = sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(one.schema, one.name))
    elif one.kind == kinds.EVENT_TRIGGER:
        statement = sql.SQL("ALTER EVENT TRIGGER {} {}").format(name, sql.SQL(kinds.STATES[one.state]))
    else:
        table = sql.Identifier(one.schema, one.relation)
        action = sql.SQL(f"{kinds.STATES[one.state]} {one.kind.upper()}")
        statement = sql.SQL("ALTER TABLE ONLY {} {} {}").format(table, action, name)
    cursor.execute(statement)
    return True


def _start_job(cursor: Cursor, one: Paused) -> bool:
    """A row of a scheduler; pg_cron has a function for those who may not write into its table."""
    from psycopg2 import sql

    table = sql.Identifier(one.schema, one.relation)
    cursor.execute(_HARMLESS, [table.as_string(cursor)])
    columns = kinds.SCHEDULERS.get((one.schema, one.relation))
    if not cursor.rowcount or columns is None:
        return False
    key, flag = sql.Identifier(columns[0]), sql.Identifier(columns[2])
    asleep = sql.SQL("SELECT FROM ONLY {} WHERE {}::text = {} AND NOT {}")
    cursor.execute(asleep.format(table, key, sql.Literal(one.name), flag))
    if not cursor.rowcount:
        return False
    cursor.execute("SELECT pg_catalog.has_table_privilege(%s, 'UPDATE')", [table.as_string(cursor)])
    row = cursor.fetchone()
    if row is not None and row[0]:
        update = sql.SQL("UPDATE ONLY {} SET {} = true WHERE {}::text = {}")
        cursor.execute(update.format(table, flag, key, sql.Literal(one.name)))
    else:
        cursor.execute("SELECT cron.alter_job(job_id := %s, active := true)", [int(one.name)])
    return True


def _subscriptions(cursor: Cursor, resumed: set[str]) -> Iterator[str]:
    """Subscriptions that no restore has paused: a dump makes them disabled, and does not tell whether they were."""
    if resumed:
        yield (
            f"enabled again: {', '.join(sorted(resumed))}: tables that the restore has made anew get nothing before "
            "TRUNCATE and ALTER SUBSCRIPTION ... REFRESH PUBLICATION, which copies everything"
        )
    for one in resting(cursor):
        if one.name not in resumed:
            yield (
                f"subscription {one.name!r} is disabled, as a dump makes it, and {one.why}: "
                "docs/restore.md says how it goes on"
            )
