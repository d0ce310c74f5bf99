"""A long range of an age file's plaintext as a stream, from one ranged request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .header import MAX_HEADER_SIZE, HeaderParser
from .seekable import SeekableReader
from .stream import CHUNK_SIZE, NONCE_SIZE, SEALED_SIZE

HEAD_BYTES = MAX_HEADER_SIZE + NONCE_SIZE
"""How much of a file's beginning :func:`head_size` wants."""

Open = Callable[[int, int], Iterator[bytes]]
"""``open(offset, length)``: these bytes of the encrypted file, in pieces of any size."""


def head_size(beginning: bytes) -> int:
    """How many bytes the header and the nonce of an age file take, told by its first :data:`HEAD_BYTES`.

    :raises CryptoError: it does not begin with a header.
    """
    parser = HeaderParser()
    header = parser.feed(beginning)
    if header is None:
        raise parser.end()
    return header.size + NONCE_SIZE


def stream_range(reader: SeekableReader, open_range: Open, offset: int, length: int) -> Iterator[bytes]:
    """The plaintext from *offset*, *length* bytes, in pieces; every byte is authentic at its place.

    :raises CryptoError: a chunk is not authentic, or the file ends before the range does.
    """
    if not length:
        return
    first, last = offset // CHUNK_SIZE, (offset + length - 1) // CHUNK_SIZE
    start, end = reader.sealed_range(first, last)
    held = b""
    number, skip, left = first, offset - first * CHUNK_SIZE, length
    for piece in open_range(start, end - start):
        data = memoryview(held + piece if held else piece)
        full = len(data) - len(data) % SEALED_SIZE
        for plain in reader.open_sealed(data[:full], number):
            part = plain[skip : skip + left]
            skip = 0
            left -= len(part)
            yield part
        number += full // SEALED_SIZE
        held = bytes(data[full:])
    if held:
        for plain in reader.open_sealed(memoryview(held), number):
            part = plain[skip : skip + left]
            left -= len(part)
            yield part
    if left:
        raise reader.cut_off(offset + length - left)
