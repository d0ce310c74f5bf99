"""Texts that come in pieces of any size: rows of COPY, rows of JSON, statements of a script."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.names import MAX_NAME_BYTES
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.kept_versions import Note, old_name
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.source.plain_file import (
    json_rows,
    without_mark,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.source.rows import copy_data
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.source.script_file import (
    copies_of,
    unix_lines,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

STATEMENT = b"COPY public.t (a) FROM stdin;\n"
SIZES = st.integers(min_value=1, max_value=40)
MIB = 1024 * 1024


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(st.lists(st.sampled_from([b"", b"1", b"\\\\.", b"x\\.", b"COPY public.t (a) FROM stdin;", b"\\N"])), SIZES)
def test_rows_of_copy_come_out_as_they_are(rows: list[bytes], size: int) -> None:
    data = b"".join(row + b"\n" for row in rows)
    script = b"--\nSET x = 1;\n\n" + STATEMENT + data + b"\\.\n\n\n-- end\n\\.\n"
    assert b"".join(copy_data(cut(script, size), STATEMENT, "t")) == data


@given(SIZES)
def test_rows_of_copy_without_an_end_are_refused(size: int) -> None:
    with pytest.raises(FormatError):
        list(copy_data(cut(STATEMENT + b"1\n2\n\\", size), STATEMENT, "t"))


LINES = st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r")), max_size=8)


@given(LINES, SIZES)
def test_line_ends_of_windows_become_those_of_unix_and_nothing_else_changes(lines: list[bytes], size: int) -> None:
    lines = [b"--", *lines]
    unix = b"".join(line + b"\n" for line in lines)
    assert b"".join(unix_lines(cut(unix.replace(b"\n", b"\r\n"), size))) == unix
    # What has the ends of Unix in its first line keeps every carriage return.
    mixed = unix + b"a\r\n\r"
    assert b"".join(unix_lines(cut(mixed, size))) == mixed


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@settings(max_examples=examples(50))
@given(
    st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=8),
    SIZES,
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_objects_of_a_json_array_come_out_as_they_stand(
    rows: list[dict[str, object]], size: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = list(json_rows(cut(data + b"\n", size), "file", MIB))
    assert [json.loads(row) for row in found] == rows
    if indent is None:
        assert f"[{', '.join(found)}]".encode("utf-8", "surrogatepass") == data


@pytest.mark.parametrize("text", ["", "{}", "[", "[{}", "[{},", "[1]", "[{}] x", '[{"a": }]', "[{}]]", "{}]"])
def test_what_is_no_array_of_objects_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        list(json_rows(iter([text.encode()]), "file", MIB))


@given(SIZES)
def test_every_copy_of_a_script_is_found_and_none_in_its_rows(size: int) -> None:
    script = (
        b"SET client_encoding = 'LATIN1';\nCREATE FUNCTION f() AS $$\nCOPY nothing\n$$;\n"
        b'COPY public.t (a, "b ""\xe9") FROM stdin;\nCOPY public.wrong (a) FROM stdin;\n\\.\n\n'
        b"COPY s.u  FROM stdin;\n\\.\n\n"
    )
    copies = list(copies_of(cut(script, size)))
    assert [(one.table, one.columns) for one in copies] == [(("public", "t"), ("a", 'b "é')), (("s", "u"), ())]
    assert all(one.statement in script and "LATIN1" in one.options for one in copies)


@given(SIZES)
def test_a_byte_order_mark_is_left_out(size: int) -> None:
    assert b"".join(without_mark(cut(b"\xef\xbb\xbfid\n1\n", size))) == b"id\n1\n"
    assert b"".join(without_mark(cut(b"id\n1\n", size))) == b"id\n1\n"


@given(st.text(min_size=1, max_size=63).filter(lambda name: len(name.encode("utf-8", "ignore")) <= 63))
def test_the_name_of_an_old_table_fits_and_is_nobody_elses(name: str) -> None:
    encoded = name.encode("utf-8", "ignore").decode()
    taken: set[str] = set()
    for _number in range(12):
        found = old_name(encoded, "20261124213455", taken)
        assert len(found.encode()) <= MAX_NAME_BYTES
        assert found not in taken
        taken.add(found)


def test_a_note_is_read_back_and_anything_else_is_none() -> None:
    note = Note(("public", 'a "b"'), "replaced", "weekly_20261122_000000", "2026-11-24T00:00:00+00:00")
    assert Note.parse(note.to_text()) == note
    for text in (None, "", "a comment", "[]", "{}", '{"mobul.backup": 1}', '{"mobul.backup": {"table": "x"}}'):
        assert Note.parse(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'[{"id": 1}, {"value": "' + b"x" * (3 * MIB), r"a row of more than 1 MiB .*raise max_row_size"),
        (b"[" + b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_row_without_an_end_is_refused_before_it_fills_the_memory(text: bytes, told: str) -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for start in range(0, len(text), 65536):
            taken += 65536
            yield text[start : start + 65536]

    with pytest.raises(FormatError, match=told):
        list(json_rows(pieces(), "file", MIB))
    assert taken <= 2 * MIB


def test_a_row_of_several_pieces_is_one_row() -> None:
    rows = [json.dumps({"id": number, "value": "x" * 900_000}) for number in range(3)]
    assert list(json_rows(cut(f"[{','.join(rows)}]".encode(), 65536), "file", MIB)) == rows
