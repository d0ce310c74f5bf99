"""A project's managed backups against what is expected of them, over any history."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import FAILED, PASSED, verdict
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase import backups as managed
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.client import read_answer
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.expectations import (
    Expectation,
    find_all,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.project import (
    Project,
    Server,
    parse_moment,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 25, 7, tzinfo=timezone.utc)
LONG_AGO = NOW - timedelta(days=800)
DAY = 24.0
HOURS = st.floats(0, 24 * 40, allow_nan=False)


def project(status: str = "ACTIVE_HEALTHY", created: datetime = LONG_AGO) -> Project:
    return Project("abcdefghijklmnopqrst", "shop", "eu-central-1", created, status, Server("db", "17.6", "17"))


def listed(*ages: float, status: str = "COMPLETED", pitr: tuple[float, float] | None = None) -> managed.Backups:
    """Daily backups by their age in hours; with point-in-time recovery from and to an age."""
    window = {}
    if pitr is not None:
        names = ("earliest_physical_backup_date_unix", "latest_physical_backup_date_unix")
        window = {name: int((NOW - timedelta(hours=age)).timestamp()) for name, age in zip(names, pitr, strict=True)}
    backups = [
        {
            "id": 100 + number,
            "is_physical_backup": True,
            "status": status,
            "inserted_at": f"{NOW - timedelta(hours=age):%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        for number, age in enumerate(ages)
    ]
    document = {"region": "x", "walg_enabled": True, "pitr_enabled": pitr is not None, "backups": backups}
    shape = managed.Record(managed.Backups)
    return read_answer(shape, {**document, "physical_backup_data": window}, "test")


def found(backups: managed.Backups, expect: dict[str, Any], **changes: Any) -> dict[str, str]:
    """The status of each finding, by what was looked at."""
    findings = find_all(project(**changes), backups, Expectation.parse(expect), NOW)
    assert len({one.check for one in findings}) == len(findings)
    return {one.check.removeprefix("supabase_"): one.status for one in findings}


WEEK = [5 + DAY * day for day in range(7)]


def test_a_week_of_daily_backups_is_what_seven_days_expect() -> None:
    assert set(found(listed(*WEEK), {"daily": 7}).values()) == {PASSED}
    # The oldest was dropped, and today's is to come.
    assert set(found(listed(*[25 + DAY * day for day in range(6)]), {"daily": 7}).values()) == {PASSED}


@pytest.mark.parametrize(
    ("backups", "expect", "bad"),
    [
        (listed(), {"daily": 7}, {"newest": FAILED}),
        (listed(*[30 + age for age in WEEK]), {"daily": 7}, {"newest": FAILED}),
        (listed(*WEEK[:4]), {"daily": 7}, {"window": FAILED}),
        (listed(*WEEK, status="FAILED"), {"daily": 7}, {"newest": FAILED, "result": FAILED}),
        (listed(*WEEK[:3], *WEEK[4:]), {"daily": 7}, {"gaps": "warning"}),
        (listed(*WEEK), {"daily": 30}, {"window": FAILED}),
        (listed(*WEEK), {"pitr": "7d"}, {"window": FAILED}),
        (listed(pitr=(24 * 3, 0)), {"pitr": "7d"}, {"window": FAILED}),
        (listed(pitr=(24 * 7, 48)), {"pitr": "7d"}, {"newest": FAILED}),
        (listed(pitr=(24 * 3, 0)), {"daily": 7}, {"window": FAILED}),
        (listed(*WEEK), {"daily": 7, "within": "4h"}, {"newest": FAILED}),
        (listed(*WEEK), {"daily": 7}, {}),
        (listed(pitr=(24 * 7, 0.1)), {"daily": 7}, {}),
        (listed(pitr=(24 * 7, 0.1)), {"pitr": "7d"}, {}),
        (listed(pitr=(24 * 7, 0.1)), {}, {}),
    ],
)
def test_each_fault_is_its_own_finding(backups: managed.Backups, expect: dict[str, Any], bad: dict[str, str]) -> None:
    assert {name: status for name, status in found(backups, expect).items() if status != PASSED} == bad


def test_the_newest_backup_that_failed_is_told_although_yesterdays_is_there() -> None:
    backups = listed(*WEEK)
    failed = managed.ManagedBackup(200, True, "FAILED", NOW - timedelta(hours=1))
    seen = found(managed.Backups("x", True, False, (failed, *backups.backups), None), {"daily": 7})
    assert (seen["newest"], seen["result"]) == (PASSED, FAILED)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("ACTIVE_HEALTHY", PASSED), ("INACTIVE", FAILED), ("RESTORE_FAILED", FAILED), ("UPGRADING", "warning")],
)
def test_the_project_itself_is_looked_at(status: str, expected: str) -> None:
    assert found(listed(*WEEK), {"daily": 7}, status=status)["project"] == expected


def test_point_in_time_recovery_that_knows_no_moment_is_a_failure() -> None:
    backups = managed.Backups("x", True, True, (), None)
    assert found(backups, {"pitr": "7d"})["newest"] == FAILED


@given(days=st.integers(1, 40), age=st.floats(0, 25), drift=st.lists(st.floats(-1, 1), min_size=40, max_size=40))
def test_what_a_plan_keeps_is_never_too_short_for_it(days: int, age: float, drift: list[float]) -> None:
    ages = [max(0.0, age + DAY * day + drift[day] * 0.5) for day in range(days)]
    backups = listed(*[one for one in ages if one <= days * DAY])
    assert found(backups, {"daily": days}).get("window", PASSED) == PASSED


@given(days=st.integers(2, 40), kept=st.integers(1, 40), age=st.floats(0, 20))
def test_a_plan_that_keeps_two_days_less_is_too_short(days: int, kept: int, age: float) -> None:
    status = found(listed(*[age + DAY * day for day in range(kept)]), {"daily": days})["window"]
    if kept >= days:
        assert status == PASSED
    elif kept <= days - 2:
        assert status == FAILED


@given(days=st.integers(0, 40), expected=st.integers(1, 30))
def test_nothing_is_expected_from_before_the_project(days: int, expected: int) -> None:
    created = NOW - timedelta(days=days, hours=1)
    daily = listed(*[0.5 + DAY * day for day in range(min(days + 1, expected))])
    assert verdict(find_all(project(created=created), daily, Expectation(daily=expected), NOW)) == PASSED
    recovery = listed(pitr=(min(days, expected) * DAY, 0))
    wanted = Expectation(pitr=timedelta(days=expected))
    assert verdict(find_all(project(created=created), recovery, wanted, NOW)) == PASSED


@given(ages=st.lists(HOURS, max_size=12), extra=HOURS, daily=st.integers(1, 30))
def test_one_more_good_backup_never_makes_it_worse(ages: list[float], extra: float, daily: int) -> None:
    """But for the warning of a gap, which two of them make."""
    before, after = (found(listed(*some), {"daily": daily}) for some in (ages, [*ages, extra]))
    assert [name for name, status in before.items() if status == PASSED and after[name] == FAILED] == []


@given(
    earliest=st.floats(0, 24 * 60),
    latest=st.integers(0, 48 * 60),
    more=st.floats(0, 24 * 30),
    expected=st.integers(1, 30),
)
def test_a_longer_recovery_is_never_worse(earliest: float, latest: float, more: float, expected: int) -> None:
    expect = {"pitr": f"{expected}d"}
    short, long = (found(listed(pitr=(age, latest / 60)), expect) for age in (earliest, earliest + more))
    assert [name for name, status in short.items() if status == PASSED and long[name] == FAILED] == []
    assert short["newest"] == (FAILED if latest > 26 * 60 else PASSED)


@pytest.mark.parametrize(
    "given",
    [
        {"weekly": 7},
        {"daily": 0},
        {"daily": "7d"},
        {"daily": True},
        {"daily": -1},
        {"pitr": "7"[:0]},
        {"pitr": "a week"},
        {"daily": 7, "pitr": "7d"},
        {"within": None},
    ],
)
def test_an_expectation_that_cannot_be_right_is_told_in_one_line(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        Expectation.parse(given)
    assert str(raised.value).isprintable()
    assert "expect" in str(raised.value)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["Z", "+00:00", ""]), st.booleans())
def test_a_moment_of_the_api_is_read_in_each_of_its_forms(time: datetime, zone: str, blank: bool) -> None:
    text = time.isoformat(sep=" " if blank else "T") + zone
    assert parse_moment(text) == time.replace(tzinfo=timezone.utc)
