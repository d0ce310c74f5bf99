"""What is different where the server is a standby: it breaks sessions off that are in the primary's way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import BackupError, PreflightError
from .connection import ConnectionOptions, connect
from .types import Cursor

_CONFLICTS = """
SELECT coalesce(pg_catalog.sum(confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock), 0)
FROM pg_catalog.pg_stat_database_conflicts WHERE datname = pg_catalog.current_database()
"""
_SETTINGS = """
SELECT pg_catalog.current_setting('hot_standby_feedback')::boolean,
       pg_catalog.current_setting('max_standby_streaming_delay')
"""
_FOR_EVER = "-1"
_REMEDY = (
    "set hot_standby_feedback = on or a longer max_standby_streaming_delay (-1 waits for ever) on the standby, or back "
    "up from the primary"
)


def in_recovery(cursor: Cursor) -> bool:
    """Whether the server is a standby."""
    cursor.execute("SELECT pg_catalog.pg_is_in_recovery()")
    row = cursor.fetchone()
    return row is not None and bool(row[0])


def refuse_standby(cursor: Cursor, step: str) -> None:
    """Refuse a server in recovery, for whoever is to change something.

    :raises PreflightError: nothing can be changed there.
    """
    if in_recovery(cursor):
        message = "the server is a standby, in which nothing can be changed"
        raise PreflightError(step, message, hint="nothing was touched; connect to its primary")


def standby_warnings(cursor: Cursor) -> list[str]:
    """What may break a long read off, on a server in recovery."""
    cursor.execute(_SETTINGS)
    row = cursor.fetchone()
    if row is None or row[0] or row[1] == _FOR_EVER:
        return []
    return [
        f"the server is a standby, where a session that reads rows which the primary has removed is cancelled "
        f"after {row[1]} (max_standby_streaming_delay): {_REMEDY}"
    ]


@contextlib.contextmanager
def conflicts_named(options: ConnectionOptions, *, in_recovery: bool) -> Iterator[None]:
    """Say of an error within the block where a conflict with recovery was what ended it.

    What the server says comes in its own language, and not at all to a session that was idle; its count of them tells.
    """
    before = _conflicts(options) if in_recovery else 0
    try:
        yield
    except BackupError as error:
        if in_recovery and _conflicts(options) > before:
            error.explain("the standby cancelled a session that was in its way: a conflict with recovery", _REMEDY)
        raise


def _conflicts(options: ConnectionOptions) -> int:
    """How many there have been in the database; 0 where nobody can tell."""
    from psycopg2 import Error

    with contextlib.suppress(Error, BackupError):
        connection = connect(options)
        try:
            with connection.cursor() as cursor:
                cursor.execute(_CONFLICTS)
                row = cursor.fetchone()
                return int(row[0]) if row is not None else 0
        finally:
            connection.close()
    return 0
