"""What is remembered of a table that was brought back, in a place that its owner can write to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.dropped.undo_record import UndoRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

MEMORY = UndoRecord(
    ("app", 'or"ders'), "weekly_20261122_000000", "2026-11-22T00:00:00+00:00", {"TABLE app.x": "0f"}, ("TABLE app.y",),
    (("app", 'or"ders', "00"),),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some)
)


def test_what_is_written_is_what_is_read() -> None:
    assert UndoRecord.parse(MEMORY.to_text()) == MEMORY


@settings(max_examples=examples(40))
@given(field=st.sampled_from(["table", "backup", "time", "made", "changed", "rows"]), value=JSON, whole=st.booleans())
def test_whatever_else_stands_there_is_read_as_texts_or_not_at_all(field: str, value: Any, whole: bool) -> None:
    note = json.loads(MEMORY.to_text())
    note["mobul.backup"][field] = value
    found = UndoRecord.parse(json.dumps(value if whole else note))
    assert found is None or (found.time + found.backup).isprintable()


@pytest.mark.parametrize("text", [None, "", "the clients", "[]", '{"mobul.backup": 1}'])
def test_a_comment_of_somebody_else_is_none_of_ours(text: str | None) -> None:
    assert UndoRecord.parse(text) is None
