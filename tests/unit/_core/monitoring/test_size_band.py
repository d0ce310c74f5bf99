"""The band of sizes: a new database does not alarm, what is usual does not, and what is cut off or emptied does."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.size_band import judge_count, judge_size
from hypothesis import given
from hypothesis import strategies as st
from support.programs import PROJECT

sys.path.insert(0, str(PROJECT / "tools"))

import size_band as simulation

MB = 1024 * 1024
SIZES = st.integers(0, 10**13)


@given(SIZES, st.lists(SIZES, max_size=3))
def test_the_first_sets_of_a_database_never_alarm(size: int, history: list[int]) -> None:
    assert judge_size(size, history).status == "unknown"


@given(st.integers(1, 10**13), st.integers(4, 60))
def test_a_size_that_never_changed_is_usual_and_half_or_twice_of_it_is_not(size: int, count: int) -> None:
    assert judge_size(size, [size] * count).status == "normal"
    if size > 100_000:
        assert judge_size(size // 2, [size] * count).status == "small"
        assert judge_size(size * 2, [size] * count).status == "large"


@given(st.lists(SIZES, min_size=4, max_size=60), SIZES, SIZES)
def test_of_two_sizes_the_smaller_is_never_judged_the_larger(history: list[int], one: int, other: int) -> None:
    order = {"small": 0, "normal": 1, "large": 2}
    smaller, larger = sorted((one, other))
    assert order[judge_size(smaller, history).status] <= order[judge_size(larger, history).status]


def test_the_band_follows_growth() -> None:
    growing = [round(100 * MB * 1.03**week) for week in range(30)]
    assert judge_size(round(growing[-1] * 1.03), growing).status == "normal"
    assert judge_size(growing[0], growing).status == "small"


def test_one_outlier_moves_the_band_little() -> None:
    history = [100 * MB] * 10 + [3 * MB] + [100 * MB] * 3
    assert judge_size(100 * MB, history).status == "normal"
    assert judge_size(50 * MB, history).status == "small"


def test_a_purge_alarms_once_and_is_the_new_level_from_then_on() -> None:
    history = [100 * MB] * 10
    assert judge_size(60 * MB, history).status == "small"
    assert judge_size(60 * MB, [*history, 60 * MB]).status == "normal"


def test_what_happened_twice_is_usual() -> None:
    history = [100 * MB] * 6 + [150 * MB] * 3 + [100 * MB] * 6 + [150 * MB] * 3 + [100 * MB] * 6
    assert judge_size(150 * MB, history).status == "normal"
    assert judge_size(30 * MB, history).status == "small"


def test_a_judgement_says_what_was_expected() -> None:
    judged = judge_size(40 * MB, [100 * MB] * 5)
    assert judged.unusual
    assert judged.message == "40.0 MiB, 92.3 MiB to 108.3 MiB are usual after the last 5"


def test_a_table_that_is_empty_all_at_once_is_told_from_the_second_set_on() -> None:
    assert judge_count(0, [12]).status == "small"
    assert judge_count(0, [0, 0]).status == "unknown"
    assert judge_count(0, []).status == "unknown"


def test_a_table_of_a_few_rows_may_change_as_it_likes_and_a_large_one_may_not() -> None:
    assert judge_count(9, [3] * 10).status == "normal"
    assert judge_count(50_000, [100_000] * 10).status == "small"
    assert judge_count(101_000, [100_000] * 10).status == "normal"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["steady", "growing", "seasonal", "noisy"])
def test_made_up_histories_alarm_for_nothing_at_most_once_in_four_years(kind: str) -> None:
    false, seen = simulation.rates(kind, 10)
    assert false <= 1 / 208
    assert seen[0.5] >= 0.9
    assert seen[0.9] == 1.0


def test_campaigns_that_come_and_go_alarm_twice_a_year_at_most() -> None:
    false, seen = simulation.rates("campaigns", 10)
    assert false <= 1 / 20
    assert seen[0.5] >= 0.95
