"""A file that an older procedure left, as it was before it was compressed and encrypted, in any way that is read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from .. import progress
from ..encryption.cipher import TAIL_BYTES, Format
from ..encryption.detect import GZIP, HEAD_BYTES, PGDUMP, UNKNOWN, XZ, ZSTD, detect
from ..encryption.identities import Decryption
from ..errors import BackupError, Cancelled
from ..stream.files import READ_BYTES, RegularFile
from ..stream.pipeline import Emit
from ..stream.stages import Transform, through
from ..stream.transforms import decompressor_for

STEP = "read the file"
_LAYERS = 4
"""Encryption and compression around each other: no procedure has more."""
_COMPRESSED = (GZIP, XZ, ZSTD)
_HUNGRY = frozenset({XZ, ZSTD})
"""Each takes up to 128 MiB of memory: there is one of them at most."""


@dataclass(frozen=True)
class UnwrappedFile:
    """The contents of a file inside all encryption and compression.

    :param head: its first :data:`detect.HEAD_BYTES`, or all of less.
    :param layers: the encryption and compression that were around it, the outermost first.
    :param pieces: all of it, the head too. The file is known to be whole when the last one has come.
    """

    head: bytes
    layers: tuple[Format, ...]
    pieces: Iterator[bytes]

    @property
    def is_dump(self) -> bool:
        """Whether the contents are a dump in pg_dump's custom format."""
        return detect(self.head) is PGDUMP

    @property
    def problem(self) -> str | None:
        """What the contents are if they are neither a dump nor text; None otherwise."""
        found = detect(self.head)
        if found not in (PGDUMP, UNKNOWN):
            return f"it is {found.title}"
        return "it is no text" if found is UNKNOWN and b"\0" in self.head else None

    @property
    def warnings(self) -> list[str]:
        """The warnings of all layers of encryption and compression."""
        return list(dict.fromkeys(layer.warning for layer in self.layers if layer.warning))


class LayeredFile:
    """A file whose plain contents can be read again and again.

    :ivar name: its name without the directory.
    """

    def __init__(self, file: RegularFile, decryption: Decryption) -> None:
        self.name = os.path.basename(file.path)
        self.path = file.path
        self._file = file
        self._decryption = decryption

    @property
    def size(self) -> int:
        """Bytes of the file as it is stored."""
        return self._file.size

    @contextlib.contextmanager
    def first_reading(self) -> Iterator[None]:
        """A stage of the work: the file is read to its end. Puts the file's path before the message of an error."""
        try:
            with progress.stage(STEP, self.size):
                yield
        except BackupError as error:
            error.message = f"{self.path}: {error.message}"
            raise

    def unwrap_layers(self) -> UnwrappedFile:
        """The decrypted and decompressed contents, from their beginning."""
        pieces = self._stored()
        layers: list[Format] = []
        while True:
            head, pieces = peek(pieces)
            found = detect(head)
            too_many = len(layers) == _LAYERS or (found in _HUNGRY and not _HUNGRY.isdisjoint(layers))
            stage = None if too_many else self._stage(found, head)
            if stage is None:
                return UnwrappedFile(head, tuple(layers), pieces)
            layers.append(found)
            pieces = through(pieces, [stage, self._decryption.allowance(self._file.size)])

    def _stage(self, found: Format, head: bytes) -> Transform | None:
        if found.scheme is not None:
            tail = self._file.read_at(max(0, self._file.size - TAIL_BYTES), TAIL_BYTES)
            return self._decryption.transform_for(head, tail)
        return decompressor_for(head) if found in _COMPRESSED else None

    def _stored(self) -> Iterator[bytes]:
        offset = 0
        while chunk := self._file.read_at(offset, READ_BYTES):
            offset += len(chunk)
            progress.advance(len(chunk))
            yield chunk
        # What was proven in an earlier reading is what has been read now.
        self._file.check_unchanged()


class FileStream:
    """The plain contents of a file as the source of a pipeline."""

    def __init__(self, file: LayeredFile) -> None:
        self.name = file.name
        self._file = file
        self._cancelled = False

    def run(self, emit: Emit) -> None:
        """See :class:`pipeline.Source`."""
        for piece in self._file.unwrap_layers().pieces:
            if self._cancelled:
                raise Cancelled(STEP)
            emit(piece)

    def cancel(self) -> None:
        """See :class:`pipeline.Source`."""
        self._cancelled = True


def peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first :data:`detect.HEAD_BYTES` of *pieces*, and all of them."""
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
