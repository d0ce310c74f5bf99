"""Which set is meant by an id, by ``latest`` and by a time before which it was taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.good_set import find_good_set
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.newest_good import newest_good
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.selector import NEWEST, BackupSelector
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError
from support.manifests import make_manifest
from support.memory_location import MemoryLocation

NOW = datetime.now(timezone.utc).replace(microsecond=0)
LABEL = "shop"


def at(kind: str, ago: timedelta) -> str:
    return str(SetId(NOW - ago, kind))


def location_of(*ids: str, late: timedelta = timedelta(0), name: str = "memory") -> MemoryLocation:
    """A location with sets whose snapshots were taken so much after their ids."""
    location = MemoryLocation(name)
    for text in ids:
        set_id = SetId.parse(text)
        manifest = make_manifest(text, LABEL, artifacts=())
        snapshot = replace(manifest.database.snapshot, time=set_id.time + late)
        manifest = replace(manifest, database=replace(manifest.database, snapshot=snapshot))
        location.add(f"{set_id.directory(LABEL)}/manifest.json", manifest.to_bytes())
    return location


DAY = timedelta(days=1)
OLD, MIDDLE, YOUNG = (at("weekly", DAY * days) for days in (21, 14, 7))
SAFETY = at("pre_restore", timedelta(hours=1))
FUTURE = at("weekly", -2 * DAY)


def chosen(wanted: BackupSelector, *locations: MemoryLocation) -> str:
    return str(find_good_set(locations, LABEL, wanted).manifest.id)


def test_the_newest_is_never_a_safety_backup_nor_from_the_future() -> None:
    location = location_of(OLD, MIDDLE, YOUNG, SAFETY, FUTURE)
    assert chosen(NEWEST, location) == YOUNG
    assert str(newest_good([location], LABEL, ()).id) == YOUNG


@pytest.mark.parametrize("named", [SAFETY, FUTURE, OLD], ids=["safety", "future", "old"])
def test_what_is_named_by_its_id_is_taken(named: str) -> None:
    assert chosen(BackupSelector.parse(named), location_of(OLD, YOUNG, SAFETY, FUTURE)) == named


def test_a_clock_that_is_a_little_ahead_makes_no_difference() -> None:
    little = at("weekly", -timedelta(minutes=4))
    assert chosen(NEWEST, location_of(YOUNG, little)) == little


def test_before_is_the_newest_whose_snapshot_is_older() -> None:
    before = (NOW - DAY * 14 + timedelta(minutes=1)).isoformat()
    assert chosen(BackupSelector.parse("latest", before), location_of(OLD, MIDDLE, YOUNG)) == MIDDLE
    late = location_of(OLD, MIDDLE, YOUNG, late=timedelta(minutes=2))
    assert chosen(BackupSelector.parse("latest", before), late) == OLD


def test_before_looks_into_all_locations() -> None:
    before = (NOW - DAY * 10).isoformat()
    first, second = location_of(OLD, YOUNG, name="first"), location_of(MIDDLE, name="second")
    assert chosen(BackupSelector.parse("latest", before), first, second) == MIDDLE


def test_with_nothing_older_it_is_said_and_nothing_newer_is_taken() -> None:
    with pytest.raises(ConfigError, match="there is no backup of 'shop' from before"):
        chosen(BackupSelector.parse("latest", (NOW - DAY * 30).isoformat()), location_of(OLD, YOUNG))


@pytest.mark.parametrize("typed", ["weekly_2026", "weakly" + OLD[6:], OLD[:-1] + "x"], ids=["short", "kind", "digit"])
def test_what_is_no_id_is_told_with_those_that_are_like_it(typed: str) -> None:
    with pytest.raises(ConfigError, match=rf"is not the id of a backup \(the nearest: .*{OLD}"):
        chosen(BackupSelector.parse(typed), location_of(OLD, MIDDLE, YOUNG))


def test_an_id_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(BackupError, match=rf"is in none of the locations \(the nearest: {MIDDLE}"):
        chosen(BackupSelector.parse(at("weekly", DAY * 13)), location_of(OLD, MIDDLE, YOUNG))


def test_an_id_and_a_time_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="before belongs to backup: latest"):
        BackupSelector.parse(OLD, "2026-01-01")
