"""What keeps a restore off a database: another restore of it, or a backup."""

from __future__ import annotations

import contextlib

from ...errors import PreflightError
from ...postgres.connection import ConnectionOptions, connect
from ...postgres.rights import may_dump
from ...postgres.session_lock import LockHeld, any_holder, describe, take_lock, who_holds
from ...postgres.snapshot import BACKUP_LOCK
from ...postgres.types import Connection, Cursor
from .target import STEP, elsewhere

_LOCK_NUMBER = "SELECT pg_catalog.hashtext(%s)"
# What :func:`strategies.choose_strategy` asks of a role; also while the database is being exchanged, and so not there.
_MAY_RESTORE = """
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_database d ON d.datname = %(name)s
  WHERE pg_catalog.pg_has_role(%(role)s::bigint::oid, r.oid, 'MEMBER')
    AND (r.rolsuper OR CASE WHEN d.oid IS NULL THEN r.rolcreatedb
                            ELSE pg_catalog.pg_has_role(r.oid, d.datdba, 'USAGE') END)
)
"""


def lock_target(connection: Connection, name: str) -> list[str]:
    """Keep other restores of the same database away for as long as this session lasts.

    :return: warnings about strangers who would keep it from us.
    :raises PreflightError: somebody who could restore it has the lock.
    """

    def may_restore(cursor: Cursor, role: int) -> bool:
        cursor.execute(_MAY_RESTORE, {"name": name, "role": role})
        found = cursor.fetchone()
        return found is not None and bool(found[0])

    with connection.cursor() as cursor:
        cursor.execute(_LOCK_NUMBER, [name])
        row = cursor.fetchone()
    if row is None:
        raise AssertionError("the query returned no row")
    try:
        lock = take_lock(connection, row[0], may_restore)
    except LockHeld as held:
        hint = "nothing was touched; wait until it has ended"
        if held.holder is None:
            raise PreflightError(STEP, f"another restore of database {name!r} is running", hint=hint) from None
        raise PreflightError(
            STEP,
            f"another restore of database {name!r} is running ({held.holder})",
            hint=f"{hint}; if it hangs, or is no restore, end that session: {held.holder.remedy}",
        ) from None
    if not lock.passed_over:
        return []
    holder = describe(lock.passed_over)
    return [f"the lock of a restore of {name!r} is held by a session that cannot make one, and was ignored: {holder}"]


def refuse_running_backup(connection: Connection, options: ConnectionOptions, name: str) -> None:
    """Raise an error if the database is being backed up.

    :param connection: to any database of its server.
    :param options: how to reach the database itself.
    :raises PreflightError: names the session that makes the backup.
    """
    holder = any_holder(connection, BACKUP_LOCK, name)
    if holder is None:
        return
    # Whether that is a stranger can be asked in the database alone; where nobody gets in any more it stays open.
    with contextlib.suppress(PreflightError), contextlib.closing(connect(elsewhere(options, name))) as session:
        holder = who_holds(session, BACKUP_LOCK, may_dump)
    if holder is not None:
        raise PreflightError(
            STEP,
            f"a backup of database {name!r} is running ({holder})",
            hint=f"nothing was touched; wait until it has ended; if it hangs, or is no backup, end that session: "
            f"{holder.remedy}",
        )
