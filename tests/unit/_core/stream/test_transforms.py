"""Promises of the small transforms of a stream."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import lzma
import random
import shutil
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream import decompression
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.decompression import Decompressor
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Emit, Pipeline
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.stages import Transform
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.transforms import (
    Gunzip,
    Gzip,
    Sha256,
    Unxz,
    Unzstd,
    ZstdFrames,
    decompressor_for,
    read_frames,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

MIB = 1024 * 1024
TEXT = b"".join(b"%d\tclient %d\t2026-11-24\n" % (n, n * 7) for n in range(20_000))
NOISE = random.Random(5).randbytes(300_000)
MIXED = TEXT + NOISE + bytes(500_000)

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": lambda data: zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data),
}
DECOMPRESSORS: dict[str, type[Decompressor]] = {"gzip": Gunzip, "xz": Unxz, "zstd": Unzstd}
FORMATS = pytest.mark.parametrize("form", list(COMPRESSORS))


def run(transform: Transform, data: bytes, size: int = 65536) -> bytes:
    output = [transform.update(data[start : start + size]) for start in range(0, len(data), size)]
    return b"".join(output) + transform.finalize()


def program(name: str, *arguments: str, stdin: bytes) -> bytes:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not here")
    return subprocess.run([path, *arguments], input=stdin, capture_output=True, check=True).stdout


def streamed(data: bytes, sizes: list[int], transform: Transform) -> bytes:
    output: list[bytes] = []
    position = 0
    for size in sizes:
        output.append(transform.update(data[position : position + size]))
        position += size
    output.append(transform.update(data[position:]))
    return b"".join(output) + transform.finalize()


def test_sha256_passes_the_stream_on_and_knows_digest_and_size() -> None:
    observer = Sha256()
    chunk = MIXED[:1000]
    assert observer.update(chunk) is chunk
    assert observer.update(MIXED[1000:]) == MIXED[1000:]
    assert observer.finalize() == b""
    assert observer.hexdigest() == hashlib.sha256(MIXED).hexdigest()
    assert observer.size == len(MIXED)


@FORMATS
@given(
    content=st.lists(st.binary(max_size=300), max_size=4).map(lambda parts: b"".join(part * 50 for part in parts)),
    sizes=st.lists(st.integers(0, 400), max_size=8),
)
def test_what_was_compressed_comes_back_however_it_is_cut(form: str, content: bytes, sizes: list[int]) -> None:
    assert streamed(COMPRESSORS[form](content), sizes, DECOMPRESSORS[form]()) == content


@FORMATS
def test_a_large_stream_comes_back(form: str) -> None:
    for size in (1000, 65536, MIB):
        assert run(DECOMPRESSORS[form](), COMPRESSORS[form](MIXED), size) == MIXED


@FORMATS
def test_several_streams_one_behind_the_other_are_one(form: str) -> None:
    parts = [b"first", b"", TEXT, b"last"]
    data = b"".join(map(COMPRESSORS[form], parts))
    for size in (61, 997, MIB):
        assert run(DECOMPRESSORS[form](), data, size) == b"".join(parts)


@FORMATS
def test_every_truncation_is_an_error(form: str) -> None:
    whole = COMPRESSORS[form](b"some text " * 5)
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            run(DECOMPRESSORS[form](), whole[:length], 10)
        with pytest.raises(FormatError):
            run(DECOMPRESSORS[form](), whole + whole[: max(length, 1)], 10)


@FORMATS
@settings(max_examples=examples(150))
@given(data=st.data())
def test_a_changed_byte_is_an_error_or_changes_nothing(form: str, data: st.DataObject) -> None:
    content = NOISE[:200] + b"some text " * 50
    raw = bytearray(COMPRESSORS[form](content))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FormatError):
        # gzip's header (flags, time, system) and a zstd frame that became skippable carry no checksum.
        assert run(DECOMPRESSORS[form](), bytes(raw)) in (content, b"")


@FORMATS
@given(data=st.binary(max_size=200))
def test_random_bytes_are_an_error_and_nothing_else(form: str, data: bytes) -> None:
    start = COMPRESSORS[form](b"x" * 100)
    for prefix in (b"", start[:6], start[:12], start):
        try:
            run(DECOMPRESSORS[form](), prefix + data)
        except FormatError:
            continue
        assert not data


@FORMATS
@pytest.mark.parametrize("trailer", [b"\0", b"x", b"PGDMP", b"\x1f", b"\xfd7", b"\x28\xb5"])
def test_bytes_behind_the_end_are_an_error(form: str, trailer: bytes) -> None:
    with pytest.raises(FormatError):
        run(DECOMPRESSORS[form](), COMPRESSORS[form](TEXT) + trailer)


def test_xz_may_have_padding_of_whole_words_between_and_behind_its_streams() -> None:
    one = lzma.compress(b"one", preset=0)
    for size in (1, 5, MIB):
        assert run(Unxz(), one + bytes(8) + one + bytes(4), size) == b"oneone"
        with pytest.raises(FormatError):
            run(Unxz(), one + bytes(5) + one, size)


def test_skippable_frames_are_skipped() -> None:
    frame = COMPRESSORS["zstd"](b"text")
    skippable = (0x184D2A53).to_bytes(4, "little") + (100_000).to_bytes(4, "little") + bytes(100_000)
    for size in (1000, MIB):
        assert run(Unzstd(), skippable + frame + skippable, size) == b"text"
        with pytest.raises(FormatError):
            run(Unzstd(), frame + skippable[:-1], size)


def zstd_bomb(blocks: int) -> bytes:
    """A frame of RLE blocks, four bytes each, that expand to 128 KiB each (RFC 8878, section 3.1.1.2)."""
    header = b"\x28\xb5\x2f\xfd\x00\x58"
    block = (128 * 1024 << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    last = (128 * 1024 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"x"
    return header + block * (blocks - 1) + last


@functools.cache
def bomb(form: str, size: int) -> bytes:
    if form == "zstd":
        return zstd_bomb(size // (128 * 1024))
    compressor: Any = zlib.compressobj(9, wbits=31) if form == "gzip" else lzma.LZMACompressor(preset=0)
    return b"".join(compressor.compress(bytes(MIB)) for _ in range(size // MIB)) + compressor.flush()


@FORMATS
def test_a_bomb_comes_in_small_pieces_and_takes_little_memory(form: str) -> None:
    data, size = bomb(form, 100 * MIB), 0
    decompressor = DECOMPRESSORS[form]()
    tracemalloc.start()
    try:
        for piece in decompressor.pieces(data):
            assert len(piece) <= decompression.PIECE_BYTES
            size += len(piece)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert decompressor.finalize() == b""
    assert size == 100 * MIB


@FORMATS
def test_an_update_refuses_to_return_a_bomb(form: str) -> None:
    with pytest.raises(FormatError, match="what comes out is more than"):
        DECOMPRESSORS[form]().update(bomb(form, 100 * MIB))


class Whole:
    """A source of one piece."""

    name = "whole"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def run(self, emit: Emit) -> None:
        emit(self._data)

    def cancel(self) -> None:
        pass


class Measured:
    """A sink that keeps nothing but sizes."""

    name = "measured"
    size = largest = 0

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.largest = max(self.largest, len(chunk))

    def commit(self) -> None:
        pass

    def abort(self) -> None:
        pass


@FORMATS
def test_a_pipeline_passes_on_small_pieces_of_a_bomb(form: str) -> None:
    sink = Measured()
    Pipeline(Whole(bomb(form, 100 * MIB)), [DECOMPRESSORS[form](), Sha256()], [sink]).run()
    assert sink.size == 100 * MIB
    assert sink.largest <= decompression.PIECE_BYTES


def test_a_zstd_stream_that_asks_for_much_memory_is_refused() -> None:
    with pytest.raises(FormatError):
        run(Unzstd(), b"\x28\xb5\x2f\xfd\x00\xf8" + zstd_bomb(1)[6:])


@FORMATS
def test_the_format_is_told_by_the_first_bytes(form: str) -> None:
    found = decompressor_for(COMPRESSORS[form](b"text")[:6])
    assert type(found) is DECOMPRESSORS[form]


@pytest.mark.parametrize("data", [b"", b"\x1f", b"PGDMP\x01", b"age-encryption.org/v1", b"\xfd7zXZ", b"\x28\xb5\x2f"])
def test_other_first_bytes_are_no_known_compression(data: bytes) -> None:
    assert decompressor_for(data) is None


@given(content=st.binary(max_size=2000), level=st.integers(1, 9))
def test_gzip_gives_what_gzip_reads_and_the_same_every_time(content: bytes, level: int) -> None:
    packed = run(Gzip(level), content, 300)
    assert gzip.decompress(packed) == content
    assert run(Gzip(level), content, 300) == packed


def test_compressed_by_us_is_read_by_the_programs() -> None:
    assert program("gzip", "-dc", stdin=run(Gzip(), MIXED)) == MIXED
    assert program("zstd", "-dc", stdin=run(ZstdFrames(frame_bytes=100_000), MIXED)) == MIXED
    assert program("zstd", "-dc", stdin=run(ZstdFrames(), b"")) == b""


@pytest.mark.parametrize(
    ("argv", "form"),
    [
        (("gzip", "-9c"), "gzip"),
        (("xz", "-0c"), "xz"),
        (("xz", "-9c", "--check=sha256"), "xz"),
        (("zstd", "-1c"), "zstd"),
        (("zstd", "-c", "--no-check", "--format=zstd"), "zstd"),
        (("zstd", "-19c", "--long=24"), "zstd"),
        (("zstd", "-T2", "-c"), "zstd"),
    ],
    ids=" ".join,
)
def test_compressed_by_the_programs_is_read_by_us(argv: tuple[str, ...], form: str) -> None:
    assert run(DECOMPRESSORS[form](), program(*argv, stdin=MIXED)) == MIXED


class Packed:
    """A stream of frames, and a note of what was fetched of it."""

    def __init__(self, content: bytes, frame_bytes: int) -> None:
        self.frames = ZstdFrames(frame_bytes=frame_bytes)
        self.data = run(self.frames, content, 777)
        self.fetched: list[tuple[int, int]] = []

    def fetch(self, offset: int, length: int) -> bytes:
        self.fetched.append((offset, length))
        return self.data[offset : offset + length]

    def read(self, offset: int, length: int) -> bytes:
        f = self.frames
        return b"".join(read_frames(self.fetch, f.frames, f.plain_size, f.compressed_size, offset, length))


@given(content=st.binary(max_size=3000), frame_bytes=st.integers(1, 1200), data=st.data())
def test_any_range_of_the_frames_can_be_read(content: bytes, frame_bytes: int, data: st.DataObject) -> None:
    packed = Packed(content, frame_bytes)
    assert zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(packed.data) == content
    assert (packed.frames.plain_size, packed.frames.compressed_size) == (len(content), len(packed.data))
    assert [plain for plain, _ in packed.frames.frames] == list(range(0, len(content), frame_bytes)) or not content
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    assert packed.read(begin, end - begin) == content[begin:end]


def test_frames_are_of_the_size_asked_for_and_carry_their_size() -> None:
    packed = Packed(MIXED, 100_000)
    for plain, compressed in packed.frames.frames:
        assert zstandard.frame_content_size(packed.data[compressed:]) == min(100_000, len(MIXED) - plain)


def test_a_range_fetches_only_its_frames() -> None:
    packed = Packed(MIXED, 100_000)
    assert packed.read(250_000, 100_000) == MIXED[250_000:350_000]
    frames = packed.frames.frames
    assert packed.fetched == [(frames[n][1], frames[n + 1][1] - frames[n][1]) for n in (2, 3)]


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1), (0, 10**9), (10**9, 1)])
def test_a_range_outside_of_the_stream_is_an_error(offset: int, length: int) -> None:
    with pytest.raises(FormatError):
        Packed(TEXT, 100_000).read(offset, length)


def test_a_damaged_or_wrong_frame_is_an_error() -> None:
    packed = Packed(TEXT, 100_000)
    good = packed.data
    position = packed.frames.frames[1][1]
    packed.data = good[: position + 500] + bytes([good[position + 500] ^ 1]) + good[position + 501 :]
    assert packed.read(0, 100) == TEXT[:100]
    with pytest.raises(FormatError):
        packed.read(100_000, 10)
    packed.data = good[:-10]
    with pytest.raises(FormatError):
        packed.read(len(TEXT) - 1, 1)
    packed.data = good
    packed.frames.frames[1] = (100_001, position)
    with pytest.raises(FormatError):
        packed.read(100_001, 10)
    packed.frames.frames[1] = (100_000, 0)
    with pytest.raises(FormatError):
        packed.read(0, 10)


def test_a_frame_that_claims_to_be_huge_takes_no_memory() -> None:
    huge = b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + zstd_bomb(1)[6:]
    with pytest.raises(FormatError):
        list(read_frames(lambda offset, length: huge, [(0, 0)], 1 << 50, len(huge), 0, 10))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ZstdFrames(level=0),
        lambda: ZstdFrames(level=23),
        lambda: ZstdFrames(frame_bytes=0),
        lambda: ZstdFrames(frame_bytes=1 << 40),
        lambda: Gzip(0),
        lambda: Gzip(10),
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize(
    "make", [ZstdFrames, Unzstd, lambda: list(read_frames(lambda o, n: b"", [(0, 0)], 1, 1, 0, 1))]
)
def test_a_missing_library_is_named(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ConfigError, match="zstandard is missing"):
        make()
