"""Promises of finding sets: few requests however many there are, nothing damaged counts, no id is used twice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import digest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import (
    Problem,
    free_id,
    id_taken,
    newest_set,
    next_id,
    set_exists,
    set_ids,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, LocationError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.manifests import SET_IDS, make_manifest
from support.memory_location import MemoryLocation

NOW = datetime(2026, 11, 22, 0, 0, 0, tzinfo=timezone.utc)


def add_set(location: MemoryLocation, set_id: str, label: str = "shop", **changes: object) -> bytes:
    data = make_manifest(set_id, label, **changes).to_bytes()
    directory = SetId.parse(set_id).directory(label)
    location.add(f"{directory}/backup.dump.age", b"x")
    location.add(f"{directory}/manifest.json", data)
    return data


def test_the_newest_set_is_found_with_its_manifest() -> None:
    location = MemoryLocation()
    for set_id in (
        "weekly_20251231_235959",
        "daily_20261121_230000",
        "weekly_20261122_000000",
        "daily_20260101_000000",
    ):
        data = add_set(location, set_id)
        if set_id == "weekly_20261122_000000":
            newest = data
    add_set(location, "daily_20261123_000000", label="shop2")
    problems: list[Problem] = []
    found = newest_set(location, "shop", problems)
    assert found is not None
    assert (str(found.id), found.data, found.sha256) == ("weekly_20261122_000000", newest, digest(newest))
    assert found.manifest.label == "shop"
    assert problems == []


def test_there_is_no_newest_set_where_there_is_none() -> None:
    assert newest_set(MemoryLocation(), "shop", []) is None


def test_the_newest_of_ten_thousand_sets_takes_seven_requests() -> None:
    location = MemoryLocation()
    for number in range(10_000):
        set_id = SetId(NOW - timedelta(hours=8 * number), "daily")
        location.add(f"{set_id.directory('shop')}/manifest.json", b"")
    newest = SetId(NOW + timedelta(hours=8), "daily")
    add_set(location, str(newest))
    found = newest_set(location, "shop", [])
    assert found is not None
    assert found.id == newest
    assert location.requests == {"list_directories": 4, "stat": 2, "read": 1}


@settings(max_examples=examples(50))
@given(st.lists(SET_IDS, unique=True, max_size=12), st.data())
def test_sets_come_newest_first_and_only_those_with_a_manifest_count(ids: list[SetId], data: st.DataObject) -> None:
    location = MemoryLocation()
    finished = [set_id for set_id in ids if data.draw(st.booleans())]
    for set_id in ids:
        location.add(f"{set_id.directory('shop')}/backup.dump.age", b"x")
    for set_id in finished:
        add_set(location, str(set_id))
    assert list(set_ids(location, "shop", [])) == sorted(ids, reverse=True)
    found = newest_set(location, "shop", [])
    assert (found and found.id) == max((one for one in finished if one.is_backup), default=None)
    for set_id in ids:
        assert set_exists(location, "shop", set_id) is (set_id in finished)
        assert id_taken(location, "shop", set_id)


def test_what_is_foreign_or_damaged_is_named_and_passed_by() -> None:
    location = MemoryLocation()
    good = add_set(location, "weekly_20261101_000000")
    for key in (
        "shop/notes/x",
        "shop/2026/13/x/y",
        "shop/2026/11/31a/x",
        "shop/2026/11/22/weekly_20261121_000000/manifest.json",
        "shop/2026/11/22/hourly_20261122_000000/manifest.json",
        "shop/2026/11/22/weekly_20261122_990000/manifest.json",
    ):
        location.add(key)
    location.add("shop/2026/11/21/weekly_20261121_000000/manifest.json", good)
    location.add("shop/2026/11/20/weekly_20261120_000000/manifest.json", b"")
    location.add("shop/2026/11/19/weekly_20261119_000000/manifest.json", good[:-3])
    problems: list[Problem] = []
    found = newest_set(location, "shop", problems)
    assert found is not None
    assert found.data == good
    told = {problem.key: problem.message for problem in problems}
    assert told == {
        "shop/notes": "stands where a year should",
        "shop/2026/13": "stands where a month should",
        "shop/2026/11/31a": "stands where a day should",
        "shop/2026/11/22/weekly_20261121_000000": "is not the directory of a set",
        "shop/2026/11/22/hourly_20261122_000000": "is not the directory of a set",
        "shop/2026/11/22/weekly_20261122_990000": "is not the directory of a set",
        "shop/2026/11/21/weekly_20261121_000000/manifest.json": "the manifest of weekly_20261121_000000 of 'shop' "
        "is that of weekly_20261101_000000 of 'shop'",
        "shop/2026/11/20/weekly_20261120_000000/manifest.json": "is not JSON: Expecting value in line 1, column 1",
        "shop/2026/11/19/weekly_20261119_000000/manifest.json": told[
            "shop/2026/11/19/weekly_20261119_000000/manifest.json"
        ],
    }


def test_what_is_damaged_is_named_where_nothing_is_whole() -> None:
    location = MemoryLocation()
    location.add("shop/2026/11/20/weekly_20261120_000000/manifest.json", b"")
    problems: list[Problem] = []
    assert newest_set(location, "shop", problems) is None
    assert [problem.key for problem in problems] == ["shop/2026/11/20/weekly_20261120_000000/manifest.json"]


@pytest.mark.parametrize("label", ["", "..", "a/b", "/a", "a\0b", "x" * 64])
def test_a_label_that_is_no_name_is_refused_before_anything_is_asked(label: str) -> None:
    location = MemoryLocation()
    for ask in (
        lambda: newest_set(location, label, []),
        lambda: set_exists(location, label, SetId(NOW, "daily")),
        lambda: id_taken(location, label, SetId(NOW, "daily")),
        lambda: free_id([location], label, "daily", NOW),
    ):
        with pytest.raises(ConfigError, match="not usable as a name"):
            ask()
    assert not location.requests


def test_a_location_that_fails_is_an_error_and_not_an_empty_catalogue() -> None:
    location = MemoryLocation()
    add_set(location, "weekly_20261101_000000")
    for kind in ("list_directories", "stat", "read"):
        location.failing = {kind}
        with pytest.raises(LocationError, match="out of order"):
            newest_set(location, "shop", [])


@given(
    st.lists(st.integers(-5, 5), max_size=30),
    st.sampled_from(KINDS),
    st.sampled_from([timezone.utc, timezone(timedelta(hours=-11, minutes=30)), timezone(timedelta(hours=14))]),
)
def test_ids_are_unique_and_utc_however_the_clock_steps(steps: list[int], kind: str, zone: timezone) -> None:
    taken: set[SetId] = set()
    clock = NOW
    for step in steps:
        clock += timedelta(seconds=step, milliseconds=300)
        set_id = next_id(kind, clock.astimezone(zone), taken.__contains__)
        assert set_id not in taken
        assert set_id.time >= clock.replace(microsecond=0)
        assert SetId.parse(str(set_id)) == set_id
        taken.add(set_id)


def test_an_id_does_not_need_a_second_more_than_the_taken_ones() -> None:
    taken = {SetId(NOW, "daily"), SetId(NOW + timedelta(seconds=1), "daily"), SetId(NOW, "weekly")}
    assert next_id("daily", NOW, taken.__contains__) == SetId(NOW + timedelta(seconds=2), "daily")
    with pytest.raises(ValueError, match="without its zone"):
        next_id("daily", NOW.replace(tzinfo=None), taken.__contains__)
    with pytest.raises(ConfigError, match="unknown kind"):
        next_id("hourly", NOW, taken.__contains__)


def test_a_free_id_is_free_in_every_location_even_of_what_a_killed_run_left_and_across_midnight() -> None:
    one, two, broken = (MemoryLocation(name) for name in ("one", "two", "broken"))
    late = datetime(2026, 11, 21, 23, 59, 58, tzinfo=timezone.utc)
    one.add("shop/2026/11/21/daily_20261121_235958/backup.dump.age")
    add_set(two, "daily_20261121_235959")
    two.add("shop/2026/11/22/daily_20261122_000000/manifest.json")
    broken.failing = {"all"}
    assert str(free_id([one, two, broken], "shop", "daily", late)) == "daily_20261122_000001"
    assert str(free_id([one, two], "shop", "weekly", late)) == "weekly_20261121_235958"
    assert one.requests == {"list_directories": 3}
