"""Promises of the product's JSON: nothing ambiguous is read, and equal values have equal bytes."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.documents.strict_json import MAX_BYTES, dumps, loads
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import FormatError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

STEP = "read the document"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=40,
)


@pytest.fixture(scope="module")
def usual() -> float:
    """CPU seconds that Python itself takes for a document of 200,000 values."""
    text = b"[" + b"[]," * 200_000 + b"1]"
    began = time.process_time()
    json.loads(text)
    return time.process_time() - began


@settings(max_examples=examples(40))
@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    assert loads(dumps(value), STEP) == value


@settings(max_examples=examples(40))
@given(VALUES)
def test_other_readers_read_the_same(value: object) -> None:
    assert json.loads(dumps(value).decode("utf-8")) == value


def test_the_order_in_which_keys_were_added_does_not_show() -> None:
    assert dumps({"a": 1, "b": {"c": 2, "d": 3}}) == dumps({"b": {"d": 3, "c": 2}, "a": 1})


def test_short_values_stay_in_a_line_and_long_ones_have_a_line_for_each_member() -> None:
    value = {"short": [1, {"x": 2}], "long": ["x" * 70, "y" * 70], "empty": []}
    expected = f'{{\n "empty": [],\n "long": [\n  "{"x" * 70}",\n  "{"y" * 70}"\n ],\n "short": [1, {{"x": 2}}]\n}}\n'
    assert dumps(value).decode() == expected


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        (b'{"x": {"b": 1, "b": 1}}', "'b' occurs twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" + b"9" * 100_000 + b"]", "not usable JSON"),
        (b"[" + b"[]," * 2_000_001 + b"1]", "more values"),
        (b"[" + b'"ab",' * 3_000_000 + b"1]", "more values"),
        (b" " * (MAX_BYTES + 1), "bytes long"),
    ],
)
def test_what_is_ambiguous_or_would_exhaust_the_memory_is_refused_at_once(data: bytes, told: str, usual: float) -> None:
    began = time.process_time()
    with pytest.raises(FormatError, match=told) as caught:
        loads(data, STEP)
    assert time.process_time() - began < 100 * usual
    assert caught.value.step == STEP
    assert len(str(caught.value)) < 500


@given(st.binary())
def test_any_bytes_are_read_or_refused_with_a_format_error(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        loads(data, STEP)
