"""Transforms, and how a stream passes through one behind the other.

A few bytes can expand a thousandfold and more. A transform that does so is an :class:`Expanding` one, which gives what
it makes in pieces as it makes it, so that nobody ever holds all of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ..errors import FormatError

MAX_UPDATE_BYTES = 64 * 1024 * 1024
"""What :meth:`Expanding.update` and :meth:`Expanding.finalize` return at most."""


class Transform(Protocol):
    """What happens to the bytes on their way; an observer returns them as they came."""

    name: str

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes and return those that are ready (maybe none)."""

    def finalize(self) -> bytes:
        """Return what is left; raise when the stream may not end here."""


class Expanding:
    """Base of the transforms that may give many times what they take."""

    name: str

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield what they expand to; it must be exhausted before the next call."""
        raise NotImplementedError

    def ending(self) -> Iterator[bytes]:
        """Yield what is left; raise when the stream may not end here."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what it holds, for example a program; called when no more is wanted of the stream, whole or not."""

    def update(self, chunk: bytes) -> bytes:
        """All of :meth:`pieces` at once, for a small stream; :class:`FormatError` for too much."""
        return self._joined(self.pieces(chunk))

    def finalize(self) -> bytes:
        """All of :meth:`ending` at once, for a small stream; :class:`FormatError` for too much."""
        return self._joined(self.ending())

    def _joined(self, pieces: Iterable[bytes]) -> bytes:
        output: list[bytes] = []
        size = 0
        for piece in pieces:
            output.append(piece)
            size += len(piece)
            if size > MAX_UPDATE_BYTES:
                raise FormatError(f"pass through {self.name}", f"what comes out is more than {MAX_UPDATE_BYTES} bytes")
        return b"".join(output)


def through(pieces: Iterator[bytes], stages: Sequence[Transform]) -> Iterator[bytes]:
    """What comes out behind *stages*, in pieces that stay small however much a few bytes expand to.

    The stream is known to be whole, and authentic as far as its format tells, when the last piece has come.

    :raises BackupError: what *pieces* or a stage raises.
    """
    for stage in stages:
        pieces = _through(pieces, stage)
    return pieces


def _through(pieces: Iterator[bytes], stage: Transform) -> Iterator[bytes]:
    if isinstance(stage, Expanding):
        # Also for a reader that wants no more.
        with contextlib.closing(stage):
            for piece in pieces:
                yield from stage.pieces(piece)
            yield from stage.ending()
        return
    for piece in pieces:
        if out := stage.update(piece):
            yield out
    if rest := stage.finalize():
        yield rest


class AtMost:
    """Observer: raises :class:`FormatError` once more than *limit* bytes have passed.

    :param what: the stream's origin in words, "of 12 bytes" say.
    """

    name = "limit"

    def __init__(self, limit: int, what: str, *, hint: str | None = None) -> None:
        self._limit = limit
        self._what = what
        self._hint = hint
        self._size = 0

    def update(self, chunk: bytes) -> bytes:
        """Count the bytes of *chunk* and return it; raise an error above the limit."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise FormatError("unpack the file", f"{self._what} come more than {self._limit:,}", hint=self._hint)
        return chunk

    def finalize(self) -> bytes:
        """Nothing, as no bytes are held back."""
        return b""
