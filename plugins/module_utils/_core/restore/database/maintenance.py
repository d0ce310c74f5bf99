"""Maintenance mode: nobody but superusers gets into a database, and whoever is in it has to leave.

What the limit of connections was before is remembered in a setting of the database itself, so that whoever switches the
mode off need not know it, and a dump of the database's contents does not carry it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import BackupError, PreflightError
from ...postgres.connection import ConnectionOptions
from ...postgres.messages import server_message
from ...postgres.types import Composable
from .sessions import end_session, sessions
from .target import ExistingDatabase, open_maintenance, read_target

STEP = "switch the maintenance mode"
MARK = "mobul.connection_limit"
"""The setting that remembers the limit; there while the mode is on."""


def remembered_limit(existing: ExistingDatabase) -> int | None:
    """The limit of connections from before the maintenance mode; None where it is not on."""
    found = next((one.value for one in existing.settings if one.name == MARK and one.role is None), None)
    return None if found is None else int(found)


def leave_maintenance(name: str, existing: ExistingDatabase) -> Iterator[Composable]:
    """The statements that end the mode of database *name*; none where it is not on."""
    from psycopg2 import sql

    limit = remembered_limit(existing)
    if limit is None:
        return
    target = sql.Identifier(name)
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(target, sql.Literal(limit))
    yield sql.SQL("ALTER DATABASE {} RESET {}").format(target, sql.SQL(MARK))


def _enter(name: str, existing: ExistingDatabase) -> Iterator[Composable]:
    from psycopg2 import sql

    if remembered_limit(existing) is not None:
        return
    target = sql.Identifier(name)
    limit = sql.Literal(str(existing.connection_limit))
    yield sql.SQL("ALTER DATABASE {} SET {} TO {}").format(target, sql.SQL(MARK), limit)
    yield sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(target)


def run_maintenance_mode(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Carry out ``maintenance_mode`` and return its result."""
    options = ConnectionOptions.parse(params)
    name, on = options.database, params["state"] == "on"
    connection = open_maintenance(options, params["maintenance_db"], params["lock_timeout"])
    try:
        target = read_target(connection, name)
        existing = target.database
        if existing is None:
            raise PreflightError(STEP, f"there is no database {name!r}", hint="check login_db")
        statements = list(_enter(name, existing) if on else leave_maintenance(name, existing))
        ended = 0
        warnings = []
        if on and not target.superuser:
            # The limit does not count for superusers only: it would lock out the restore itself.
            statements = []
            warnings.append(
                f"role {target.role!r} is no superuser: sessions are ended, but new ones cannot be kept out of {name!r}"
            )
        there = sessions(connection, name) if on else []
        if not check_mode:
            _execute(connection, statements)
            ended = sum(end_session(connection, pid) for pid, _user, _application in there)
        message = f"maintenance mode of {name!r} is {params['state']}, {ended} sessions ended"
        return {"changed": bool(statements or there), "ended": ended, "summary": [message], "warnings": warnings}
    finally:
        connection.close()


def _execute(connection: Any, statements: list[Composable]) -> None:
    from psycopg2 import Error

    with connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN")
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("COMMIT")
        except Error as error:
            raise BackupError(STEP, server_message(error)) from None
