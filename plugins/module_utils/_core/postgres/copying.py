"""A table or a query as a stream of CSV or JSON, made by the server's COPY.

CSV is RFC 4180 with a header line; NULL is empty, the empty text is ``""``. JSON is one array with one row a line.
Both are UTF-8; only from a database without an encoding (SQL_ASCII) does CSV come as the bytes that are stored.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import Cancelled, ConfigError, SourceError
from ..stream.pipeline import Emit
from ..texts import bounded_list
from .any_bytes import script_encoding, server_encoding
from .foreign_code import ReadRelation, refuse_foreign_code, relations_locked_by
from .json_rows import json_rows
from .locking import lock_trees
from .messages import server_message
from .names import TableName, display_name
from .pooler import server_pid
from .row_pieces import JsonArray, Pieces
from .selection import STEP, Selection
from .tables import RELATIONS, TableInfo, find_table, user_tables
from .types import Composable, Connection, Cursor, Error
from .unchanged import refuse_changed, relation_states

_CANCEL_AGAIN = 0.5

_CSV = "COPY (\n@select\n) TO STDOUT (FORMAT csv, HEADER true, ENCODING '@encoding')"
# JSON rows hold no control characters: with these for delimiter and quote, the lines of CSV are the rows as they are.
_JSON = "COPY (\n@select\n) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', ENCODING '@encoding')"
# The server's own parser decides whether a text is one statement: a cursor takes no more than one.
_SET_STATEMENT = "SELECT pg_catalog.set_config('mobul.statement', %s, true)"
_OPEN_STATEMENT = """DO LANGUAGE plpgsql $mobul$
DECLARE one refcursor;
BEGIN
  OPEN one NO SCROLL FOR EXECUTE pg_catalog.current_setting('mobul.statement');
  CLOSE one;
END $mobul$"""
# Parsed and rewritten, but not planned: what it names is locked, and what a view of that reads, and nothing runs.
_PARSE_STATEMENT = """DO LANGUAGE plpgsql $mobul$
BEGIN
  DEALLOCATE ALL;
  EXECUTE 'PREPARE mobul_parsed AS ' || pg_catalog.current_setting('mobul.statement');
  DEALLOCATE ALL;
END $mobul$"""

_COLUMNS = """
SELECT a.attname FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_ASKED_WRONGLY = ("0A", "22", "25", "42")
"""Classes of SQLSTATEs that say that the statement cannot be right; of others, the server may be to blame."""

_HINTS = {
    "42P01": "write tables with their schema, for example public.orders: the search_path is empty",
    "42883": "write functions that are not PostgreSQL's own with their schema: the search_path is empty",
    "42704": "write types that are not PostgreSQL's own with their schema: the search_path is empty",
    "42P11": "exactly one SELECT, without a semicolon",
    "42601": "exactly one SELECT, without a semicolon; of where, the condition alone",
    "25006": "an export only reads",
    "42501": "the role needs SELECT on what is exported, and BYPASSRLS where row level security limits it",
}


@dataclass(frozen=True)
class CopyQuery:
    """A COPY statement for an export, checked against the database.

    :param name: for messages and progress.
    :param select: the query whose rows are copied.
    :param encoding: of what comes, as the server calls it.
    :param table: None for a query.
    :param relations: everything that is read, as far as was known when it was checked.
    """

    name: str
    select: str
    data_format: str
    encoding: str
    table: TableName | None = None
    relations: tuple[TableName, ...] = ()


def prepare_copy(
    connection: Connection,
    wanted: Selection,
    *,
    name: str | None = None,
    relations: Sequence[TableInfo] | None = None,
) -> CopyQuery:
    """Find what is to be exported and let the server check it, without reading a row.

    A partitioned table is exported with its partitions, any other without its children.

    :param connection: in autocommit mode, in no transaction.
    :param name: for messages; by default the table's.
    :param relations: what :func:`user_tables` gave for :data:`RELATIONS`, to save asking again.
    :raises ConfigError: no such table or column, or its query or condition is not one statement that only reads.
    :raises PreflightError: to read it would run code of somebody else, see :mod:`foreign_code`.
    """
    from psycopg2 import Error

    select, found = wanted.query or "", None
    try:
        if wanted.table is not None:
            known = user_tables(connection, relkinds=RELATIONS) if relations is None else relations
            info = find_table(wanted.table, known)
            found = info.table
            select = _select(connection, info, wanted.columns, wanted.where)
        read = _check_select(connection, select, wanted.data_format)
    except Error as error:
        raise _rejected(name or (display_name(found) if found else "the query"), error) from None
    encoding = "UTF8" if wanted.data_format == "json" else script_encoding(server_encoding(connection))
    title = name or (display_name(found) if found else "query")
    return CopyQuery(title, select, wanted.data_format, encoding, found, read)


def _copy_statement(connection: Connection, query: CopyQuery) -> str:
    if query.data_format == "json":
        form, select = _JSON, json_rows(connection, query.select)
    else:
        form, select = _CSV, query.select
    return form.replace("@encoding", query.encoding).replace("@select", select)


def _select(connection: Connection, info: TableInfo, columns: Sequence[str] | None, where: str | None) -> str:
    from psycopg2 import sql

    names: Composable = sql.SQL("*")
    if columns is not None:
        _check_columns(connection, info.table, columns)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
    only = sql.SQL("ONLY " if info.relkind == "r" else "")
    select = sql.SQL("SELECT {} FROM {}{}").format(names, only, sql.Identifier(*info.table)).as_string(connection)
    # The line break ends a comment, with which the condition may end.
    return select if where is None else f"{select} WHERE (\n{where}\n)"


def _check_columns(connection: Connection, table: TableName, columns: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, table)
        known = [name for (name,) in cursor.fetchall()]
    if missing := [name for name in columns if name not in known]:
        raise ConfigError(
            STEP,
            f"{display_name(table)} has no column {bounded_list(list(map(repr, missing)))}",
            hint=f"it has {bounded_list(known, limit=50)}",
        )


def _check_select(connection: Connection, select: str, data_format: str) -> tuple[TableName, ...]:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN READ ONLY")
        try:
            relations = _admit(connection, connection, select)
            _open(cursor, select)
            # Alone it may end with a semicolon, or write in a WITH clause; what it is put into takes neither.
            _open(cursor, f"SELECT * FROM (\n{select}\n) AS r")  # noqa: S608 - checked by the line above
            if data_format == "json":
                _open(cursor, json_rows(connection, select))
        finally:
            if not connection.closed:
                cursor.execute("ROLLBACK")
    return tuple(one.table for one in relations)


def _admit(connection: Connection, look: Connection, select: str) -> list[ReadRelation]:
    """Lock everything that *select* reads, before it is planned, and refuse what would run code of others.

    :param look: a session that sees the catalogue as it is now.
    :return: what was locked.
    """
    with connection.cursor() as cursor, look.cursor() as looking:
        # The planner evaluates constraints, too, to see whether a partition can be left out.
        cursor.execute("SELECT pg_catalog.set_config('constraint_exclusion', 'off', true)")
        cursor.execute(_SET_STATEMENT, [select])
        cursor.execute(_PARSE_STATEMENT)
        pid = server_pid(connection)
        named = relations_locked_by(looking, pid)
        refuse_foreign_code(named)
        lock_trees(connection, [one.table for one in named if one.relkind in "rp"])
        relations = relations_locked_by(looking, pid)
        refuse_foreign_code(relations)
        return relations


def _open(cursor: Cursor, select: str) -> None:
    cursor.execute(_SET_STATEMENT, [select])
    cursor.execute(_OPEN_STATEMENT)


def _rejected(name: str, error: Error) -> ConfigError | SourceError:
    code = error.pgcode or ""
    kind = ConfigError if code[:2] in _ASKED_WRONGLY else SourceError
    return kind(STEP, f"{name}: {server_message(error)}", hint=_HINTS.get(code))


class TableSource:
    """The rows of an export as the source of a pipeline; use it once. :attr:`rows` is there when it has run.

    :param open_session: makes the session to read with, :meth:`Snapshot.attach` say. One that is in no transaction yet
        gets a read-only one, in which the rows are read as they are when everything is locked.
    :param keep_open: whether the session is left to whoever made it; by default it is closed at the end.
    :param look: a session outside any transaction, by which what a snapshot shows is compared with what there is now;
        where none is given, the session itself has to see that.
    """

    def __init__(
        self,
        open_session: Callable[[], Connection],
        query: CopyQuery,
        *,
        keep_open: bool = False,
        look: Connection | None = None,
    ) -> None:
        self.name = query.name
        self.rows = 0
        self._open_session = open_session
        self._query = query
        self._keep_open = keep_open
        self._look = look
        self._connection: Connection | None = None
        self._cancelled = False
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def run(self, emit: Emit) -> None:
        """Emit everything; raise :class:`SourceError` when the server did not say that it was all."""
        from psycopg2 import Error

        try:
            with self._lock:
                if self._cancelled:
                    raise Cancelled(f"export {self.name}")
            with contextlib.ExitStack() as stack:
                connection = self._open_session()
                if not self._keep_open:
                    stack.callback(connection.close)
                with self._lock:
                    self._connection = connection
                self._copy(connection, emit)
        except Error as error:
            if self._cancelled:
                raise Cancelled(f"export {self.name}") from None
            raise SourceError(
                f"export {self.name}", server_message(error), hint=_HINTS.get(error.pgcode or "")
            ) from None
        finally:
            self._ended.set()

    def cancel(self) -> None:
        """Cancel the statement on the server; returns at once."""
        with self._lock:
            first, self._cancelled = not self._cancelled, True
        if first and not self._ended.is_set():
            threading.Thread(target=self._keep_cancelling, name=f"cancel {self.name}", daemon=True).start()

    def _keep_cancelling(self) -> None:
        # A request that reaches the server between two statements has no effect, so one is not enough.
        from psycopg2 import Error

        while not self._ended.is_set():
            with self._lock:
                connection = self._connection
            if connection is not None:
                with contextlib.suppress(Error):
                    connection.cancel()
            self._ended.wait(_CANCEL_AGAIN)

    def _copy(self, connection: Connection, emit: Emit) -> None:
        from psycopg2.extensions import TRANSACTION_STATUS_IDLE

        receiver = JsonArray(emit, self.name) if self._query.data_format == "json" else Pieces(emit)
        look = self._look or connection
        with connection.cursor() as cursor:
            if connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
                cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY")
            relations = [one.table for one in _admit(connection, look, self._query.select)]
            refuse_changed(relation_states(connection, relations), relation_states(look, relations), relations)
            statement = _copy_statement(connection, self._query)
            if self._cancelled:
                raise Cancelled(f"export {self.name}")
            cursor.copy_expert(statement, receiver)
            self.rows = cursor.rowcount
        receiver.close()
