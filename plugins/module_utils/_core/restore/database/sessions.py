"""Who is connected to a database, and how to end that."""

from __future__ import annotations

from ...postgres.types import Connection

# Of other people's sessions a role may not be told the kind; an autovacuum worker, which leaves by itself, has no user.
_IN_DATABASE = """
a.datname = %s AND a.pid <> pg_catalog.pg_backend_pid()
AND CASE WHEN a.backend_type IS NULL THEN a.usesysid IS NOT NULL ELSE a.backend_type <> 'autovacuum worker' END
"""
_SESSIONS = f"""
SELECT a.pid, a.usename, a.application_name FROM pg_catalog.pg_stat_activity a
WHERE {_IN_DATABASE} ORDER BY a.backend_start, a.pid
"""  # noqa: S608 - made of constants
_UNENDABLE = f"""
SELECT a.pid, a.usename FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
WHERE {_IN_DATABASE}
  AND NOT pg_catalog.pg_has_role(r.oid, 'USAGE')
  AND (r.rolsuper OR NOT pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
ORDER BY a.pid
"""  # noqa: S608 - made of constants


def sessions(connection: Connection, database: str) -> list[tuple[int, str | None, str | None]]:
    """Who is connected to a database: process id, role, application."""
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, [database])
        return list(cursor.fetchall())


def unendable(connection: Connection, database: str) -> list[str]:
    """The sessions in the database that the role may not end."""
    with connection.cursor() as cursor:
        cursor.execute(_UNENDABLE, [database])
        return [f"pid {pid} (role {user})" for pid, user in cursor.fetchall()]


def end_session(connection: Connection, pid: int) -> bool:
    """End one session; return False if the role may not."""
    from psycopg2 import errors

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [pid])
    except errors.InsufficientPrivilege:
        return False
    return True
