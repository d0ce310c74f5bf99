"""One consistent state of a database, held open for several sessions, and one backup of it at a time.

The session that exports the snapshot also holds an advisory lock, and before it takes the snapshot it locks the tables,
so that what they hold cannot be taken from under it. All of that ends with the session, however it ends, so there is no
stale lock to clean up.
"""

from __future__ import annotations

import contextlib
from datetime import datetime

from ..errors import BackupError, PreflightError, SourceError
from .connection import APPLICATION_NAME, ConnectionOptions, connect
from .locking import lock_tables, tables_to_hold
from .messages import server_message
from .names import TableName
from .rights import may_dump
from .session_lock import Holder, LockHeld, SessionLock, describe, take_lock
from .types import Connection

STEP = "take the snapshot"
BACKUP_LOCK = 1
"""Number of the lock of a backup, see :mod:`session_lock`; each database has its own."""

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_WAL_POSITION = """CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
     ELSE pg_catalog.pg_current_wal_lsn() END::text"""


class LockBusy(PreflightError):
    """Another backup of the same database is running.

    :param holder: who makes it; None if they ended while we asked.
    :ivar pid: of their session on the server.
    :ivar since: when that session began, where the server tells.
    """

    def __init__(self, database: str, holder: Holder | None) -> None:
        if holder is None:
            message, hint = f"another backup of {database!r} was running a moment ago", "run it again"
        else:
            message = f"another backup of {database!r} is running ({holder})"
            hint = f"wait until it has ended; if it hangs, or is no backup, end that session: {holder.remedy}"
        super().__init__("lock the database", message, hint=hint)
        self.pid = holder and holder.pid
        self.since = holder and holder.since


class Snapshot:
    """Takes the locks and the snapshot when it is entered, and gives them back at the end.

    Its own session should stay idle (read by :attr:`reader` or :meth:`attach`), so that :meth:`verify` answers at
    once.

    :param lock_timeout: seconds that a session of this snapshot waits for a locked table; None waits for ever.
    """

    id: str
    time: datetime
    """When it was taken, by the server's clock, UTC."""
    wal_lsn: str | None
    """The server's position in its write-ahead log right then, where it tells."""
    held: frozenset[TableName]
    """Tables that stay as they are, but for their rows, from before the snapshot to its end."""
    reader: Connection
    """A session like those of :meth:`attach` that has locked these, too: whoever waits to change one does not keep it
    from reading."""
    connection: Connection
    lock: SessionLock

    def __init__(
        self,
        options: ConnectionOptions,
        *,
        lock_timeout: float | None = None,
        application_name: str = APPLICATION_NAME,
    ) -> None:
        self._options = options
        self._lock_timeout = lock_timeout
        self._application_name = application_name
        self._sessions: list[Connection] = []

    def __enter__(self) -> Snapshot:
        from psycopg2 import Error

        self.connection = connect(
            self._options, application_name=self._application_name, lock_timeout=self._lock_timeout
        )
        self._sessions = [self.connection]
        try:
            self._options = self._options.pinned(self.connection)
            self._take_lock()
            self._take_snapshot()
            self.reader = self.attach()
            self._sessions.append(self.reader)
            lock_tables(self.reader, sorted(self.held))
        except Error as error:
            self.close()
            raise SourceError(STEP, server_message(error)) from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    @property
    def options(self) -> ConnectionOptions:
        """Connection options that lead to the very server of the snapshot, past any balancer."""
        return self._options

    @property
    def lock_warning(self) -> str | None:
        """Who would keep backups of the database from being made, and was passed over; None where nobody would."""
        if not self.lock.passed_over:
            return None
        return (
            f"the lock of a backup of {self._options.database!r} is held by a session that cannot make one, and "
            f"was ignored: {describe(self.lock.passed_over)}"
        )

    def attach(self) -> Connection:
        """A further session that sees the same state; close it after use."""
        return attach(self._options, self.id, application_name=self._application_name, lock_timeout=self._lock_timeout)

    def verify(self) -> None:
        """Raise :class:`SourceError` if the session has ended or lost its lock: what was read may not be whole."""
        from psycopg2 import Error
        from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

        try:
            held = self.lock.is_held(self.connection)
        except Error as error:
            raise SourceError("keep the snapshot", f"its session was lost: {server_message(error)}") from None
        if not held:
            raise SourceError("keep the snapshot", "its session lost the lock on the database")
        if self.connection.info.transaction_status != TRANSACTION_STATUS_INTRANS:
            raise SourceError("keep the snapshot", "its transaction has ended")

    def still_held(self) -> bool:
        """Whether the session, its snapshot and its lock still exist."""
        try:
            self.verify()
        except BackupError:
            return False
        return True

    def close(self) -> None:
        """End the sessions, and with them snapshot and locks; safe to call twice."""
        for session in self._sessions:
            with contextlib.suppress(Exception):
                session.close()

    def _take_lock(self) -> None:
        try:
            self.lock = take_lock(self.connection, BACKUP_LOCK, may_dump)
        except LockHeld as held:
            raise LockBusy(self._options.database, held.holder) from None

    def _take_snapshot(self) -> None:
        position = _WAL_POSITION if self._reports_position() else "NULL"
        tables = tables_to_hold(self.connection)
        with self.connection.cursor() as cursor:
            cursor.execute(_BEGIN)
            # A transaction's snapshot is that of its first query, which LOCK is not: whoever has exchanged or emptied a
            # table that was waited for is seen.
            self.held = frozenset(lock_tables(self.connection, tables))
            cursor.execute(f"SELECT pg_catalog.pg_export_snapshot(), pg_catalog.clock_timestamp(), {position}")
            row = cursor.fetchone()
            if row is None:
                raise AssertionError("the query returned no row")
            self.id, self.time, self.wal_lsn = row

    def _reports_position(self) -> bool:
        """Some managed servers have no such position to tell; then the snapshot goes without it."""
        from psycopg2 import Error

        try:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SELECT {_WAL_POSITION}")
        except Error:
            if self.connection.closed:
                raise
            return False
        return True


def attach(
    options: ConnectionOptions,
    snapshot_id: str,
    *,
    application_name: str = APPLICATION_NAME,
    lock_timeout: float | None = None,
) -> Connection:
    """A session, in a read-only transaction, that sees what the snapshot's owner sees; close it after use."""
    from psycopg2 import Error

    try:
        connection = connect(options, application_name=application_name, lock_timeout=lock_timeout)
    except PreflightError as error:
        raise SourceError(error.step, error.message, hint=error.hint) from None
    try:
        with connection.cursor() as cursor:
            cursor.execute(_BEGIN)
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot_id])
    except Error as error:
        connection.close()
        raise SourceError("join the snapshot", server_message(error)) from None
    return connection
