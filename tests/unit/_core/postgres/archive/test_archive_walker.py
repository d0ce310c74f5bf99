"""Promises of the walker through pg_dump's custom format; real dumps are in ``tests/integration/archive``."""

from __future__ import annotations

import dataclasses
import itertools
import time
import tracemalloc
from collections.abc import Iterable, Sequence
from datetime import datetime

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import ArchiveWalker, Block, Section
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archives import NO_DATA, PREAMBLE, SMALL, ArchiveBuilder, Entry
from support.effort import examples

VERSIONS = [(1, 12, 0), (1, 13, 0), (1, 14, 0), (1, 15, 0), (1, 16, 0)]
ARCHIVE = ArchiveBuilder(SMALL).build()
TABLE = SMALL[6]


def walk(data: bytes, cuts: Iterable[int] = ()) -> ArchiveWalker:
    walker = ArchiveWalker()
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        walker.update(data[begin:end])
    walker.finalize()
    return walker


def expected_index(builder: ArchiveBuilder) -> tuple[Block, ...]:
    position = len(builder.toc())
    index = []
    for entry in (entry for entry in builder.entries if entry.has_block):
        length = len(builder.block(entry))
        is_table = entry.objects is None
        kind, schema = ("table", entry.namespace or "") if is_table else ("blobs", "")
        index.append(Block(entry.dump_id, kind, schema, entry.tag, position, length))
        position += length
    return tuple(index)


@pytest.mark.parametrize("off_size", [4, 8])
@pytest.mark.parametrize("int_size", [4, 8])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_every_version_and_size_of_integers_is_read(
    version: tuple[int, int, int], int_size: int, off_size: int
) -> None:
    builder = ArchiveBuilder(SMALL, version=version, int_size=int_size, off_size=off_size)
    walker = walk(builder.build())
    assert walker.index == expected_index(builder)
    toc = walker.toc
    assert (toc.version, toc.int_size, toc.off_size) == (version, int_size, off_size)
    assert (toc.database, toc.server_version, toc.pg_dump_version) == ("shop", "17.10", "17.10")
    assert toc.created == datetime(2026, 11, 24, 3, 4, 5)
    assert toc.length == len(builder.toc())
    assert toc.header_length == len(builder.header())
    assert [entry.dump_id for entry in toc.entries] == [entry.dump_id for entry in SMALL]


def test_an_entry_carries_all_that_the_format_has() -> None:
    entry = walk(ARCHIVE).toc.by_id[21]
    assert (entry.tag, entry.desc, entry.namespace, entry.owner) == ("tall", "TABLE DATA", "public", "owner")
    assert (entry.had_dumper, entry.table_oid, entry.oid, entry.section) == (True, 1259, 16384, Section.DATA)
    assert (entry.defn, entry.copy_stmt) == ("", "COPY public.tall (n) FROM stdin;\n")
    assert (entry.dependencies, entry.data_offset) == ((10,), None)
    table = walk(ARCHIVE).toc.by_id[10]
    assert (table.tableam, table.relkind, table.section, table.had_dumper) == ("heap", "r", Section.PRE_DATA, False)


def test_fields_of_later_versions_are_empty_in_earlier_ones() -> None:
    old = walk(ArchiveBuilder(SMALL, version=(1, 13, 0)).build()).toc.by_id[10]
    assert (old.tableam, old.relkind) == ("", "")
    middle = walk(ArchiveBuilder(SMALL, version=(1, 15, 0)).build()).toc.by_id[10]
    assert (middle.tableam, middle.relkind) == ("heap", "")


def test_the_raw_bytes_of_every_entry_can_be_found_again() -> None:
    builder = ArchiveBuilder(SMALL)
    for entry, source in zip(walk(ARCHIVE).toc.entries, SMALL, strict=True):
        assert ARCHIVE[entry.position : entry.position + entry.size] == builder.entry(source)


def test_the_tables_are_those_with_rows_in_the_order_of_their_blocks() -> None:
    assert walk(ARCHIVE).toc.tables == ((21, "public", "tall"), (20, "public", "empty"))


@pytest.mark.parametrize(("number", "name"), [(0, "none"), (1, "gzip"), (2, "lz4"), (3, "zstd")])
def test_the_compression_is_told(number: int, name: str) -> None:
    toc = walk(ArchiveBuilder(SMALL, compression=number).build()).toc
    assert (toc.compression, toc.compression_level) == (name, None)


@pytest.mark.parametrize(("level", "name"), [(0, "none"), (-1, "gzip"), (6, "gzip")])
def test_the_compression_of_older_archives_is_told_by_their_level(level: int, name: str) -> None:
    toc = walk(ArchiveBuilder(SMALL, version=(1, 14, 0), compression=level).build()).toc
    assert (toc.compression, toc.compression_level) == (name, level)


def test_a_date_that_is_none_is_left_out() -> None:
    assert walk(ArchiveBuilder(SMALL, created=(0, 0, 0, 31, 1, 126, 0)).build()).toc.created is None


def test_a_walker_passes_every_chunk_on_as_it_came() -> None:
    walker = ArchiveWalker()
    chunk = ARCHIVE[:700]
    assert walker.update(chunk) is chunk
    assert walker.update(ARCHIVE[700:]) == ARCHIVE[700:]
    assert walker.finalize() == b""


def test_a_walker_observes_a_pipeline() -> None:
    class Source:
        name = "source"

        def run(self, emit: object) -> None:
            for start in range(0, len(ARCHIVE), 100):
                emit(ARCHIVE[start : start + 100])  # type: ignore[operator]

        def cancel(self) -> None:
            pass

    walker = ArchiveWalker()
    Pipeline(Source(), [walker], []).run()
    assert walker.index == expected_index(ArchiveBuilder(SMALL))
    assert walker.size == len(ARCHIVE)


def test_callbacks_are_told_the_contents_once_and_every_block_as_it_begins() -> None:
    calls: list[tuple[int, object]] = []
    position = 0
    walker = ArchiveWalker(
        on_toc=lambda toc: calls.append((position, toc)),
        on_block=lambda entry: calls.append((position, entry.dump_id)),
    )
    for position in range(len(ARCHIVE)):
        assert walker.has_toc is (position >= len(ArchiveBuilder(SMALL).toc()))
        walker.update(ARCHIVE[position : position + 1])
    walker.finalize()
    block_header = 1 + 5
    begins = [(block.offset + block_header - 1, block.dump_id) for block in walker.index]
    assert calls == [(walker.toc.length - 1, walker.toc), *begins]


def test_names_are_read_in_the_encoding_of_the_dump() -> None:
    entries = (
        Entry(1, "ENCODING", "ENCODING", "SET client_encoding = 'LATIN1';\n", None, ""),
        Entry(5, "TABLE DATA", "straße", None, namespace="für", data=[]),
    )
    walker = walk(ArchiveBuilder(entries, database="müll", encoding="latin-1").build())
    assert walker.toc.tables == ((5, "für", "straße"),)
    assert walker.toc.database == "müll"


def test_names_that_the_encoding_cannot_read_stay_distinct() -> None:
    entries = (*PREAMBLE, Entry(5, "TABLE", "a\udcff"), Entry(6, "TABLE", "a\udcfe"))
    toc = walk(ArchiveBuilder(entries).build()).toc
    assert toc.by_id[5].tag != toc.by_id[6].tag


@settings(max_examples=examples(200))
@given(st.sets(st.integers(0, len(ARCHIVE)), max_size=60))
def test_any_split_into_chunks_gives_the_same_result(cuts: set[int]) -> None:
    whole, split = walk(ARCHIVE), walk(ARCHIVE, cuts)
    assert (split.toc, split.index) == (whole.toc, whole.index)


def test_bytes_that_come_one_by_one_give_the_same_result() -> None:
    assert walk(ARCHIVE, range(1, len(ARCHIVE))).index == expected_index(ArchiveBuilder(SMALL))


def test_every_truncation_is_an_error() -> None:
    for length in range(len(ARCHIVE)):
        with pytest.raises(FormatError):
            walk(ARCHIVE[:length])


def test_a_truncation_between_two_blocks_names_the_first_table_that_is_missing() -> None:
    first = expected_index(ArchiveBuilder(SMALL))[0]
    with pytest.raises(FormatError, match=r"before the data of public\.empty, 3 blocks"):
        walk(ARCHIVE[: first.offset + first.length])


def test_a_truncation_within_a_block_names_its_table() -> None:
    with pytest.raises(FormatError, match=r"within the data of public\.tall"):
        walk(ARCHIVE[: expected_index(ArchiveBuilder(SMALL))[0].offset + 20])


@pytest.mark.parametrize("trailer", [b"\0", b"\1", b"PGDMP", ArchiveBuilder(SMALL).blocks()[0], ARCHIVE])
def test_bytes_behind_the_end_are_an_error(trailer: bytes) -> None:
    with pytest.raises(FormatError):
        walk(ARCHIVE + trailer)


@settings(max_examples=examples(300))
@given(st.binary(max_size=400))
def test_random_bytes_are_no_archive(data: bytes) -> None:
    for start in (b"", ARCHIVE[:12], ARCHIVE[: len(ArchiveBuilder(SMALL).header())]):
        with pytest.raises(FormatError):
            walk(start + data)


@settings(max_examples=examples(250))
@given(st.data())
def test_a_mutated_archive_is_read_or_refused_but_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(ARCHIVE)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(raw) - 1))
        action = data.draw(st.sampled_from(["set", "delete", "insert"]))
        piece = data.draw(st.binary(min_size=1, max_size=6))
        if action == "set":
            raw[position : position + len(piece)] = piece
        elif action == "delete":
            del raw[position : position + len(piece)]
        else:
            raw[position:position] = piece
    cuts = data.draw(st.sets(st.integers(0, len(raw)), max_size=4))
    try:
        walker = walk(bytes(raw), cuts)
    except FormatError:
        return
    assert walker.index[-1].offset + walker.index[-1].length == len(raw)


def damaged(old: bytes, new: bytes) -> bytes:
    assert ARCHIVE.count(old) == 1
    return ARCHIVE.replace(old, new)


BLOCK = ArchiveBuilder(SMALL).block(TABLE)
TALL = ArchiveBuilder(SMALL).integer(21)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (damaged(b"PGDMP", b"PGDMQ"), "no dump"),
        (damaged(b"PGDMP\1\x10", b"PGDMP\1\x11"), r"version 1\.17\.0"),
        (damaged(b"PGDMP\1\x10", b"PGDMP\1\x0b"), r"version 1\.11\.0"),
        (damaged(b"PGDMP\1\x10\0\4", b"PGDMP\1\x10\0\3"), "integers of 3"),
        (damaged(b"PGDMP\1\x10\0\4\x08\1", b"PGDMP\1\x10\0\4\x08\3"), "format 3"),
        (damaged(BLOCK, BLOCK + BLOCK), "none that belongs there"),
        (damaged(BLOCK, b"\1\0\x63" + BLOCK[3:]), "none that belongs there"),
        (damaged(BLOCK, b"\2" + BLOCK[1:]), "none that belongs there"),
        (damaged(BLOCK, b"\3" + BLOCK[1:]), "wrong kind"),
        (damaged(BLOCK, BLOCK[:6] + b"\1\4\0\0\0" + BLOCK[11:]), r"public\.tall have a chunk of -4 bytes"),
        (damaged(BLOCK, BLOCK[:6] + b"\0\4\0\0\x80" + BLOCK[11:]), r"public\.tall have a chunk of 2147483652 bytes"),
    ],
)
def test_what_is_damaged_is_named(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        walk(data)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (dataclasses.replace(TABLE, dump_id=0), "entry 0"),
        (dataclasses.replace(TABLE, dump_id=-3), "entry -3"),
        (dataclasses.replace(TABLE, dump_id=10), "entry 10 of the table of contents is there twice"),
        (dataclasses.replace(TABLE, tag="a\0b"), "NUL"),
        (dataclasses.replace(TABLE, dependencies=[-1]), "number"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry: Entry, message: str) -> None:
    entries = [entry if each is TABLE else each for each in SMALL]
    with pytest.raises(FormatError, match=message):
        walk(ArchiveBuilder(entries).build())


def test_recorded_offsets_are_read_and_must_be_true() -> None:
    offsets = {block.dump_id: block.offset for block in expected_index(ArchiveBuilder(SMALL))}
    walker = walk(ArchiveBuilder(SMALL, offsets=offsets).build())
    assert {entry.dump_id: entry.data_offset for entry in walker.toc.entries if entry.had_dumper} == offsets
    offsets[20] += 1
    with pytest.raises(FormatError, match=r"public\.empty are at byte"):
        walk(ArchiveBuilder(SMALL, offsets=offsets).build())


def test_an_offset_flag_must_agree_with_the_entry() -> None:
    builder = ArchiveBuilder(SMALL)
    raw = builder.entry(TABLE)
    flagged = raw[: -1 - builder.off_size] + bytes([NO_DATA]) + raw[-builder.off_size :]
    with pytest.raises(FormatError, match="offset flag 3"):
        walk(ARCHIVE.replace(raw, flagged))


def test_an_archive_without_data_is_valid() -> None:
    walker = walk(ArchiveBuilder(SMALL[:6]).build())
    assert (walker.index, walker.toc.tables) == ((), ())
    with pytest.raises(FormatError):
        walk(ArchiveBuilder(SMALL[:6]).build() + b"\0")


def test_an_archive_without_entries_is_valid() -> None:
    assert walk(ArchiveBuilder(()).build()).toc.entries == ()


def test_nothing_at_all_is_an_error() -> None:
    walker = ArchiveWalker()
    with pytest.raises(FormatError, match="empty"):
        walker.finalize()
    with pytest.raises(FormatError, match="ends before its table of contents"):
        _ = walker.toc


@pytest.mark.parametrize("size", [2**31 - 1, 2**32 - 1])
def test_a_length_that_cannot_be_takes_no_memory(size: int) -> None:
    builder = ArchiveBuilder(())
    start = builder.header() + builder.integer(1) + builder.integer(5) * 2 + builder.integer(size)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            walk(start + b"1")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_count_that_cannot_be_is_refused() -> None:
    builder = ArchiveBuilder(())
    with pytest.raises(FormatError, match="entries"):
        walk(builder.header() + builder.integer(2**31 - 1))


def test_a_large_entry_in_small_pieces_is_read_in_linear_time() -> None:
    entries = (
        *PREAMBLE,
        Entry(5, "FUNCTION", "f()", "x" * 8_000_000),
        Entry(6, "VIEW", "v", dependencies=range(1, 200_000)),
    )
    data = ArchiveBuilder(entries).build()
    at_once, in_pieces = cpu_seconds(data), cpu_seconds(data, range(0, len(data), 4096))
    # Copying a string or reading the list of dependencies again with every piece takes a hundred times as long.
    assert in_pieces < 20 * at_once


def cpu_seconds(data: bytes, cuts: Iterable[int] = ()) -> float:
    begin = time.process_time()
    walk(data, cuts)
    return time.process_time() - begin


def repeated(chunk_bytes: int, total: int) -> tuple[bytes, Sequence[bytes]]:
    """An archive of one table of *total* bytes: its beginning, and pieces that are one object many times."""
    builder = ArchiveBuilder((*PREAMBLE, Entry(5, "TABLE DATA", "t", None, data=[])))
    section = (builder.integer(chunk_bytes) + bytes(chunk_bytes)) * max(1, 1024 * 1024 // chunk_bytes)
    return builder.build()[: -len(builder.integer(0))], [section] * (total // len(section))


def test_a_large_dump_is_walked_in_a_small_part_of_the_time_that_it_takes_to_read() -> None:
    start, sections = repeated(128 * 1024, 290_000_000)
    walker = ArchiveWalker()
    walker.update(start)
    begin = time.thread_time()
    for section in sections:
        walker.update(section)
    took = time.thread_time() - begin
    walker.update(ArchiveBuilder(()).integer(0))
    walker.finalize()
    assert walker.index[0].length > 280_000_000
    assert took < 0.06
