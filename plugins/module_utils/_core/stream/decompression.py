"""What the decompressors have in common: bounded pieces, however much a few bytes expand to."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import FormatError

STEP = "decompress the stream"
SLICE_BYTES = 64 * 1024
"""How much input is given to a decompressor at once."""
PIECE_BYTES = 1024 * 1024
"""How much output comes in one piece."""
MAX_UPDATE_BYTES = 256 * 1024 * 1024
"""What :meth:`Decompressor.update` returns at most."""


def broken(message: str, *, hint: str | None = None) -> FormatError:
    """The error for bytes that cannot be decompressed."""
    return FormatError(STEP, message, hint=hint)


class Decompressor:
    """Base of the decompressing transforms.

    A few bytes can expand a thousandfold and more. Who takes :meth:`pieces` gets at most :data:`PIECE_BYTES` at once;
    :meth:`update`, which has to return all at once, refuses more than :data:`MAX_UPDATE_BYTES`.
    """

    name = "decompress"

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield what they expand to; it must be exhausted before the next call."""
        for start in range(0, len(chunk), SLICE_BYTES):
            yield from self._expand(chunk[start : start + SLICE_BYTES])

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes and return what they expand to; :class:`FormatError` when damaged or too much."""
        output: list[bytes] = []
        size = 0
        for piece in self.pieces(chunk):
            output.append(piece)
            size += len(piece)
            if size > MAX_UPDATE_BYTES:
                raise broken(f"{len(chunk)} bytes expand to more than {MAX_UPDATE_BYTES}")
        return b"".join(output)

    def finalize(self) -> bytes:
        """Nothing is held back; :class:`FormatError` when the stream may not end here."""
        if not self._complete():
            raise broken(f"the {self.name} stream was cut off", hint="take another copy")
        return b""

    def _expand(self, data: bytes) -> Iterator[bytes]:
        raise NotImplementedError

    def _complete(self) -> bool:
        raise NotImplementedError
