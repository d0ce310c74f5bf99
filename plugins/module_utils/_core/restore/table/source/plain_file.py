"""A file that holds the rows of a table: encrypted and compressed in any way that is read, around any format."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator

from ....encryption.identities import Decryption
from ....errors import FormatError
from ....reading.legacy_file import STEP, FileStream, LayeredFile, UnwrappedFile, peek
from ....stream.files import READ_BYTES, RegularFile

_BETWEEN = " \t\r\n,"
_SCRIPT = re.compile(rb"^(?:--|SET |COPY |CREATE |\\restrict |BEGIN;)", re.MULTILINE)


class PlainFile:
    """What is inside of a file. It was read once from its beginning to its end, and so is known to be whole.

    :ivar format: ``dump``, ``json``, ``sql`` or ``csv``.
    :ivar max_toc: bytes of memory that the table of contents of a dump may take.
    """

    def __init__(self, file: RegularFile, decryption: Decryption) -> None:
        self._file = LayeredFile(file, decryption)
        self.name = self._file.name
        self.max_toc = decryption.max_toc
        with self._file.first_reading():
            unwrapped = self._file.unwrap_layers()
            self.format = _recognise(unwrapped)
            for _piece in unwrapped.pieces:
                pass
        self.warnings = unwrapped.warnings

    def pieces(self) -> Iterator[bytes]:
        """The plain contents, once more from the beginning."""
        return self._file.unwrap_layers().pieces

    def source(self) -> FileStream:
        """The plain contents as the source of a pipeline."""
        return FileStream(self._file)


def _recognise(unwrapped: UnwrappedFile) -> str:
    if unwrapped.is_dump:
        return "dump"
    if unwrapped.problem is not None:
        raise FormatError(
            STEP, f"there are no rows in it: {unwrapped.problem}", hint="CSV, JSON, .dump and .sql are read"
        )
    text = unwrapped.head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return "json"
    return "sql" if _SCRIPT.match(text) else "csv"


def csv_header(pieces: Iterator[bytes], name: str) -> tuple[str, ...]:
    """The names of the columns in the first record of a CSV file."""
    held = b""
    for piece in pieces:
        held += piece
        if len(held) >= 1024 * 1024:
            break
    text = held.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), strict=False), [])
    except csv.Error as error:
        raise FormatError(STEP, f"{name} is no CSV: {error}") from None
    if not header or not all(header):
        raise FormatError(STEP, f"{name} has no header line that names its columns")
    return tuple(header)


def without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The text without a byte order mark."""
    head, rest = peek(pieces)
    mark = b"\xef\xbb\xbf" if head.startswith(b"\xef\xbb\xbf") else b""
    for piece in rest:
        cut = min(len(mark), len(piece))
        mark = mark[cut:]
        yield piece[cut:]


def json_rows(pieces: Iterator[bytes], name: str, longest: int) -> Iterator[str]:
    """The objects of a JSON array, each as its own text, as it stands in the file.

    :param longest: characters that one of them may have, as each is held in memory.
    :raises FormatError: it is no such array, or an object is longer.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    text, begun, wanted = "", False, 1
    for piece in pieces:
        text += decoder.decode(piece)
        if len(text) < wanted:
            continue
        if not begun and (text := text.lstrip()):
            if text[0] != "[":
                raise FormatError(STEP, f"{name} is no JSON array of objects")
            begun, text = True, text[1:]
        done = 0
        for row, end in _objects(text):
            yield row
            done = end
        text = text[done:]
        if len(text) > longest:
            message = f"{name} has a row of more than {longest // 1024**2} MiB"
            raise FormatError(STEP, message, hint="if that can be, raise max_row_size")
        # A row that is not whole yet is looked at again when there is as much more of it.
        wanted = min(2 * len(text), longest + 1) if len(text) > READ_BYTES else 1
    for row, _end in _objects(text):
        yield row
    rest = text[max((end for _row, end in _objects(text)), default=0) :].strip(_BETWEEN)
    if not begun or rest != "]":
        raise FormatError(STEP, f"{name} is no whole JSON array of objects", hint="take another copy")


def _objects(text: str) -> Iterator[tuple[str, int]]:
    """The whole objects at the beginning of *text*, each with where it ends."""
    reader, place = json.JSONDecoder(), 0
    while (begin := _skip(text, place)) < len(text) and text[begin] == "{":
        try:
            place = reader.raw_decode(text, begin)[1]
        except ValueError:
            return
        except RecursionError:
            raise FormatError(STEP, "a row of the file is nested too deeply") from None
        yield text[begin:place], place


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BETWEEN:
        place += 1
    return place
