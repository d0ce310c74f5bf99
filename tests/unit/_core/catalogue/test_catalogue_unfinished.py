"""Promises of cleaning up after killed runs: all of it goes in time, and never anything else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import (
    Problem,
    Unfinished,
    find_unfinished,
    reap,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Leftover
from hypothesis import given
from hypothesis import strategies as st
from support.memory_location import MemoryLocation

NOW = datetime(2026, 11, 22, 6, 0, 0, tzinfo=timezone.utc)
OLD = NOW - timedelta(hours=25)
YOUNG = NOW - timedelta(hours=23)
PLACE = "shop/2026/11/20/weekly_20261120_000000"


def found(location: MemoryLocation, **options: object) -> list[str]:
    return [one.directory for one in find_unfinished(location, "shop", now=NOW, **options)]  # type: ignore[arg-type]


def test_a_set_without_a_manifest_goes_with_all_its_objects_once_it_is_old() -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/backup_20261120_0000.dump.age", b"x" * 100, OLD)
    location.add(f"{PLACE}/manifest.json.sig", b"x" * 64, OLD)
    reaped = reap(location, find_unfinished(location, "shop", now=NOW))
    assert (reaped.removed, reaped.freed, reaped.kept, reaped.failures) == ((PLACE,), 164, (), ())
    assert list(reaped) == [PLACE]
    assert location.objects == {}


@pytest.mark.parametrize(
    "key",
    [
        f"{PLACE}/manifest.json",
        f"{PLACE}/hold.json",
        f"{PLACE}/.DS_Store",
        f"{PLACE}/folder/file",
        f"{PLACE}/backup..dump",
    ],
)
def test_a_set_with_a_manifest_a_hold_or_anything_foreign_stays(key: str) -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/backup_20261120_0000.dump.age", b"", OLD)
    location.add(key, b"", OLD)
    assert found(location) == found(location, full=True) == []


def test_a_set_in_which_anything_moved_lately_stays() -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/globals.sql.age", b"", OLD)
    location.add(f"{PLACE}/backup.dump.age", b"", YOUNG)
    assert found(location) == []
    assert found(location, older_than=timedelta(hours=23)) == [PLACE]
    del location.objects[f"{PLACE}/backup.dump.age"]
    location.unfinished = [Leftover(f"{PLACE}/backup.dump.age", YOUNG, "upload")]
    assert found(location) == []
    assert found(location, older_than=timedelta(hours=23)) == [PLACE]


def test_unfinished_objects_go_by_their_age_also_from_a_finished_set() -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/manifest.json", b"", OLD)
    old = Leftover(f"{PLACE}/backup.dump.age", OLD, "old")
    young = Leftover(f"{PLACE}/backup.dump.age", YOUNG, "young")
    location.unfinished = [old, young]
    reaped = reap(location, find_unfinished(location, "shop", now=NOW))
    assert reaped.removed == (f"{PLACE}/backup.dump.age",)
    assert location.unfinished == [young]
    assert list(location.objects) == [f"{PLACE}/manifest.json"]


@pytest.mark.parametrize("name", ["hold.json", "hold.next.json"])
def test_unfinished_objects_in_a_held_set_stay(name: str) -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/{name}", b"", OLD)
    location.unfinished = [Leftover(f"{PLACE}/backup.dump.age", OLD, "old")]
    assert found(location) == []


def test_the_record_of_a_skip_stays_until_nobody_asks_for_it_any_more() -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/skipped.json", b"", NOW - timedelta(days=90))
    assert found(location, full=True) == []
    location.add(f"{PLACE}/skipped.json", b"", NOW - timedelta(days=92))
    assert found(location, full=True) == [PLACE]
    location.add(f"{PLACE}/skipped.json", b"", OLD)
    location.add(f"{PLACE}/backup.dump.age", b"", OLD)
    assert found(location, full=True) == [PLACE]


def test_only_the_last_two_weeks_are_looked_at_unless_all_is_asked_for() -> None:
    location = MemoryLocation()
    days = {days: SetId(NOW - timedelta(days=days), "daily").directory("shop") for days in (0, 14, 15, 40, 400, -1, -2)}
    for directory in days.values():
        location.add(f"{directory}/backup.dump.age", b"", OLD)
    assert found(location) == sorted([days[0], days[14], days[-1]])
    assert location.requests == {"list": 1, "leftovers": 1}
    assert found(location, full=True) == sorted(days.values())


def test_the_two_weeks_may_reach_into_the_year_before() -> None:
    location = MemoryLocation()
    place = "shop/2025/12/25/daily_20251225_000000"
    location.add(f"{place}/backup.dump.age")
    now = datetime(2026, 1, 3, tzinfo=timezone.utc)
    assert [one.directory for one in find_unfinished(location, "shop", now=now)] == [place]


def test_what_is_foreign_is_named_and_left_alone() -> None:
    location = MemoryLocation()
    foreign = [
        "shop/2026/11/20/notes.txt",
        "shop/2026/11/20/weekly_20261119_000000/backup.dump.age",
        "shop/2026/11/20/hourly_20261120_000000/backup.dump.age",
        "shop/2026/11/20/weekly_20261120_000000",
        "shop/2026/11/weekly_20261120_000000/backup.dump.age",
    ]
    for key in foreign:
        location.add(key)
    location.unfinished = [Leftover("shop/2026/11/elsewhere", OLD, "upload")]
    problems: list[Problem] = []
    assert find_unfinished(location, "shop", now=NOW, problems=problems) == []
    assert sorted(problem.key for problem in problems) == sorted([*foreign, "shop/2026/11/elsewhere"])


def test_another_label_is_never_touched() -> None:
    location = MemoryLocation()
    for label in ("shop2", "sho", "shop.old"):
        location.add(SetId(NOW, "daily").directory(label) + "/backup.dump.age", b"", OLD)
    assert found(location) == found(location, full=True) == []


@pytest.mark.parametrize("arrival", ["manifest.json", "hold.json", "globals.sql.age", "backup.dump.age"])
def test_a_set_that_changed_since_it_was_found_is_kept(arrival: str) -> None:
    location = MemoryLocation()
    location.add(f"{PLACE}/backup.dump.age", b"", OLD)
    plan = find_unfinished(location, "shop", now=NOW)
    location.add(f"{PLACE}/{arrival}", b"new", NOW)
    before = dict(location.objects)
    reaped = reap(location, plan)
    assert (reaped.removed, [problem.key for problem in reaped.kept]) == ((), [PLACE])
    assert location.objects == before


def test_a_plan_never_reaches_out_of_its_directory() -> None:
    location = MemoryLocation()
    location.add("shop/2026/11/21/weekly_20261121_000000/manifest.json", b"", OLD)
    victim = location.stat("shop/2026/11/21/weekly_20261121_000000/manifest.json")
    assert victim is not None
    forged = Unfinished("shop", SetId.parse("weekly_20261120_000000"), (victim,), ())
    assert reap(location, [forged]).removed == ()
    assert len(location.objects) == 1


def test_a_failure_to_remove_one_thing_is_noted_and_the_next_run_finishes() -> None:
    location = MemoryLocation()
    other = PLACE.replace("20261120", "20261121").replace("/20/", "/21/")
    location.add(f"{PLACE}/backup.dump.age", b"x", OLD)
    location.unfinished = [Leftover(f"{other}/backup.dump.age", OLD, "upload")]
    location.failing = {"delete"}
    reaped = reap(location, find_unfinished(location, "shop", now=NOW))
    assert reaped.removed == (f"{other}/backup.dump.age",)
    assert [type(failure) for failure in reaped.failures] == [LocationError]
    location.failing = set()
    assert reap(location, find_unfinished(location, "shop", now=NOW)).removed == (PLACE,)


def test_a_listing_that_fails_is_an_error() -> None:
    location = MemoryLocation()
    for kind in ("list", "leftovers"):
        location.failing = {kind}
        with pytest.raises(LocationError):
            find_unfinished(location, "shop", now=NOW)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=-1)])
def test_an_age_that_running_backups_have_is_refused(age: timedelta) -> None:
    with pytest.raises(ConfigError, match="older_than"):
        find_unfinished(MemoryLocation(), "shop", now=NOW, older_than=age)


NAMES = ["manifest.json", "manifest.json.sig", "hold.json", "backup.dump.age", "globals.sql.age", ".hidden", "a/b"]
PLACES = ["2026/11/20/weekly_20261120_000000", "2026/11/20/daily_20261120_000000", "2026/11/20/weekly_20261121_000000"]
OBJECTS = st.dictionaries(
    st.tuples(st.sampled_from(["shop", "other"]), st.sampled_from(PLACES), st.sampled_from(NAMES)).map("/".join),
    st.integers(0, 60).map(lambda hours: NOW - timedelta(hours=hours)),
)


@given(OBJECTS, st.booleans())
def test_only_whole_old_directories_of_unfinished_sets_ever_go(objects: dict[str, datetime], full: bool) -> None:
    location = MemoryLocation()
    for key, modified in objects.items():
        location.add(key, b"", modified)
    reap(location, find_unfinished(location, "shop", now=NOW, full=full))
    expected = dict(objects)
    for place in ("shop/2026/11/20/weekly_20261120_000000/", "shop/2026/11/20/daily_20261120_000000/"):
        inside = {key.removeprefix(place): moved for key, moved in objects.items() if key.startswith(place)}
        old = all(moved <= NOW - timedelta(hours=24) for moved in inside.values())
        if old and not inside.keys() & {"manifest.json", "hold.json", ".hidden", "a/b"}:
            expected = {key: moved for key, moved in expected.items() if not key.startswith(place)}
    assert {key: modified for key, (_, modified) in location.objects.items()} == expected
