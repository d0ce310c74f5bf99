"""Cutting a stream into the parts of a multipart upload, in bounded memory.

The limits are S3's (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html): 10,000 parts, 5 GiB a part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

MIB = 1024 * 1024
PART_BYTES = 8 * MIB
MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * 1024 * MIB
BLOCK_BYTES = 128 * 1024
"""How much is handed to a socket at a time. The time limit of a send covers all of it, so with 10 s this must be
little enough for a slow line; and between two blocks an upload can be cancelled."""

_UNIFORM_PARTS = 7500
_PARTS_A_DOUBLING = 125


def base_part_size(size_hint: int | None, smallest: int = PART_BYTES) -> int:
    """The size of the first parts of an object of about *size_hint* bytes: whole MiB, at least *smallest*.

    Some stores insist on parts of one size, so an object that is no larger than the hint has no others.
    """
    needed = -(-(size_hint or 0) // _UNIFORM_PARTS)
    return min(max(smallest, -(-needed // MIB) * MIB), MAX_PART_BYTES)


def part_size(number: int, base: int) -> int:
    """The size of part *number* (from 1) where the first parts are of *base* bytes.

    An object that becomes larger than anybody told gets parts that double again and again, so that 10,000 of them
    hold 5 TiB whatever the hint was.
    """
    doublings = max(0, -(-(number - _UNIFORM_PARTS) // _PARTS_A_DOUBLING))
    return min(base << doublings, MAX_PART_BYTES)


class SendingCancelled(BaseException):
    """Ends a request in the midst of its body; no Exception, since the client library would try those again."""


class ByteBudget:
    """How many bytes may be on their way at once, over all writers of a location."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._condition = threading.Condition()

    def acquire(self, count: int, give_up: Callable[[], bool]) -> bool:
        """Wait for room; False once *give_up* says so. What is larger than the limit goes alone rather than never."""
        with self._condition:
            while self._used and self._used + count > self._limit:
                if give_up():
                    return False
                self._condition.wait(0.1)
            self._used += count
            return True

    def release(self, count: int) -> None:
        """Return *count* bytes to the budget."""
        with self._condition:
            self._used -= count
            self._condition.notify_all()


class PartBuffer:
    """The buffer that collects the bytes of one part.

    It grows with what arrives, so that a small object costs little, and a buffer that was used before takes the
    next part without touching new memory.
    """

    def __init__(self, data: bytearray | None = None) -> None:
        self.data = data if data is not None else bytearray()
        self.size = 0

    def fill(self, chunk: memoryview, limit: int) -> int:
        """Take as much of *chunk* as fits below *limit* bytes, and return how much that was."""
        piece = chunk[: limit - self.size]
        end = self.size + len(piece)
        if end <= len(self.data):
            with memoryview(self.data) as view:
                view[self.size : end] = piece
        else:
            del self.data[self.size :]
            self.data += piece
        self.size = end
        return len(piece)

    def view(self) -> memoryview:
        """A view of the bytes collected so far."""
        return memoryview(self.data)[: self.size]


class SpareBuffers:
    """Buffers of :data:`PART_BYTES` that wait to be used again; at most *limit* of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spare: list[bytearray] = []
        self._lock = threading.Lock()

    def take(self, limit: int) -> PartBuffer:
        """A buffer for a part of *limit* bytes, used before if there is one."""
        with self._lock:
            return PartBuffer(self._spare.pop() if self._spare and limit == PART_BYTES else None)

    def give_back(self, buffer: PartBuffer) -> None:
        """Keep *buffer* for later if it is worth it; nobody may use it any more."""
        with self._lock:
            if len(buffer.data) == PART_BYTES and len(self._spare) < self._limit:
                self._spare.append(buffer.data)


class PartBody:
    """One part as the file that the client library sends, in blocks and without a copy.

    :param cancelled: asked before each block; when it says so, :class:`SendingCancelled` is raised.
    """

    def __init__(self, data: memoryview, cancelled: Callable[[], bool]) -> None:
        self._data = data
        self._position = 0
        self._cancelled = cancelled

    def __len__(self) -> int:
        return len(self._data)

    def tell(self) -> int:
        """The current position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position, to the beginning for another try."""
        self._position = offset + (0, self._position, len(self._data))[whence]
        return self._position

    def read(self, count: int | None = None) -> memoryview:
        """The next block, which may be larger than *count*: what it is, :data:`BLOCK_BYTES` says."""
        if self._cancelled():
            raise SendingCancelled
        block = self._data[self._position : self._position + BLOCK_BYTES]
        self._position += len(block)
        return block
