"""The user's own checks: an answer is what was expected, or the check fails and shows no text of a row."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill.queries import judge
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("rows", "expect"),
    [
        ([[True]], True),
        ([[True]], "true"),
        ([[3]], 3),
        ([[3]], "3"),
        ([[Decimal("3.00")]], 3),
        ([[None]], "None"),
        ([["open"]], "open"),
        ([[date(2026, 11, 23)]], "2026-11-23"),
        ([[1200]], {"min": 1000}),
        ([[1200]], {"min": 1000, "max": "1200"}),
        ([["a", 1], ["b", 2]], [["a", 1], ["b", "2"]]),
        ([["a"], ["b"]], ["a", "b"]),
        ([], []),
    ],
)
def test_an_answer_as_expected_passes(rows: list[list[Any]], expect: Any) -> None:
    assert judge(rows, expect)[0] == "passed"


@pytest.mark.parametrize(
    ("rows", "expect", "told"),
    [
        ([[False]], True, "False instead of True"),
        ([[1]], True, "1 instead of True"),
        ([[None]], True, "None instead of True"),
        ([[2]], 3, "2 instead of 3"),
        ([[999]], {"min": 1000}, "999 instead of at least 1000"),
        ([[7]], {"min": 1, "max": 5}, "7 instead of at least 1 and at most 5"),
        ([["many"]], {"min": 1}, "another value is no number, and should be at least 1"),
        ([], True, "the query returns 0 rows of 0 columns instead of one value"),
        ([[1], [2]], 1, "the query returns 2 rows of 1 columns instead of one value"),
        ([[2**53 + 1]], 2**53, f"{2**53 + 1} instead of {2**53}"),
        ([["007"]], "7", "another value instead of 7"),
        ([["Ann"]], "Bob", "another value instead of Bob"),
        ([["Ann"], ["Eve"]], ["Ann", "Bob"], "row 2 is not the expected one"),
        ([["Ann"]], ["Ann", "Bob"], "1 rows instead of 2"),
        ([["Ann", 1]], [["Ann"]], "row 1 is not the expected one"),
    ],
)
def test_another_answer_fails_and_shows_no_text_of_a_row(rows: list[list[Any]], expect: Any, told: str) -> None:
    assert judge(rows, expect) == ("failed", told)


@given(st.integers(), st.integers(), st.integers())
def test_bounds_include_themselves_and_nothing_beyond(value: int, low: int, high: int) -> None:
    inside = low <= value <= high
    assert (judge([[value]], {"min": low, "max": high})[0] == "passed") == inside
