"""Two databases exchange their names in one transaction: whoever is cut off meanwhile leaves the old state or the new.

``ALTER DATABASE ... RENAME`` takes a lock that new connections wait for, and gives those that are there five seconds to
leave. Ended by a second session meanwhile, they do, and nobody gets in before the transaction ends: nothing has to be
switched off that a killed client could leave behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....errors import BackupError
from ....postgres.connection import ConnectionOptions, connect
from ....postgres.messages import server_message
from ....postgres.types import Composable, Connection
from ....texts import bounded_list
from ..sessions import end_session, sessions
from .creating import comment_on

STEP = "exchange the databases"
_ATTEMPTS = 3
_END_AGAIN = 0.05
"""Seconds between two rounds of ending what is still connected."""

_IN_USE = "55006"
_LOCKED = "55P03"


@dataclass(frozen=True)
class DatabaseRename:
    """Which databases are renamed, with their comments and further statements.

    :param current: the name that both want.
    :param renamed_to: what the database that has the name now will be called; None where there is none.
    :param incoming: the database that gets the name.
    :param note: the comment of the one that is set aside.
    :param comment: the comment of the one that comes in.
    :param before: further statements, on the databases' names before the exchange.
    :param after: statements on their names after it.
    """

    current: str
    renamed_to: str | None
    incoming: str
    note: str | None = None
    comment: str | None = None
    before: Sequence[Composable] = ()
    after: Sequence[Composable] = ()

    def statements(self) -> Iterable[Composable]:
        """All statements of the transaction, in their order."""
        from psycopg2 import sql

        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        yield from self.before
        yield comment_on(self.incoming, self.comment)
        if self.renamed_to is not None:
            yield comment_on(self.current, self.note)
            yield rename.format(sql.Identifier(self.current), sql.Identifier(self.renamed_to))
        yield rename.format(sql.Identifier(self.incoming), sql.Identifier(self.current))
        yield from self.after


class _SessionEnder:
    """Ends the sessions in some databases again and again, in a thread of its own."""

    def __init__(self, options: ConnectionOptions, databases: Sequence[str]) -> None:
        self._databases = databases
        self._connection = connect(options)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="end sessions", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_details: object) -> None:
        self._done.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        from psycopg2 import Error

        while not self._done.is_set():
            try:
                for name in self._databases:
                    for pid, _user, _application in sessions(self._connection, name):
                        end_session(self._connection, pid)
            except Error:
                return
            self._done.wait(_END_AGAIN)


def rename_databases(
    connection: Connection, options: ConnectionOptions, plan: DatabaseRename, *, end_connections: bool
) -> None:
    """Rename the databases in one transaction, and try again while other sessions are in the way.

    :param connection: the maintenance session, outside any transaction.
    :param options: how to open a second one.
    :param end_connections: whether sessions in the databases are ended; otherwise any of them is an error.
    :raises BackupError: it could not be done; everything is as it was.
    """
    names = [plan.incoming] if plan.renamed_to is None else [plan.current, plan.incoming]
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if end_connections:
                with _SessionEnder(options, names):
                    _in_one_transaction(connection, plan)
            else:
                _in_one_transaction(connection, plan)
        except _Busy as busy:
            if attempt == _ATTEMPTS or not end_connections:
                raise busy.busy_error(connection, names) from None
            time.sleep(_END_AGAIN)
        else:
            return


class _Busy(Exception):
    """Other sessions are connected to a database that is renamed."""

    def busy_error(self, connection: Connection, names: Sequence[str]) -> BackupError:
        who = [
            f"pid {pid} (role {user!r}, application {application!r})"
            for name in names
            for pid, user, application in sessions(connection, name)
        ]
        holders = bounded_list(who) if who else "the other sessions have ended by now"
        return BackupError(
            STEP,
            f"{self.args[0]}: {holders}",
            hint="everything is as it was; end these sessions, or set end_connections: true with a role that may",
        )


def _in_one_transaction(connection: Connection, plan: DatabaseRename) -> None:
    from psycopg2 import Error

    with connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN")
            for statement in plan.statements():
                cursor.execute(statement)
            cursor.execute("COMMIT")
        except Error as error:
            message, code = server_message(error), error.pgcode
            if connection.closed:
                raise BackupError(
                    STEP,
                    f"the connection was lost: {message}",
                    hint=f"look which databases there are: {plan.current!r} is either the old or the restored one",
                ) from None
            cursor.execute("ROLLBACK")
            if code in (_IN_USE, _LOCKED):
                raise _Busy(message) from None
            raise BackupError(STEP, message, hint="everything is as it was") from None
