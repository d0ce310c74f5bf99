"""Who keeps a table locked so that it cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import SourceError
from .messages import server_message
from .names import display_name
from .types import Connection

_LIMIT = 20
# Only this mode keeps readers out. One that merely waits does too: readers queue up behind it.
_QUERY = """
SELECT l.pid, a.usename, a.application_name, n.nspname, c.relname, l.granted, a.xact_start,
       CASE WHEN l.granted THEN NULL ELSE pg_catalog.pg_blocking_pids(l.pid) END
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
  AND c.relkind IN ('r', 'p', 'S', 'm')
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY l.granted DESC, a.xact_start, l.pid, n.nspname, c.relname
LIMIT %s
"""


@contextlib.contextmanager
def blockers_named(connection: Connection) -> Iterator[None]:
    """Let the error of a lock that was waited for in vain name who holds it.

    :param connection: see :func:`describe_blockers`.
    """
    try:
        yield
    except SourceError as error:
        if (blocked := _naming_blocker(connection, error)) is None:
            raise
        raise blocked from error


def _naming_blocker(connection: Connection, error: SourceError) -> SourceError | None:
    # pg_dump waits under a statement timeout, and shows the statement.
    if "lock timeout" not in error.message and "LOCK TABLE" not in error.message:
        return None
    try:
        blockers = describe_blockers(connection)
    except SourceError:
        return None
    message = f"{error.message} [{'; '.join(blockers)}]" if blockers else error.message
    return SourceError(error.step, message, hint="end that session, or raise lock_timeout")


def describe_blockers(connection: Connection) -> list[str]:
    """One line for every session that keeps readers off a table of this database; never what it executes.

    :param connection: any session in the database; not inside a failed transaction.
    """
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            # Within a transaction the server would show what it showed the first time.
            cursor.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
            cursor.execute(_QUERY, [_LIMIT])
            rows = cursor.fetchall()
    except Error as error:
        raise SourceError("find who locks the tables", server_message(error)) from None
    lines = []
    for pid, user, application, schema, table, granted, since, behind in rows:
        who = [f"role {user!r}" if user else "", f"application {application!r}" if application else ""]
        session = f"pid {pid}" + "".join(f", {part}" for part in who if part)
        when = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""
        name = display_name((schema, table))
        if granted:
            lines.append(f"{session}: holds an exclusive lock on {name}{when}")
        else:
            others = ", ".join(map(str, behind)) or "nobody"
            lines.append(f"{session}: waits for an exclusive lock on {name} behind pid {others}{when}")
    return lines
