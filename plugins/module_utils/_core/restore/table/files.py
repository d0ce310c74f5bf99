"""A file that holds the rows of a table: encrypted and compressed in any way that is read, around any format."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterator

from ...ciphers import envelope, openssl
from ...ciphers.detect import HEAD_BYTES, Format, detect
from ...ciphers.identities import Decryption
from ...decompression import Decompressor
from ...errors import BackupError, FormatError
from ...files import READ_BYTES, RegularFile
from ...pipeline import Transform
from ...transforms import decompressor_for

STEP = "read the file"
_BETWEEN = " \t\r\n,"
_LAYERS = 4
"""Encryption and compression around each other: no procedure has more."""
_COMPRESSED = (Format.GZIP, Format.XZ, Format.ZSTD)
_SCRIPT = re.compile(rb"^(?:--|SET |COPY |CREATE |\\restrict |BEGIN;)", re.MULTILINE)


class PlainFile:
    """What is inside of a file. It was read once from its beginning to its end, and so is known to be whole.

    :ivar format: ``dump``, ``json``, ``sql`` or ``csv``.
    """

    def __init__(self, file: RegularFile, decryption: Decryption) -> None:
        self.name = os.path.basename(file.path)
        self.warnings: list[str] = []
        self._file = file
        self._decryption = decryption
        try:
            self.head, layers, pieces = self._peel()
            self.format = self._recognise()
            for _piece in pieces:
                pass
        except BackupError as error:
            error.message = f"{file.path}: {error.message}"
            raise
        if Format.OPENSSL in layers or Format.OPENSSL_BASE64 in layers:
            self.warnings.append(openssl.UNAUTHENTICATED)

    def pieces(self) -> Iterator[bytes]:
        """The plain contents, once more from the beginning."""
        return self._peel()[2]

    def _recognise(self) -> str:
        found = detect(self.head)
        if found is Format.PGDUMP:
            return "dump"
        if found is not Format.UNKNOWN or b"\0" in self.head:
            told = f"it is {found.value}" if found is not Format.UNKNOWN else "it is no text"
            raise FormatError(STEP, f"there are no rows in it: {told}", hint="CSV, JSON, .dump and .sql are read")
        text = self.head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text.startswith(b"["):
            return "json"
        return "sql" if _SCRIPT.match(text) else "csv"

    def _peel(self) -> tuple[bytes, list[Format], Iterator[bytes]]:
        """The first plain bytes, what was around them, and all plain bytes."""
        pieces = self._stored()
        layers: list[Format] = []
        while True:
            head, pieces = _peek(pieces)
            found = detect(head)
            stage = self._stage(found, head)
            if stage is None or len(layers) == _LAYERS:
                return head, layers, pieces
            layers.append(found)
            pieces = _through(stage, pieces)

    def _stage(self, found: Format, head: bytes) -> Transform | None:
        if found.scheme is not None:
            tail = self._file.read_at(max(0, self._file.size - envelope.TAIL_BYTES), envelope.TAIL_BYTES)
            return self._decryption.transform_for(head, tail)
        return decompressor_for(head) if found in _COMPRESSED else None

    def _stored(self) -> Iterator[bytes]:
        offset = 0
        while chunk := self._file.read_at(offset, READ_BYTES):
            offset += len(chunk)
            yield chunk
        self._file.check_unchanged()


def _peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= HEAD_BYTES:
            break
    return b"".join(held)[:HEAD_BYTES], _chain(held, pieces)


def _chain(held: list[bytes], pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield from held
    yield from pieces


def _through(stage: Transform, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(stage, Decompressor):
            yield from stage.pieces(piece)
        else:
            yield stage.update(piece)
    yield stage.finalize()


def csv_header(pieces: Iterator[bytes], name: str) -> tuple[str, ...]:
    """The columns that the first record of a CSV names."""
    held = b""
    for piece in pieces:
        held += piece
        if len(held) >= 1024 * 1024:
            break
    text = held.decode("utf-8-sig", "replace")
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), strict=False), [])
    except csv.Error as error:
        raise FormatError(STEP, f"{name} is no CSV: {error}") from None
    if not header or not all(header):
        raise FormatError(STEP, f"{name} has no header line that names its columns")
    return tuple(header)


def without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same text without a byte order mark at its beginning."""
    head, rest = _peek(pieces)
    mark = b"\xef\xbb\xbf" if head.startswith(b"\xef\xbb\xbf") else b""
    for piece in rest:
        cut = min(len(mark), len(piece))
        mark = mark[cut:]
        yield piece[cut:]


def json_rows(pieces: Iterator[bytes], name: str) -> Iterator[str]:
    """The objects of a JSON array, each as its own text, as it stands in the file."""
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
        for row, end in _objects(text):
            yield row
            wanted = end
        text = text[wanted:] if wanted > 1 else text
        # A row that is not whole yet is looked at again when there is as much more of it.
        wanted = 2 * len(text) if len(text) > READ_BYTES else 1
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
        yield text[begin:place], place


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BETWEEN:
        place += 1
    return place
