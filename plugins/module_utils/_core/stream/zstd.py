"""Zstandard (RFC 8878) on the ``zstandard`` library, written so that a reader can begin in the middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Any

from ..errors import ConfigError
from .decompression import PIECE_BYTES, Decompressor, broken

FRAME_BYTES = 4 * 1024 * 1024
MAX_FRAME_BYTES = 64 * 1024 * 1024
_FRAME_OVERHEAD = 64 * 1024
MAX_WINDOW_BYTES = 128 * 1024 * 1024
"""What a stream may ask for to be decompressed; ``zstd`` itself refuses more, too, unless told otherwise."""

_MAGIC = 0xFD2FB528
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_MAGIC_BYTES = 4
_SKIPPABLE_HEADER_BYTES = 8
_BLOCK_HEADER_BYTES = 3
_CHECKSUM_BYTES = 4
_MAX_BLOCK_BYTES = 128 * 1024
_RLE_BLOCK, _RESERVED_BLOCK = 1, 3
_SINGLE_SEGMENT, _HAS_CHECKSUM = 0x20, 0x04

Frames = Sequence[tuple[int, int]]
"""For each frame, where it begins in the plain and in the compressed stream."""


def require_library() -> Any:
    """The library, or a :class:`ConfigError` that says how to get it."""
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError(
            "prepare the compression",
            "the Python library zstandard is missing",
            hint="install it for the Python that runs the module: python3-zstandard, or pip install zstandard",
        ) from error
    return zstandard


def is_zstd(first_bytes: bytes) -> bool:
    """Whether a stream that begins like this is of this format."""
    magic = int.from_bytes(first_bytes[:_MAGIC_BYTES], "little")
    return len(first_bytes) >= _MAGIC_BYTES and (magic == _MAGIC or magic in _SKIPPABLE)


class ZstdFrames:
    """Compresses into one frame after the other, each by itself and with its size and checksum.

    Together they are an ordinary zstd file; with :attr:`frames`, :func:`read_frames` reads a part of it.

    :param level: 1 (fast) to 22 (small).
    :param frame_bytes: how much plain input goes into a frame.
    """

    name = "zstd"

    def __init__(self, level: int = 1, frame_bytes: int = FRAME_BYTES) -> None:
        if not 1 <= level <= 22:
            raise ConfigError("prepare the compression", f"zstd knows no level {level}", hint="1 to 22")
        if not 1 <= frame_bytes <= MAX_FRAME_BYTES:
            raise ConfigError("prepare the compression", f"frames are of 1 to {MAX_FRAME_BYTES} bytes")
        self._compressor = require_library().ZstdCompressor(level=level, write_checksum=True, write_content_size=True)
        self._frame_bytes = frame_bytes
        self._pending: list[bytes] = []
        self._held = 0
        self.frames: list[tuple[int, int]] = []
        self.plain_size = 0
        self.compressed_size = 0

    def update(self, chunk: bytes) -> bytes:
        """Take *chunk*; return the frames that are complete."""
        output: list[bytes] = []
        start = 0
        while self._held + len(chunk) - start >= self._frame_bytes:
            end = start + self._frame_bytes - self._held
            output.append(self._frame(chunk[start:end]))
            start = end
        if start < len(chunk):
            self._pending.append(chunk[start:])
            self._held += len(chunk) - start
        return b"".join(output)

    def finalize(self) -> bytes:
        """The last frame; an empty one for an empty stream, because a zstd file has one at least."""
        return self._frame(b"") if self._held or not self.frames else b""

    def _frame(self, last: bytes) -> bytes:
        plain = b"".join([*self._pending, last])
        self._pending, self._held = [], 0
        frame: bytes = self._compressor.compress(plain)
        self.frames.append((self.plain_size, self.compressed_size))
        self.plain_size += len(plain)
        self.compressed_size += len(frame)
        return frame


def read_frames(
    fetch: Callable[[int, int], bytes],
    frames: Frames,
    plain_size: int,
    compressed_size: int,
    offset: int,
    length: int,
) -> Iterator[bytes]:
    """Yield the plain bytes from *offset* on, *length* of them, fetching only the frames that have them.

    :param fetch: returns so many bytes of the compressed stream: ``fetch(offset, length)``.
    :param frames: :attr:`ZstdFrames.frames`.
    :raises FormatError: a frame is damaged or is not what *frames* says.
    """
    if offset < 0 or length < 0 or offset + length > plain_size:
        raise broken(f"bytes {offset} to {offset + length} were asked for, of {plain_size}")
    ends = [*frames[1:], (plain_size, compressed_size)]
    if not frames or any(end <= begin for (_first, begin), (_last, end) in zip(frames, ends, strict=True)):
        raise broken("the recorded positions of the zstd frames are not in order")
    decompressor = require_library().ZstdDecompressor()
    for (plain, compressed), (plain_end, compressed_end) in zip(frames, ends, strict=True):
        if plain_end <= offset or plain >= offset + length:
            continue
        size, stored = plain_end - plain, compressed_end - compressed
        if not 0 <= size <= MAX_FRAME_BYTES or stored > size + size // 128 + _FRAME_OVERHEAD:
            raise broken(f"a zstd frame of {size} bytes in {stored} is none that this collection writes")
        content = _decompress_frame(decompressor, fetch(compressed, stored), size)
        yield content[max(0, offset - plain) : offset + length - plain]


def _decompress_frame(decompressor: Any, data: bytes, size: int) -> bytes:
    library = require_library()
    try:
        # Looked at first, because the library trusts this number and makes room for it.
        if library.frame_content_size(data) != size:
            raise broken(f"a zstd frame is not of the {size} bytes that are recorded")
        content: bytes = decompressor.decompress(data, allow_extra_data=False)
    except library.ZstdError as error:
        raise broken(f"a zstd frame is damaged: {error}") from None
    return content


class Unzstd(Decompressor):
    """Decompresses zstd, any number of frames, skippable ones included.

    The stream is cut at its blocks, none of which expands to more than 128 KiB, before the library sees it.
    """

    name = "zstd"

    def __init__(self) -> None:
        library = require_library()
        self._error: type[Exception] = library.ZstdError
        self._context = library.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._frame: Any = None
        self._splitter = _Splitter()

    def _expand(self, data: bytes) -> Iterator[bytes]:
        ready: list[bytes] = []
        size = 0
        for unit, ends in self._splitter.split(data):
            piece = self._decompress(unit, ends)
            ready.append(piece)
            size += len(piece)
            if size + _MAX_BLOCK_BYTES > PIECE_BYTES:
                yield b"".join(ready)
                ready, size = [], 0
        if size:
            yield b"".join(ready)

    def _decompress(self, unit: bytes, ends: bool) -> bytes:
        try:
            if self._frame is None:
                self._frame = self._context.decompressobj()
            piece: bytes = self._frame.decompress(unit)
        except self._error as error:
            raise broken(f"the zstd stream is damaged: {error}") from None
        if ends is not self._frame.eof:
            raise broken("the zstd stream is damaged: a frame ends at a wrong place")
        if ends:
            self._frame = None
        return piece

    def _complete(self) -> bool:
        return self._splitter.complete


class _Part(Enum):
    """What comes next in the stream (RFC 8878, section 3.1)."""

    FRAME = auto()
    BLOCK = auto()
    CHECKSUM = auto()


class _Splitter:
    """Cuts a stream into the headers, blocks and checksums of its frames; skippable frames are dropped."""

    def __init__(self) -> None:
        self._next = _Part.FRAME
        self._held = b""
        self._skip = 0
        self._begun = False
        self._has_checksum = False

    @property
    def complete(self) -> bool:
        """Whether the stream may end here, between two frames."""
        return self._begun and self._next is _Part.FRAME and not self._held and not self._skip

    def split(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield every part that is whole, and whether a frame ends with it; what is not is kept for the next call."""
        data = self._held + data
        self._held = b""
        position = 0
        while position < len(data):
            if self._skip:
                step = min(self._skip, len(data) - position)
                self._skip -= step
                position += step
                continue
            size = self._size(data[position : position + _SKIPPABLE_HEADER_BYTES])
            if size is None or position + size > len(data):
                break
            unit = data[position : position + size]
            position += size
            if self._advance(unit):
                yield unit, self._next is _Part.FRAME
        self._held = data[position:]

    def _size(self, head: bytes) -> int | None:
        """The size of the part that begins with *head*; None when more of it is needed."""
        if self._next is _Part.CHECKSUM:
            return _CHECKSUM_BYTES
        if self._next is _Part.FRAME:
            return self._header_size(head)
        if len(head) < _BLOCK_HEADER_BYTES:
            return None
        header = int.from_bytes(head[:_BLOCK_HEADER_BYTES], "little")
        kind, size = header >> 1 & 3, header >> 3
        if kind == _RESERVED_BLOCK or size > _MAX_BLOCK_BYTES:
            raise broken(f"the zstd stream is damaged: a block of the type {kind} and {size} bytes")
        return _BLOCK_HEADER_BYTES + (1 if kind == _RLE_BLOCK else size)

    @staticmethod
    def _header_size(head: bytes) -> int | None:
        if len(head) <= _MAGIC_BYTES:
            return None
        magic = int.from_bytes(head[:_MAGIC_BYTES], "little")
        if magic in _SKIPPABLE:
            return _SKIPPABLE_HEADER_BYTES
        if magic != _MAGIC:
            raise broken("this is no zstd, or other bytes follow its end")
        descriptor = head[_MAGIC_BYTES]
        is_single = bool(descriptor & _SINGLE_SEGMENT)
        content_size = (int(is_single), 2, 4, 8)[descriptor >> 6]
        return _MAGIC_BYTES + 1 + (not is_single) + (0, 1, 2, 4)[descriptor & 3] + content_size

    def _advance(self, unit: bytes) -> bool:
        """Note what *unit* says of the next part; False when it is of a skippable frame."""
        if self._next is _Part.CHECKSUM:
            self._next = _Part.FRAME
        elif self._next is _Part.BLOCK:
            if unit[0] & 1:
                self._next = _Part.CHECKSUM if self._has_checksum else _Part.FRAME
        else:
            self._begun = True
            if int.from_bytes(unit[:_MAGIC_BYTES], "little") in _SKIPPABLE:
                self._skip = int.from_bytes(unit[_MAGIC_BYTES:], "little")
                return False
            self._has_checksum = bool(unit[_MAGIC_BYTES] & _HAS_CHECKSUM)
            self._next = _Part.BLOCK
        return True
