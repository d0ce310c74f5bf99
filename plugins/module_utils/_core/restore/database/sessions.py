"""Who is connected to a database, and how to end that."""

from __future__ import annotations

from ...postgres.types import Connection

_SESSIONS = """
SELECT pid, usename, application_name FROM pg_catalog.pg_stat_activity
WHERE datname = %s AND pid <> pg_catalog.pg_backend_pid() AND backend_type <> 'autovacuum worker'
ORDER BY backend_start, pid
"""


def sessions(connection: Connection, database: str) -> list[tuple[int, str | None, str | None]]:
    """Who is connected to a database: process id, role, application."""
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, [database])
        return list(cursor.fetchall())


def end_session(connection: Connection, pid: int) -> bool:
    """End one session, where the role may."""
    from psycopg2 import errors

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [pid])
    except errors.InsufficientPrivilege:
        return False
    return True
