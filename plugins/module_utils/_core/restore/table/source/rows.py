"""Where rows come from, and how they get into a table: always by COPY, in pieces, never as a whole in memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

from ....errors import BackupError, FormatError, SourceError
from ....postgres.programs import Program
from ....postgres.types import Composable
from ....stream.pipeline import Source, as_backup_error
from ....stream.process import READ_BYTES, child_environment, describe_end, read_pipe, read_tail, start, widen_pipe
from ..session import Session, explained

STEP = "load the rows"
CSV_OPTIONS = "(FORMAT csv, HEADER true)"
"""How COPY reads the CSV files that are exported, and those of others: in the session's encoding, which is UTF-8, or as
the bytes that they are where the database has none.
"""
_END = b"\n\\.\n"


class RowSource(Protocol):
    """The rows of one table in a backup; they can be loaded once.

    :ivar name: for people.
    :ivar columns: their names, in the backup's order.
    :ivar documents: whether each row is one JSON object, to be loaded into a single column.
    """

    name: str
    columns: tuple[str, ...]
    documents: bool

    def copy_into(self, session: Session, into: Composable, columns: Sequence[str]) -> int:
        """Load all rows into the *columns* of the table *into*, given in this source's order; return how many."""


class CopiedRows:
    """Rows in the text format of COPY.

    :param pieces: the text for COPY.
    :param options: of COPY.
    """

    documents = False

    def __init__(self, name: str, columns: Sequence[str], pieces: Iterator[bytes], options: str = "") -> None:
        self.name = name
        self.columns = tuple(columns)
        self._pieces = pieces
        self._options = options

    def copy_into(self, session: Session, into: Composable, columns: Sequence[str]) -> int:
        """See :class:`RowSource`."""
        from psycopg2 import Error, sql

        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} {} FROM STDIN {}").format(
            into, sql.SQL("({})").format(listed) if columns else sql.SQL(""), sql.SQL(self._options)
        )
        reader = PieceReader(self._pieces)
        cursor = session.connection.cursor()
        try:
            cursor.copy_expert(statement, reader, READ_BYTES)  # type: ignore[arg-type]
        except Error as error:
            # What made the reader fail is the cause, the server only repeats that it was told so.
            raise reader.failure or explained(error, f"{STEP} of {self.name}") from None
        finally:
            reader.close()
        return max(0, cursor.rowcount)


class SeveralRows:
    """The rows of several sources that have the same columns, in whatever order each."""

    documents = False

    def __init__(self, name: str, sources: Sequence[CopiedRows]) -> None:
        self.name = name
        self.columns = sources[0].columns
        self._sources = sources

    def copy_into(self, session: Session, into: Composable, columns: Sequence[str]) -> int:
        """See :class:`RowSource`."""
        names = dict(zip(self.columns, columns, strict=True))
        return sum(one.copy_into(session, into, [names[name] for name in one.columns]) for one in self._sources)


class PieceReader:
    """Pieces of any size as a file; keeps the error that ended them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")
        self.failure: BackupError | None = None

    def read(self, size: int) -> bytes:
        """Up to *size* bytes; an empty result means the end."""
        try:
            while not self._held:
                self._held = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except BackupError as error:
            self.failure = error
            raise
        except Exception as error:
            self.failure = as_backup_error(error, STEP)
            raise
        taken, self._held = self._held[:size], self._held[size:]
        return bytes(taken)

    def close(self) -> None:
        """Close the iterator that makes the pieces."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()


def copy_data(pieces: Iterator[bytes], statement: bytes, name: str) -> Iterator[bytes]:
    """The rows behind the COPY *statement* in a script of pg_restore, up to the line that ends them.

    All the pieces are taken, so that whatever makes them comes to its end.
    """
    begin = b"\n" + statement
    # Up to the statement with the line break before it; then always from the line break before what is not handed out.
    held, inside, done = b"\n", False, False
    for piece in pieces:
        if done:
            continue
        held += piece
        if not inside:
            place = held.find(begin)
            if place < 0:
                held = held[-len(begin) :]
                continue
            inside, held = True, held[place + len(begin) - 1 :]
        end = held.find(_END)
        done = end >= 0
        ready = end + 1 if done else max(1, len(held) - len(_END))
        yield held[1:ready]
        held = held[ready - 1 :]
    if not done:
        raise FormatError(STEP, f"the rows of {name} have no end in the backup", hint="take another copy")


def restored_text(pg_restore: Program, source: Source, arguments: Sequence[str] = ()) -> Iterator[bytes]:
    """The SQL that pg_restore makes of an archive."""
    with tempfile.TemporaryFile() as errors:
        argv = [pg_restore.path, "--file=-", "--data-only", *arguments]
        process = start(argv, child_environment(), STEP, errors, stdin=subprocess.PIPE)
        feeder = _Feeder(process, source)
        if process.stdout is None:
            raise AssertionError("there is no pipe")
        try:
            yield from read_pipe(process.stdout)
        except BaseException:
            source.cancel()
            process.kill()
            raise
        finally:
            process.stdout.close()
            status = process.wait()
            feeder.join()
            message = read_tail(errors)
        if feeder.failure is not None:
            raise feeder.failure
        if status != 0:
            raise SourceError(STEP, describe_end("pg_restore", status, message))


class _Feeder:
    """Writes an archive to a child's standard input, in a thread of its own."""

    def __init__(self, process: subprocess.Popen[bytes], source: Source) -> None:
        self.failure: BackupError | None = None
        self._process = process
        self._source = source
        self._thread = threading.Thread(target=self._run, name="feed pg_restore", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError("there is no pipe")
        widen_pipe(stdin)
        try:
            self._source.run(self._write)
        except OSError:
            # pg_restore has ended; its status and its words tell why.
            pass
        except BaseException as error:
            self.failure = as_backup_error(error, STEP)
            self._process.kill()
        finally:
            with contextlib.suppress(OSError):
                stdin.close()

    def _write(self, chunk: bytes) -> None:
        if self._process.stdin is None:
            raise AssertionError("there is no pipe")
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._process.stdin.fileno(), view) :]
