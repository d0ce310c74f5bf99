"""Every block is read to its end: rows are counted, and a dump that is cut or changed anywhere is refused."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import pytest
import zstandard
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import ArchiveWalker
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.unpacking import Unpacker
from hypothesis import given
from hypothesis import strategies as st
from support.archives import ArchiveBuilder, Entry

END = b"\\.\n\n\n"
COPY = "COPY public.t (id) FROM stdin;\n"
METHODS = {"none": 0, "gzip": 1, "zstd": 3}


def pack(method: str, data: bytes) -> bytes:
    if method == "gzip":
        return zlib.compress(data)
    return zstandard.compress(data) if method == "zstd" else data


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def archive(method: str, tables: Sequence[bytes], objects: Sequence[bytes] = (), size: int = 7) -> bytes:
    """Tables t1, t2 ... with these rows, and large objects, in chunks of so many bytes."""
    entries = [
        Entry(number, "TABLE DATA", f"t{number}", copy_stmt=COPY, data=pieces(pack(method, rows + END), size))
        for number, rows in enumerate(tables, start=1)
    ]
    if objects:
        stored = {oid: pieces(pack(method, data), size) for oid, data in enumerate(objects, start=1)}
        entries.append(Entry(99, "BLOBS", "BLOBS", namespace="", objects=stored))
    built: bytes = ArchiveBuilder(entries, compression=METHODS[method]).build()
    return built


def unpack(data: bytes, size: int = 1000) -> Unpacker:
    unpacker = Unpacker(2**27)
    for piece in pieces(data, size):
        unpacker.feed(piece)
    unpacker.finish()
    return unpacker


@given(
    st.sampled_from(sorted(METHODS)),
    st.lists(st.lists(st.binary(max_size=30).map(lambda row: row.replace(b"\n", b" ")), max_size=20), max_size=4),
    st.lists(st.binary(max_size=50), max_size=3),
    st.integers(1, 40),
    st.integers(1, 50),
)
def test_rows_and_large_objects_are_counted_however_the_stream_is_cut_into_pieces(
    method: str, tables: list[list[bytes]], objects: list[bytes], chunk: int, piece: int
) -> None:
    data = archive(method, [b"".join(row + b"\n" for row in rows) for rows in tables], objects, chunk)
    unpacker = unpack(data, piece)
    assert dict(unpacker.rows) == {("public", f"t{number}"): len(rows) for number, rows in enumerate(tables, start=1)}
    assert (unpacker.objects, unpacker.packed) == (len(objects), None)


@pytest.mark.parametrize("method", METHODS)
def test_a_dump_that_is_cut_after_any_byte_is_refused(method: str) -> None:
    data = archive(method, [b"1\n2\n", b"", b"x" * 300 + b"\n"], [b"large"])
    unpack(data)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            unpack(data[:length])


@pytest.mark.parametrize("method", METHODS)
def test_bytes_behind_the_end_are_refused(method: str) -> None:
    data = archive(method, [b"1\n2\n"])
    for more in (b"\0", b"\1", data):
        with pytest.raises(FormatError):
            unpack(data + more)


def test_blocks_that_are_doubled_exchanged_or_left_out_are_refused() -> None:
    data = archive("gzip", [b"1\n", b"2\n2\n", b"3\n"])
    walker = ArchiveWalker()
    walker.update(data)
    head = data[: walker.index[0].offset]
    first, second, third = (data[one.offset : one.offset + one.length] for one in walker.index)
    assert unpack(head + first + second + third).rows
    for blocks in (first + second, first + first + second + third, first + second + third + third, first + third):
        with pytest.raises(FormatError):
            unpack(head + blocks)


def test_a_changed_byte_of_what_gzip_has_compressed_is_refused_naming_the_table() -> None:
    rows = b"".join(b"%d\n" % number for number in range(500))
    packed = pack("gzip", rows + END)
    damaged = packed[: len(packed) // 2] + bytes([packed[len(packed) // 2] ^ 255]) + packed[len(packed) // 2 + 1 :]
    entry = Entry(1, "TABLE DATA", "t1", copy_stmt=COPY, data=[damaged])
    with pytest.raises(FormatError, match=r"public\.t1"):
        unpack(ArchiveBuilder([entry], compression=METHODS["gzip"]).build())


def test_rows_without_their_end_are_refused() -> None:
    entry = Entry(1, "TABLE DATA", "t1", copy_stmt=COPY, data=[b"1\n2\n"])
    with pytest.raises(FormatError, match=r"public\.t1: the rows have no end"):
        unpack(ArchiveBuilder([entry]).build())


def test_a_dump_of_inserts_is_read_and_its_rows_are_not_counted() -> None:
    entry = Entry(1, "TABLE DATA", "t1", copy_stmt="", data=[b"INSERT INTO public.t1 VALUES (1);\n"])
    assert not unpack(ArchiveBuilder([entry]).build()).rows


def test_what_cannot_be_unpacked_here_is_told() -> None:
    entry = Entry(1, "TABLE DATA", "t1", copy_stmt=COPY, data=[b"\x04\x22\x4d\x18"])
    unpacker = unpack(ArchiveBuilder([entry], compression=2).build())
    assert (unpacker.packed, dict(unpacker.rows)) == ("lz4", {})


def test_little_that_expands_to_much_is_unpacked_in_bounded_pieces() -> None:
    rows = b"0\n" * 20_000_000
    entry = Entry(1, "TABLE DATA", "t1", copy_stmt=COPY, data=[zlib.compress(rows + END)])
    data = ArchiveBuilder([entry], compression=1).build()
    del rows
    assert unpack(data, len(data)).rows["public", "t1"] == 20_000_000
