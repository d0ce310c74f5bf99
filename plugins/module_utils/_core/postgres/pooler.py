"""Telling a connection pooler from a server, and one that keeps sessions from one that does not.

A pooler makes up the process id that it tells its clients, so that it differs from what the server says.
Behind a transaction pooler two statements may run in two sessions, so there is neither a snapshot nor a lock.
"""

from __future__ import annotations

import selectors
import time

from ..errors import PreflightError
from .types import Connection

STEP = "check the connection"
TRANSACTION_PORT = 6543
"""Where Supabase (and by its example others) puts the transaction pooler."""

_PROBES = 3
_TIMEOUT = 10.0
_PID = "SELECT pg_catalog.pg_backend_pid()"
_known_to_keep_sessions: set[str] = set()


def is_pooled(connection: Connection) -> bool:
    """Whether something between us and the server makes up process ids."""
    return server_pid(connection) != connection.info.backend_pid


def refuse_transaction_pooler(connection: Connection, host: str, port: int, conninfo: str) -> None:
    """Raise :class:`PreflightError` if *connection* leads through a pooler that does not keep sessions.

    :param connection: a fresh session in autocommit mode, on which nothing has been set.
    :param conninfo: for further connections; they are only made if a pooler is there.
    """
    pooled = is_pooled(connection)
    if port == TRANSACTION_PORT and (pooled or "supabase" in host):
        raise _refused(host, port)
    target = f"{connection.info.user}@{host}:{port}/{connection.info.dbname}"
    if not pooled or target in _known_to_keep_sessions:
        return
    for _probe in range(_PROBES):
        if _shares_session(connection, conninfo, host, port):
            raise _refused(host, port)
    _known_to_keep_sessions.add(target)


def _shares_session(connection: Connection, conninfo: str, host: str, port: int) -> bool:
    """Whether a second client's transaction runs in the session that should be ours, or ours moves away from it."""
    import psycopg2

    ours = server_pid(connection)
    other = psycopg2.connect(conninfo, async_=True)
    try:
        _wait(other)
        theirs = _begin(other)
        shared = theirs in (ours, None) or server_pid(connection) != ours
    except TimeoutError:
        raise PreflightError(
            STEP,
            f"the pooler at {host}:{port} gave no second session within {_TIMEOUT:g} s",
            hint="a backup needs several sessions at once: enlarge the pool, or connect to the server itself",
        ) from None
    finally:
        other.close()
    return shared


def _begin(connection: Connection) -> int | None:
    """Begin a transaction and return the server's process id; None where the pooler allows no transaction."""
    import psycopg2

    try:
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; {_PID}")
            _wait(connection)
            row = cursor.fetchone()
    except psycopg2.Error:
        return None
    return None if row is None else int(row[0])


def _wait(connection: Connection) -> None:
    from psycopg2.extensions import POLL_OK, POLL_READ

    deadline = time.monotonic() + _TIMEOUT
    with selectors.DefaultSelector() as selector:
        while (state := connection.poll()) != POLL_OK:
            event = selectors.EVENT_READ if state == POLL_READ else selectors.EVENT_WRITE
            key = selector.register(connection.fileno(), event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            selector.unregister(key.fileobj)


def server_pid(connection: Connection) -> int:
    """The process id by which the server knows the session."""
    with connection.cursor() as cursor:
        cursor.execute(_PID)
        row = cursor.fetchone()
        if row is None:
            raise AssertionError("the query returned no row")
        return int(row[0])


def _refused(host: str, port: int) -> PreflightError:
    if port == TRANSACTION_PORT:
        hint = "use port 5432 (on Supabase the session pooler), or the database's direct host"
    else:
        hint = "connect to the server itself, on port 5432 as a rule, or to a pool in session mode"
    return PreflightError(
        STEP,
        f"{host or 'the server'}:{port} is a transaction pooler: a backup needs sessions that stay with one server "
        "process for its snapshot and its lock",
        hint=hint,
    )
