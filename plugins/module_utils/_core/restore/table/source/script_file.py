"""The rows of a table in a script of SQL as pg_dump writes it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ....errors import FormatError
from ....postgres.archive.encodings import codec_of
from ....postgres.names import TableName, display_name, identifier
from ....reading.legacy_file import STEP
from .copy_statement import OTHERWISE, Copy, copy_of
from .plain_file import PlainFile
from .rows import CopiedRows, copy_data
from .sources import find_in_backup

_COPY, _FROM, _END = b"\nCOPY ", b" FROM stdin;\n", b"\n\\.\n"
_INSERT = b"\nINSERT INTO "
_ENCODING = b"\nSET client_encoding = "
_LONGEST = 1024 * 1024
"""Bytes that a COPY statement takes at most: 1600 columns with names of 63 bytes."""


def rows_of_script(plain: PlainFile, table: TableName, wanted: str | None) -> CopiedRows:
    """The rows of *wanted*, or else of the table that is called like the one to restore.

    :raises FormatError: they are not there as the rows of one COPY.
    """
    copies: dict[TableName, Copy] = {}
    doubled: set[TableName] = set()
    for copy in copies_of(unix_lines(plain.pieces())):
        if copy.table in copies:
            doubled.add(copy.table)
        copies[copy.table] = copy
    if not copies:
        raise _without_copies(plain)
    name = find_in_backup(wanted or identifier(*table), list(copies))
    shown = display_name(name)
    if name in doubled:
        raise FormatError(
            STEP,
            f"{plain.name} fills {shown} several times: it holds several databases, or was made with "
            "--load-via-partition-root",
            hint=OTHERWISE,
        )
    copy = copies[name]
    return CopiedRows(shown, copy.columns, copy_data(unix_lines(plain.pieces()), copy.statement, shown), copy.options)


def unix_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A script with the line ends of pg_dump, if a program of Windows has turned them into its own.

    That loses nothing: COPY writes a carriage return in a value as ``\\r``.
    """
    held = b""
    for piece in pieces:
        held += piece
        if b"\n" in held or len(held) > _LONGEST:
            break
    if not held.split(b"\n", 1)[0].endswith(b"\r"):
        yield held
        yield from pieces
        return
    rest = b""
    for piece in itertools.chain([held], pieces):
        text = rest + piece
        rest = b"\r" if text.endswith(b"\r") else b""
        yield text.removesuffix(b"\r").replace(b"\r\n", b"\n")
    yield rest


def _without_copies(plain: PlainFile) -> FormatError:
    before = b"\n"
    for piece in unix_lines(plain.pieces()):
        if _INSERT in before + piece:
            message = f"{plain.name} has its rows as INSERT statements (pg_dump --inserts), which are not read"
            return FormatError(STEP, message, hint=OTHERWISE)
        before = (before + piece)[-len(_INSERT) :]
    return FormatError(STEP, f"{plain.name} has no rows: no COPY is in it", hint="was it made with --schema-only?")


def copies_of(pieces: Iterator[bytes]) -> Iterator[Copy]:
    """Every COPY statement of a script; what stands in the rows of one is passed over."""
    held, encoding, within = b"\n", "", False
    for piece in pieces:
        held += piece
        while True:
            if within:
                end = held.find(_END)
                if end < 0:
                    held = held[-len(_END) :]
                    break
                held, within = held[end + len(_END) - 1 :], False
            begin = held.find(_COPY)
            setting = held.find(_ENCODING)
            if setting >= 0 and (begin < 0 or setting < begin):
                encoding = held[setting + 1 :].split(b"\n", 1)[0].decode("ascii", "replace")
            end = held.find(_FROM, max(begin, 0))
            if begin < 0 or end < 0:
                held = held[max(begin, 0) :] if begin >= 0 and len(held) < _LONGEST else held[-_LONGEST:]
                break
            statement = held[begin + 1 : end + len(_FROM)]
            copy = _read(statement, encoding)
            if copy is None:
                held = held[begin + 1 :]
                continue
            yield copy
            held, within = held[end + len(_FROM) - 1 :], True


def _read(statement: bytes, encoding: str) -> Copy | None:
    """None for text of something else, for example a function's body."""
    try:
        return copy_of(statement.decode(codec_of(encoding), "surrogateescape"), encoding)
    except FormatError:
        return None
