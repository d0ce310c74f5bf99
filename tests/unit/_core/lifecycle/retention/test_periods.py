"""Promises of lengths of time: what is one, and when one that begins at a moment ends."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import Period
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

PERIODS = st.one_of(
    st.builds(Period, st.integers(1, 36_600), st.just("d")),
    st.builds(Period, st.integers(1, 5_200), st.just("w")),
    st.builds(Period, st.integers(1, 1_180), st.just("mo")),
    st.builds(Period, st.integers(1, 100), st.just("y")),
)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2300, 1, 1), timezones=st.just(timezone.utc))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [("7d", 7, "d"), ("12w", 12, "w"), ("6mo", 6, "mo"), ("7y", 7, "y"), ("90 d", 90, "d"), ("007d", 7, "d")],
)
def test_a_period_is_a_number_and_a_unit(text: str, number: int, unit: str) -> None:
    assert Period.parse(text, "daily") == Period(number, unit)


@given(PERIODS)
def test_a_period_reads_back_as_what_it_was_written_from(period: Period) -> None:
    if period.number < 10_000:
        assert Period.parse(str(period), "daily") == period


@pytest.mark.parametrize(
    "value",
    [None, True, False, 7, 0, -7, 7.0, float("nan"), [], ["7d"], {}, {"7d": 1}, b"7d", "", "7", "d", "-7d", "+7d",
     "7.5d", "7D", "7h", "7 days", " 7d", "7d ", "7  d", "7d\n", "7d\0", "1y6m", "1_0d", "1e3d",
     "\uff17d", "\u0667d", "\u00b2d", "7\u0501", "7\u00a0d", "until_released"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_period_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        Period.parse(value, "weekly", instead="null for none")
    assert caught.value.step == "check the policy"
    assert caught.value.message == f"weekly: {value!r} is no period"
    assert caught.value.hint == "a number and d, w, mo or y: 7d, 12w, 6mo, 7y; or null for none"


@pytest.mark.parametrize("text", ["6m", "12 m", "0m"])
def test_minutes_are_refused_as_that_with_what_is_said_for_months(text: str) -> None:
    with pytest.raises(ConfigError, match=f"monthly: '{text}' is in minutes") as caught:
        Period.parse(text, "monthly")
    assert f"{int(text[:-1])}mo, if months are meant" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["0d", "0w", "0mo", "0y", "00d", "0 d"])
def test_a_period_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"daily: a period of .* would keep nothing"):
        Period.parse(text, "daily")


@pytest.mark.parametrize("text", ["101y", "9999y", "9999mo", "9999w"])
def test_a_period_longer_than_a_century_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"yearly: {text} is more than a century"):
        Period.parse(text, "yearly")


@pytest.mark.parametrize(
    ("begin", "text", "end"),
    [
        ("2026-11-22T00:00:00", "7d", "2026-11-29T00:00:00"),
        ("2026-11-22T10:30:15", "2w", "2026-12-06T10:30:15"),
        ("2026-11-22T10:30:15", "1mo", "2026-12-22T10:30:15"),
        ("2026-11-22T10:30:15", "2mo", "2027-01-22T10:30:15"),
        ("2026-11-30T10:30:15", "13mo", "2027-12-30T10:30:15"),
        ("2026-01-31T10:30:15", "1mo", "2026-03-01T00:00:00"),
        ("2028-01-31T10:30:15", "1mo", "2028-03-01T00:00:00"),
        ("2028-01-29T10:30:15", "1mo", "2028-02-29T10:30:15"),
        ("2026-10-31T10:30:15", "1mo", "2026-12-01T00:00:00"),
        ("2026-12-31T23:59:59", "2mo", "2027-03-01T00:00:00"),
        ("2028-02-29T10:30:15", "1y", "2029-03-01T00:00:00"),
        ("2028-02-29T10:30:15", "4y", "2032-02-29T10:30:15"),
        ("2028-02-28T10:30:15", "1y", "2029-02-28T10:30:15"),
        ("2096-02-29T10:30:15", "4y", "2100-03-01T00:00:00"),
        ("2026-01-04T00:00:00", "7y", "2033-01-04T00:00:00"),
    ],
)
def test_a_period_ends_on_the_same_day_of_a_later_month_or_at_that_months_end(begin: str, text: str, end: str) -> None:
    assert Period.parse(text, "weekly").after(moment(begin)) == moment(end)


@given(TIMES, PERIODS)
def test_an_end_is_that_of_another_calendar(begin: datetime, period: Period) -> None:
    units = {"d": "days", "w": "weeks", "mo": "months", "y": "years"}
    end = begin + relativedelta(**{units[period.unit]: period.number})
    if period.unit in ("mo", "y") and end.day != begin.day:
        end = end.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert period.after(begin) == end


@given(TIMES, PERIODS)
def test_a_period_lasts_between_its_fewest_and_its_most_days(begin: datetime, period: Period) -> None:
    lasted = period.after(begin) - begin
    assert timedelta(days=period.shortest_days) <= lasted <= timedelta(days=period.longest_days)


@given(TIMES, st.timedeltas(timedelta(0), timedelta(days=40)), PERIODS)
def test_what_begins_later_never_ends_earlier(begin: datetime, gap: timedelta, period: Period) -> None:
    assert period.after(begin) <= period.after(begin + gap)


@pytest.mark.parametrize("unit", ["d", "w", "mo", "y"])
def test_at_the_end_of_the_calendar_a_period_ends_with_it(unit: str) -> None:
    last = moment("9999-12-31T23:59:59")
    assert Period(1, unit).after(last) == datetime.max.replace(tzinfo=timezone.utc)
