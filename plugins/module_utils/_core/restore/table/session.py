"""The one session in which a table is restored: one transaction, every statement of which passes through here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from ...errors import BackupError, SourceError
from ...postgres.messages import server_message
from ...postgres.names import TableName
from ...postgres.types import Composable, Connection, Cursor, Error

STEP = "restore the table"
Parameters = Optional[Union[Sequence[object], Mapping[str, object]]]  # noqa: UP007, UP045 - ansible-test takes | for a sum
_FOREIGN_KEY = "23503"
_LOCKED = ("55P03", "40P01")
"""lock_not_available and deadlock_detected: appendix A of PostgreSQL's documentation."""


class LockedError(SourceError):
    """Somebody else holds what the statement needs."""


class BrokenKey(SourceError):
    """A row refers to a row that does not exist.

    :ivar table: whose row it is.
    :ivar constraint: the foreign key's name.
    """

    table: TableName = ("", "")
    constraint = ""


class Session:
    """A transaction on *connection*; :meth:`commit` ends it well, leaving the block otherwise undoes everything."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.step = STEP

    def __enter__(self) -> Session:
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE")
        return self

    def __exit__(self, *_: object) -> None:
        from psycopg2 import Error
        from psycopg2.extensions import TRANSACTION_STATUS_IDLE

        with contextlib.suppress(Error):
            if not self.connection.closed and self.connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                self.connection.cursor().execute("ROLLBACK")

    def commit(self) -> None:
        """Make everything visible at once.

        :raises SourceError: the server undid everything instead, or is gone and nobody knows what it did.
        """
        try:
            self.execute("COMMIT")
        except SourceError as error:
            if not self.connection.closed:
                raise
            raise SourceError(
                "commit the restore",
                f"the connection was lost before the server answered: {error.message}",
                hint="either everything was changed or nothing; check which, or run it again, which does no harm",
            ) from None

    def execute(self, statement: str | bytes | Composable, parameters: Parameters = None) -> Cursor:
        """Execute one statement, or several that have no parameters.

        :raises LockedError: a lock was not to be had in time.
        :raises SourceError: whatever else the server says.
        """
        from psycopg2 import Error

        try:
            cursor = self.connection.cursor()
            cursor.execute(statement, parameters)
        except Error as error:
            raise explained(error, self.step) from None
        return cursor

    def rows(self, statement: str | Composable, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """The rows that one statement returns."""
        return self.execute(statement, parameters).fetchall()

    def value(self, statement: str | Composable, parameters: Parameters = None) -> Any:
        """The first column of the first row; None if there is no row."""
        found = self.rows(statement, parameters)
        return found[0][0] if found else None

    @contextlib.contextmanager
    def at(self, step: str) -> Iterator[None]:
        """Errors within the block name this step."""
        before, self.step = self.step, step
        try:
            yield
        finally:
            self.step = before

    @contextlib.contextmanager
    def savepoint(self, name: str) -> Iterator[None]:
        """Undo the block's changes if it fails."""
        self.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BackupError:
            if not self.connection.closed:
                self.execute(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        self.execute(f"RELEASE SAVEPOINT {name}")


def explained(error: Error, step: str) -> BackupError:
    """The server's error as an error of this product."""
    if error.pgcode in _LOCKED:
        return LockedError(step, server_message(error), hint="try again when the other session has ended")
    hint = None
    if error.pgcode == "42501":
        hint = "connect as the owner of the table, or as a superuser; nothing was changed"
    message = server_message(error)
    if constraint := (error.diag.constraint_name if error.pgcode else None):
        message += f" (constraint {constraint})" if constraint not in message else ""
    if error.pgcode == _FOREIGN_KEY:
        broken = BrokenKey(step, message, hint=hint)
        broken.table = (error.diag.schema_name or "", error.diag.table_name or "")
        broken.constraint = constraint or ""
        return broken
    return SourceError(step, message, hint=hint)
