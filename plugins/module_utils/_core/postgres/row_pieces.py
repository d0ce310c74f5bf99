"""Rows as the server's COPY gives them become pieces of a stream, of CSV as they are or of one JSON array."""

from __future__ import annotations

import contextlib
import json
import re

from ..errors import FormatError
from ..stream.pipeline import Emit

_PIECE_BYTES = 256 * 1024
_NUL_TEXT = b"\\u0000"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""In JSON text that a column of type json has kept as it came; no text of the server can hold what it means."""


class Pieces:
    """Collects rows until a piece is large enough to be emitted."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._rows: list[bytes] = []
        self._size = 0

    def write(self, row: bytes) -> None:
        """Take one row."""
        self._rows.append(row)
        self._size += len(row)
        if self._size >= _PIECE_BYTES:
            self._flush()

    def close(self) -> None:
        """Emit what is left."""
        self._flush()

    def _flush(self) -> None:
        piece, self._rows, self._size = b"".join(self._rows), [], 0
        if piece:
            self._emit(self._form(piece))

    def _form(self, piece: bytes) -> bytes:
        return piece


def _column_with_nul(row: bytes) -> str:
    """The name of the first column of a JSON object that has U+0000 in it."""
    with contextlib.suppress(ValueError, RecursionError):
        return next(repr(name) for name, value in json.loads(row).items() if "\\u0000" in json.dumps(value))
    return "unknown"


class JsonArray(Pieces):
    """Turns lines of one JSON value each into one array, a value a line.

    :param name: of the export, for errors.
    """

    _opening = b"[\n"

    def __init__(self, emit: Emit, name: str) -> None:
        super().__init__(emit)
        self._name = name
        self._count = 0

    def write(self, row: bytes) -> None:
        """Take one row; raise :class:`FormatError` where no server would read it back."""
        self._count += 1
        # Whether the backslash is itself escaped is asked only where there may be one that is not.
        if _NUL_TEXT in row and _NUL.search(row):
            raise FormatError(
                f"export {self._name}",
                f"row {self._count}, column {_column_with_nul(row)}: it holds \\u0000, which no server reads back",
                hint="export the column as CSV, or leave it out: columns",
            )
        super().write(row)

    def close(self) -> None:
        """Emit what is left, and the array's end."""
        super().close()
        self._emit(b"[\n]\n" if self._opening == b"[\n" else b"\n]\n")

    def _form(self, piece: bytes) -> bytes:
        # Every row ends with the only line break it has; the last one's waits for what follows.
        opening, self._opening = self._opening, b",\n"
        return opening + piece[:-1].replace(b"\n", b",\n")
