"""The small transforms of a stream: hashing, compressing, decompressing."""

from __future__ import annotations

import hashlib
import lzma
import zlib
from collections.abc import Iterator

from ..errors import ConfigError
from .decompression import PIECE_BYTES, Decompressor, broken
from .stages import Transform
from .zstd import Unzstd, ZstdFrames, is_zstd, read_frames

__all__ = [
    "COMPRESSIONS",
    "Beginning",
    "Gunzip",
    "Gzip",
    "Sha256",
    "Unxz",
    "Unzstd",
    "ZstdFrames",
    "compressors",
    "decompressor_for",
    "read_frames",
]

SIGNATURE_BYTES = 6
"""How many first bytes :func:`decompressor_for` needs."""

_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_GZIP_WINDOW = zlib.MAX_WBITS | 16
_XZ_MEMORY_BYTES = 128 * 1024 * 1024
_XZ_PADDING = 4


class Sha256:
    """Observer: the SHA-256 and the size of what passes."""

    name = "sha256"

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def update(self, chunk: bytes) -> bytes:
        """Hash *chunk* and return it."""
        self._hash.update(chunk)
        self.size += len(chunk)
        return chunk

    def finalize(self) -> bytes:
        """Nothing, as no bytes are held back."""
        return b""

    def hexdigest(self) -> str:
        """The SHA-256 of all bytes so far, in lower-case hexadecimal."""
        return self._hash.hexdigest()


class Beginning:
    """Observer: keeps the first bytes of what passes.

    :param size: how many at most.
    """

    name = "beginning"

    def __init__(self, size: int) -> None:
        self.data = b""
        self._size = size

    def update(self, chunk: bytes) -> bytes:
        """Keep the first bytes of the stream and return *chunk* as it is."""
        if len(self.data) < self._size:
            self.data += chunk[: self._size - len(self.data)]
        return chunk

    def finalize(self) -> bytes:
        """Nothing, as no bytes are held back."""
        return b""


class Gzip:
    """Compresses into one gzip member (RFC 1952), without name and time, so that equal input gives equal output.

    :param level: 1 (fast) to 9 (small).
    """

    name = "gzip"

    def __init__(self, level: int = 6) -> None:
        if not 1 <= level <= 9:
            raise ConfigError("compress the stream", f"gzip knows no level {level}", hint="1 to 9")
        self._compressor = zlib.compressobj(level, wbits=_GZIP_WINDOW)

    def update(self, chunk: bytes) -> bytes:
        """Compress *chunk*."""
        return self._compressor.compress(chunk)

    def finalize(self) -> bytes:
        """The last bytes of the gzip member."""
        return self._compressor.flush()


class Gunzip(Decompressor):
    """Decompresses gzip (RFC 1952), any number of members. Anything else behind a member is an error."""

    name = "gzip"

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        self._begun = self._ended = False

    def _expand(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._ended:
                self._member = zlib.decompressobj(wbits=_GZIP_WINDOW)
                self._ended = False
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise broken(f"this is no gzip, or it is damaged: {error}") from None
            self._begun = True
            self._ended = self._member.eof
            data = self._member.unused_data if self._ended else self._member.unconsumed_tail
            # A full piece may leave more inside although all input is taken.
            full = len(piece) == PIECE_BYTES and not self._ended
            if piece:
                yield piece

    def _complete(self) -> bool:
        return self._begun and self._ended


class Unxz(Decompressor):
    """Decompresses xz, any number of streams with stream padding, with up to 128 MiB of memory (``xz -9`` needs 65)."""

    name = "xz"

    def __init__(self) -> None:
        self._stream = self._new()
        self._begun = False
        self._padding = 0

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)

    def _expand(self, data: bytes) -> Iterator[bytes]:
        if data and self._stream.eof:
            data = self._skip_padding(data)
        while data or (self._begun and not self._stream.eof and not self._stream.needs_input):
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except lzma.LZMAError as error:
                raise broken(f"this is no xz, or it is damaged: {error}") from None
            self._begun = True
            if piece:
                yield piece
            # Empty before a stream's end.
            data = self._skip_padding(self._stream.unused_data)

    def _skip_padding(self, data: bytes) -> bytes:
        """Skip the padding behind a stream; what follows begins another one."""
        rest = data.lstrip(b"\0")
        self._padding += len(data) - len(rest)
        if rest:
            if self._padding % _XZ_PADDING:
                raise broken("the xz stream has padding of a wrong length")
            self._padding = 0
            self._stream = self._new()
        return rest

    def _complete(self) -> bool:
        return self._stream.eof and not self._padding % _XZ_PADDING


COMPRESSIONS = ("none", "gzip", "zstd")
"""What an export may ask for."""


def compressors(method: str) -> list[Transform]:
    """What compresses as *method* says, ``zstd`` or ``gzip``; nothing for any other."""
    if method == "zstd":
        return [ZstdFrames()]
    return [Gzip()] if method == "gzip" else []


def decompressor_for(first_bytes: bytes) -> Decompressor | None:
    """What decompresses a stream that begins like this, or None when it is not compressed in a known way.

    :param first_bytes: at least :data:`SIGNATURE_BYTES` of them, unless the stream is shorter.
    """
    if first_bytes.startswith(_GZIP):
        return Gunzip()
    if first_bytes.startswith(_XZ):
        return Unxz()
    if is_zstd(first_bytes):
        return Unzstd()
    return None
