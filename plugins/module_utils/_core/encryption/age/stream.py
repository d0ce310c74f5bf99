"""The payload of an age file (C2SP age, "Payload"): the STREAM construction over chunks of 64 KiB.

Chunk *n* is sealed by ChaCha20-Poly1305 with the nonce ``n || final``, so that no chunk can be changed, moved, left
out, doubled or taken from another file, and a file can end only where it was ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from . import primitives
from .errors import PayloadError, TrailingDataError, TruncatedError
from .primitives import TAG_SIZE

CHUNK_SIZE = 64 * 1024
SEALED_SIZE = CHUNK_SIZE + TAG_SIZE
NONCE_SIZE = 16
_WINDOW_CHUNKS = 16


class ChunkCipher:
    """Seals and opens single chunks under a file's payload key.

    :param nonce: the file's 16 random bytes at the payload's start; not the nonce of a chunk.
    """

    def __init__(self, file_key: bytes, nonce: bytes) -> None:
        self._cipher = primitives.chacha20_poly1305(primitives.hkdf(file_key, salt=nonce, info=b"payload"))
        # Older versions of the library lack these; with them a chunk is copied once more.
        self._has_into = hasattr(self._cipher, "encrypt_into")

    def seal_into(self, chunk: memoryview, number: int, target: memoryview, *, final: bool) -> int:
        """Encrypt *chunk* to the start of *target*; the number of bytes written."""
        size = len(chunk) + TAG_SIZE
        if self._has_into:
            self._cipher.encrypt_into(_chunk_nonce(number, final), chunk, None, target[:size])
        else:
            target[:size] = self._cipher.encrypt(_chunk_nonce(number, final), chunk, None)
        return size

    def open_into(self, chunk: memoryview, number: int, target: memoryview, *, final: bool) -> int | None:
        """Decrypt *chunk* to the start of *target*; the number of bytes written, None when it is not authentic.

        After None, *target* may hold bytes that nobody may see.
        """
        size = len(chunk) - TAG_SIZE
        try:
            if self._has_into:
                self._cipher.decrypt_into(_chunk_nonce(number, final), chunk, None, target[:size])
            else:
                target[:size] = self._cipher.decrypt(_chunk_nonce(number, final), chunk, None)
        except primitives.InvalidTag:
            return None
        return size

    def is_authentic(self, chunk: memoryview, number: int, *, final: bool) -> bool:
        """Whether *chunk* would open; to tell what is wrong with a file."""
        return self.open_into(chunk, number, memoryview(bytearray(CHUNK_SIZE)), final=final) is not None


def _chunk_nonce(number: int, final: bool) -> bytes:
    return (number << 8 | final).to_bytes(12, "big")


class _Window:
    """Where chunks are put until the update is over: one buffer that is used again and again.

    One allocation an update instead of one a chunk: the allocator would give the memory back and fetch it again each
    time, which costs more than the encryption.
    """

    def __init__(self) -> None:
        self._buffer = memoryview(b"")
        self._used = 0
        self._full: list[bytes] = []

    def reserve(self, chunks: int) -> None:
        """Make room for as many chunks as one update may return."""
        size = min(chunks, _WINDOW_CHUNKS) * SEALED_SIZE
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))

    def room(self) -> memoryview:
        """A writable view of the space for the next chunk."""
        if len(self._buffer) - self._used < SEALED_SIZE:
            self._full.append(bytes(self._buffer[: self._used]))
            self._used = 0
        return self._buffer[self._used :]

    def keep(self, size: int) -> None:
        """The chunk that was put into :meth:`room` has *size* bytes and is good."""
        self._used += size

    def take(self) -> bytes:
        """The chunks that were kept since the last call, as one piece."""
        last = bytes(self._buffer[: self._used])
        full, self._full, self._used = self._full, [], 0
        return b"".join([*full, last]) if full else last


class _Chunker:
    """Cuts a stream into pieces of one size, copying only those that lie across the border of two updates.

    :param hold_back: keep a full last piece until more comes.
    """

    def __init__(self, size: int, *, hold_back: bool) -> None:
        self._size = size
        self._hold_back = hold_back
        self._carry = bytearray()

    def count(self, data: bytes) -> int:
        """How many pieces :meth:`cut` will yield at most."""
        return (len(self._carry) + len(data)) // self._size

    def cut(self, data: bytes) -> Iterator[memoryview]:
        """The chunks that *data* completes; the caller must use all of them before the next call."""
        view = memoryview(data)
        limit = self._size + self._hold_back
        if self._carry and len(self._carry) + len(view) >= limit:
            missing = self._size - len(self._carry)
            yield memoryview(b"".join((self._carry, view[:missing])))
            self._carry.clear()
            view = view[missing:]
        start = 0
        while len(view) - start >= limit and not self._carry:
            yield view[start : start + self._size]
            start += self._size
        self._carry += view[start:]

    def rest(self) -> memoryview:
        """The bytes of the last, incomplete chunk."""
        return memoryview(bytes(self._carry))

    def is_empty(self) -> bool:
        """Whether no bytes are left over."""
        return not self._carry


class StreamSealer:
    """Encrypts a payload piece by piece. Use it once, with a nonce that was never used with this file key."""

    def __init__(self, file_key: bytes) -> None:
        self.nonce = os.urandom(NONCE_SIZE)
        self._cipher = ChunkCipher(file_key, self.nonce)
        # Only a chunk that something follows is not the final one.
        self._chunker = _Chunker(CHUNK_SIZE, hold_back=True)
        self._window = _Window()
        self._number = 0

    def update(self, data: bytes) -> bytes:
        """Take the next plaintext; the chunks that are certain not to be the final one."""
        self._window.reserve(self._chunker.count(data))
        for piece in self._chunker.cut(data):
            self._seal(piece, final=False)
        return self._window.take()

    def finalize(self) -> bytes:
        """The encrypted final chunk."""
        self._window.reserve(1)
        self._seal(self._chunker.rest(), final=True)
        return self._window.take()

    def _seal(self, piece: memoryview, *, final: bool) -> None:
        self._window.keep(self._cipher.seal_into(piece, self._number, self._window.room(), final=final))
        self._number += 1


class StreamOpener:
    """Decrypts a payload piece by piece and returns nothing that is not authentic. Use it once.

    What it returns, and the error, depend on the payload alone and not on how it is cut: everything authentic
    before the fault is returned first, and the error is raised by the next call.
    """

    def __init__(self, cipher: ChunkCipher) -> None:
        self._cipher = cipher
        self._chunker = _Chunker(SEALED_SIZE, hold_back=False)
        self._window = _Window()
        self._number = 0
        self._final_seen = False
        self._error: PayloadError | None = None

    def update(self, data: bytes) -> bytes:
        """Take the next bytes; the plaintext of the chunks that are complete.

        :raises PayloadError: the payload is not authentic.
        """
        if self._error is None and data:
            self._window.reserve(self._chunker.count(data))
            for piece in self._chunker.cut(data):
                self._open_full(piece)
            if self._final_seen and self._error is None and not self._chunker.is_empty():
                self._error = trailing_data(self._number - 1)
        return self._release()

    def finalize(self) -> bytes:
        """The plaintext of the final chunk, if it was not full.

        :raises PayloadError: the payload is not authentic or may not end here.
        """
        if self._error is None and not self._final_seen:
            self._window.reserve(1)
            self._open_last(self._chunker.rest())
        return self._release()

    def _release(self) -> bytes:
        plaintext = self._window.take()
        if self._error is not None and not plaintext:
            raise self._error
        return plaintext

    def _open_full(self, piece: memoryview) -> None:
        if self._error is not None:
            return
        if self._final_seen:
            self._error = trailing_data(self._number - 1)
            return
        size = self._cipher.open_into(piece, self._number, self._window.room(), final=False)
        if size is None:
            # A full chunk may be the final one; that it fails as any other is the only sign of it.
            size = self._cipher.open_into(piece, self._number, self._window.room(), final=True)
            self._final_seen = size is not None
        if size is None:
            self._error = not_authentic(self._number)
            return
        self._window.keep(size)
        self._number += 1

    def _open_last(self, piece: memoryview) -> None:
        check_last_size(len(piece), self._number)
        size = self._cipher.open_into(piece, self._number, self._window.room(), final=True)
        if size is None:
            raise not_authentic(self._number, last=True)
        self._window.keep(size)
        self._final_seen = True


def check_last_size(size: int, number: int) -> None:
    """Refuse a final chunk that cannot be one by its *size* in bytes with its tag.

    :param number: which chunk it is, counted from 0.
    """
    # An empty chunk is only right as the whole of an empty payload.
    if size < TAG_SIZE or (size == TAG_SIZE and number):
        raise TruncatedError(
            f"truncated: the payload ends after {number} chunk(s) without a final one", hint="use another copy"
        )


def not_authentic(number: int, *, last: bool = False) -> PayloadError:
    """The error for a chunk that does not authenticate."""
    why = "the file was damaged or cut off there" if last else "the file was damaged or put together from others"
    return PayloadError(f"payload chunk {number} is not authentic: {why}", hint="use another copy")


def trailing_data(number: int) -> TrailingDataError:
    """The error for data behind the final chunk."""
    return TrailingDataError(f"trailing data: chunk {number} is the final one, but the file goes on after it")
