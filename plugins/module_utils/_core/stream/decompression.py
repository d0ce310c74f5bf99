"""What the decompressors have in common: bounded pieces, however much a few bytes expand to."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import FormatError
from .stages import Expanding

STEP = "decompress the stream"
SLICE_BYTES = 64 * 1024
"""How much input is given to a decompressor at once."""
PIECE_BYTES = 1024 * 1024
"""How much output comes in one piece."""


def broken(message: str, *, hint: str | None = None) -> FormatError:
    """The error for bytes that cannot be decompressed."""
    return FormatError(STEP, message, hint=hint)


class Decompressor(Expanding):
    """Base of the decompressing transforms, whose pieces have at most :data:`PIECE_BYTES`."""

    name = "decompress"

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield what they expand to; :class:`FormatError` when damaged."""
        for start in range(0, len(chunk), SLICE_BYTES):
            yield from self._expand(chunk[start : start + SLICE_BYTES])

    def ending(self) -> Iterator[bytes]:
        """Nothing is held back; :class:`FormatError` when the stream may not end here."""
        if not self._complete():
            raise broken(f"the {self.name} stream was cut off", hint="take another copy")
        return iter(())

    def _expand(self, data: bytes) -> Iterator[bytes]:
        raise NotImplementedError

    def _complete(self) -> bool:
        raise NotImplementedError
