"""A file that an older procedure left: a dump or a script of SQL, compressed and encrypted in any way that is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ...archive import ArchiveWalker, Toc
from ...ciphers import envelope, openssl
from ...ciphers.detect import HEAD_BYTES, Format, detect
from ...ciphers.identities import Decryption
from ...decompression import Decompressor
from ...errors import BackupError, Cancelled, FormatError
from ...files import READ_BYTES, RegularFile
from ...pipeline import Emit, Transform
from ...transforms import decompressor_for

STEP = "read the file"
_LAYERS = 4
"""Encryption and compression around each other: no procedure has more."""
_COMPRESSED = (Format.GZIP, Format.XZ, Format.ZSTD)
_SCRIPT = re.compile(rb"^-- PostgreSQL database dump\r?$", re.MULTILINE)
_CLUSTER = re.compile(rb"^-- PostgreSQL database cluster dump\r?$", re.MULTILINE)
_COMPLETE = re.compile(rb"^-- PostgreSQL database dump complete", re.MULTILINE)
_COMMITS = re.compile(rb"^(?:COMMIT|ROLLBACK);\r?$", re.MULTILINE)
_TAIL_BYTES = 4096


class FileContents:
    """A file whose contents were read once from beginning to end, and so are known to be whole.

    :param toc: the table of contents of a dump; None for a script.
    :param direct: whether programs can read the file as it is.
    :param commits: whether a script ends transactions by itself, as it does around large objects.
    """

    def __init__(self, file: RegularFile, decryption: Decryption) -> None:
        self.name = os.path.basename(file.path)
        self.warnings: list[str] = []
        self.toc: Toc | None = None
        self.direct = False
        self.commits = False
        self.path = file.path
        self._file = file
        self._decryption = decryption
        try:
            self._prove()
        except BackupError as error:
            error.message = f"{file.path}: {error.message}"
            raise

    def source(self) -> FileStream:
        """The plain contents, once more from the beginning."""
        _head, _layers, pieces = self._peel()
        return FileStream(self.name, pieces, self._file)

    def _prove(self) -> None:
        head, layers, pieces = self._peel()
        if Format.OPENSSL in layers or Format.OPENSSL_BASE64 in layers:
            self.warnings.append(openssl.UNAUTHENTICATED)
        found = detect(head)
        if found is Format.PGDUMP:
            self.direct = not layers
            walker = ArchiveWalker()
            for piece in pieces:
                walker.update(piece)
            walker.finalize()
            self.toc = walker.toc
            return
        if found is not Format.UNKNOWN or b"\0" in head:
            told = f"it is {found.value}" if found is not Format.UNKNOWN else "it is no text"
            raise FormatError(
                STEP,
                f"this is neither a dump nor a script of SQL: {told}",
                hint="dumps of pg_dump -Fc and -Fp are read",
            )
        self._check_script(head, pieces)

    def _check_script(self, head: bytes, pieces: Iterator[bytes]) -> None:
        if _CLUSTER.search(head):
            raise FormatError(
                STEP,
                "this is a dump of a whole server (pg_dumpall)",
                hint="restore it with psql on an empty server, or take one database out of it",
            )
        tail = b""
        for piece in pieces:
            window = tail + piece
            self.commits = self.commits or _COMMITS.search(window) is not None
            tail = window[-_TAIL_BYTES:]
        if _SCRIPT.search(head) and not _COMPLETE.search(tail):
            raise FormatError(STEP, "the script has no end: the dump was cut off", hint="take another copy")
        self.warnings.append("a script tells nothing of its rows: nothing could be compared")

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


class FileStream:
    """The plain bytes of a file as the source of a pipeline."""

    def __init__(self, name: str, pieces: Iterator[bytes], file: RegularFile) -> None:
        self.name = name
        self._pieces = pieces
        self._file = file
        self._cancelled = False

    def run(self, emit: Emit) -> None:
        """See :class:`pipeline.Source`."""
        for piece in self._pieces:
            if self._cancelled:
                raise Cancelled(STEP)
            emit(piece)
        # What was proven is what has been read now.
        self._file.check_unchanged()

    def cancel(self) -> None:
        """See :class:`pipeline.Source`."""
        self._cancelled = True


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
