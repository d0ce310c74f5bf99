"""Promises of reading a table of contents that anybody may have made: bounded memory, and nothing of it lost."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import MAX_TOC_MIB
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive import toc_reader
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive.extract import TocText
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive.schema import schema_objects
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive.toc import Toc
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.archive.toc_reader import TocReader
from support.archives import ArchiveBuilder, Entry

MIB = 1024 * 1024
ENTRIES = [
    Entry(1, "ENCODING", "ENCODING", "SET client_encoding = 'UTF8';\n", None),
    Entry(2, "TABLE", "orders", "CREATE TABLE public.orders (id int);\n"),
    Entry(3, "FUNCTION", "f()", "CREATE FUNCTION public.f() ... $$" + "Grüße 'a' ; " * 200 + "$$;\n", dependencies=[2]),
    Entry(
        4, "ACL", "TABLE orders", "GRANT SELECT ON TABLE public.orders TO b;\nGRANT ALL ON TABLE public.orders TO a;\n"
    ),
    Entry(5, "POLICY", "p", "CREATE POLICY p ON public.orders TO z, a USING (true);\n" + "-- \U0001f600" * 40),
    Entry(6, "USER MAPPING", "m", "CREATE USER MAPPING ... OPTIONS (password 'secret');\n" + " " * 300),
    Entry(7, "CONSTRAINT", "c", "CHECK ((ARRAY['a'::character varying, 'b'::character varying])::text[])" + " " * 300),
    Entry(
        8,
        "TABLE DATA",
        "orders",
        "",
        copy_stmt="COPY public.orders (id) FROM stdin;\n",
        data=[b"1\n"],
        dependencies=[2],
    ),
]


def read(archive: bytes, size: int, limit: int | None = None, *, keep_raw: bool = False) -> TocReader:
    reader = TocReader(limit, keep_raw=keep_raw)
    for start in range(0, len(archive), size):
        reader.feed(archive[start : start + size])
        if reader.toc is not None:
            break
    return reader


def toc_of(reader: TocReader) -> Toc:
    assert reader.toc is not None
    return reader.toc


@pytest.fixture(params=[17, 1000, MIB])
def pieces(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


def test_a_definition_that_is_not_kept_has_the_digest_that_it_has_when_kept(
    pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = ArchiveBuilder(ENTRIES).build()
    kept = toc_of(read(archive, pieces))
    monkeypatch.setattr(toc_reader, "LONG_TEXT_BYTES", 60)
    bare = toc_of(read(archive, pieces))
    assert [entry.dump_id for entry in bare.entries if entry.long is not None] == [3, 4, 5, 6, 7]
    assert all(not entry.defn for entry in bare.entries if entry.long is not None)
    for owners in (True, False):
        assert schema_objects(bare, owners=owners) == schema_objects(kept, owners=owners)
    assert bare.entries == tuple(e if e.dump_id < 3 or e.dump_id == 8 else replace(e, defn="") for e in kept.entries)


def test_an_archive_made_of_some_entries_has_those_that_were_not_kept_from_where_they_stand(
    pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = ArchiveBuilder(ENTRIES).build()
    fetched: list[tuple[int, int]] = []

    def fetch(offset: int, length: int) -> Iterator[bytes]:
        fetched.append((offset, length))
        yield archive[offset : offset + length]

    def text() -> TocText:
        reader = read(archive, pieces, keep_raw=True)
        return TocText(toc_of(reader), reader.header, reader.raw, fetch)

    plain = [b"".join(text().only(keep)) for keep in ({2}, {2, 3, 4}, range(1, 9))]
    assert plain[2] == archive[: toc_of(read(archive, pieces)).length]
    assert not fetched
    monkeypatch.setattr(toc_reader, "LONG_TEXT_BYTES", 60)
    assert [b"".join(text().only(keep)) for keep in ({2}, {2, 3, 4}, range(1, 9))] == plain
    assert len(fetched) == 7
    other = read(archive, pieces, keep_raw=True)
    whole, _numbers = text().with_data([text()])
    assert b"".join(whole.only({3})) == b"".join(text().only({3}))
    with pytest.raises(FormatError, match=r"FUNCTION f.. is longer than what is kept"):
        list(TocText(toc_of(other), other.header, other.raw).only({3}))


@pytest.mark.parametrize(
    "entry",
    [
        Entry(1, "TABLE", "t", dependencies=[7] * 20_000),
        Entry(1, "TABLE", "t", "x" * 900_000, copy_stmt="y" * 900_000),
        Entry(1, "VIEW", "v", "x" * 1_100_000),
    ],
    ids=["dependencies", "texts", "formed"],
)
def test_more_than_the_limit_is_refused_and_names_the_option(entry: Entry) -> None:
    archive = ArchiveBuilder([entry]).build()
    assert toc_of(read(archive, MIB)).entries
    with pytest.raises(FormatError, match=r"more than 1 MiB of memory .*raise max_toc_size"):
        read(archive, MIB, MIB)


def test_many_entries_stay_below_the_limit_or_are_refused() -> None:
    archive = ArchiveBuilder([Entry(number, "TABLE", f"t{number}") for number in range(1, 4000)]).build()
    tracemalloc.start()
    try:
        reader = read(archive, 4096, 4 * MIB, keep_raw=True)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB + len(archive)
    except FormatError:
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    with pytest.raises(FormatError, match="max_toc_size"):
        read(archive, 4096, 2 * MIB)
    assert len(toc_of(read(archive, 4096, MAX_TOC_MIB * MIB)).entries) == 3999
    del reader


def test_long_definitions_are_held_piece_by_piece() -> None:
    text = "SELECT 'a', pg_catalog.now() ; " * 100_000
    archive = ArchiveBuilder([Entry(number, "FUNCTION", f"f{number}", text) for number in range(1, 9)]).build()
    tracemalloc.start()
    try:
        toc = toc_of(read(archive, 64 * 1024, MAX_TOC_MIB * MIB, keep_raw=True))
        assert tracemalloc.get_traced_memory()[1] < 8 * 64 * 1024 < len(text) // 5
    finally:
        tracemalloc.stop()
    assert len(schema_objects(toc)) == 8


@pytest.mark.parametrize("limit", [None, 8 * MIB])
def test_what_is_too_long_to_be_brought_into_its_form_is_named_and_stops_nothing(limit: int | None) -> None:
    secret, grants = "x" * 5 * MIB, "GRANT SELECT ON TABLE public.t TO r;\n" * 150_000
    entries = [
        Entry(1, "USER MAPPING", "u SERVER s", f"CREATE USER MAPPING FOR u OPTIONS (password '{secret}');\n"),
        Entry(2, "ACL", "TABLE t", grants, namespace="public"),
        Entry(3, "VIEW", "v", f"CREATE VIEW v AS SELECT '{secret}';\n", namespace="public"),
        Entry(4, "COMMENT", "TABLE t", f"COMMENT ON TABLE t IS '{secret}';\n", namespace="public"),
    ]
    toc = toc_of(read(ArchiveBuilder(entries).build(), MIB, limit))
    assert toc.uncompared == ("USER MAPPING public.u SERVER s", "ACL public.TABLE t")
    other = [replace(entry, defn=(entry.defn or "").replace("x", "y").replace("SELECT", "DELETE")) for entry in entries]
    changed = schema_objects(toc_of(read(ArchiveBuilder(other).build(), MIB, limit)))
    same = {name for name, digest in schema_objects(toc).items() if digest == changed[name]}
    assert same == set(toc.uncompared)


def test_a_definition_longer_than_any_string_of_pg_dump_or_with_a_nul_is_refused() -> None:
    archive = ArchiveBuilder([Entry(1, "FUNCTION", "f", "x" * 2 * MIB)]).build()
    place = archive.index(b"x" * 100) - 4
    with pytest.raises(FormatError, match="a definition of 4294967295 bytes"):
        read(archive[:place] + b"\xff" * 4 + archive[place + 4 :], MIB)
    with pytest.raises(FormatError, match="NUL"):
        read(archive[: place + MIB] + b"\0" + archive[place + MIB + 1 :], 4096)
