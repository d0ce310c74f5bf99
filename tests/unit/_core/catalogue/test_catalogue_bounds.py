"""Promises of a catalogue among strangers: what no key vouches for costs next to nothing, and is told in few words."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Hold
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import (
    Problems,
    newest_set,
    reader,
    search,
    set_ids,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import (
    Catalogue,
    read_catalogue,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.info import report_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.planning import (
    PruneRefused,
    plan_prune,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.reporting import report_planned
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.planning import (
    ReplicationRequest,
    plan_replication,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.reporting import report_run
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import Policy
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.request import CheckRequest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import find_all, report_findings
from support.memory_location import MemoryLocation
from support.small_sets import small_set
from support.watched_sets import DEFAULTS

KEY, STRANGER = SigningKey.generate(), SigningKey.generate()
NOW = datetime(2026, 11, 25, 7, tzinfo=timezone.utc)
GOOD = "weekly_20261120_000000"
STRANGERS = 2_000
MIB = 1024 * 1024


class CountedLocation(MemoryLocation):
    """Counts the bytes that are read, and how many are held by readers at the same time."""

    def __init__(self, name: str = "memory") -> None:
        super().__init__(name)
        self.bytes = Counter[str]()
        self.held = self.most_held = 0
        self._lock = threading.Lock()

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        for data in super().read(key, offset=offset, length=length):
            with self._lock:
                self.bytes[key.rpartition("/")[2]] += len(data)
                self.held += len(data)
                self.most_held = max(self.held, self.most_held)
            time.sleep(0.002)
            with self._lock:
                self.held -= len(data)
            yield data


def directory(number: int, minutes: int = 17) -> str:
    return SetId(NOW - timedelta(minutes=minutes * number), "daily").directory("shop")


def add_set(location: MemoryLocation, place: str) -> None:
    for name, data in small_set(place.rpartition("/")[2]).items():
        location.add(f"{place}/{name}", data)


def read(*locations: MemoryLocation, keyed: bool = True) -> Catalogue:
    keys = [KEY.verify_key] if keyed else []
    return read_catalogue(locations, "shop", cache_dir=None, verify_keys=keys)


def with_good_set(location: MemoryLocation) -> MemoryLocation:
    for name, data in small_set(GOOD, key=KEY, dump=b"x" * 1000).items():
        location.add(f"{SetId.parse(GOOD).directory('shop')}/{name}", data)
    return location


def results(catalogue: Catalogue, location: MemoryLocation) -> dict[str, str]:
    """What the operations on a catalogue return, as JSON."""
    request = CheckRequest.parse(DEFAULTS)
    policy = Policy.parse(None)
    replication = ReplicationRequest("shop", verify_keys=(KEY.verify_key,))
    plans = plan_replication([location], catalogue, replication, NOW)
    told: dict[str, object] = {
        "info": report_catalogue(catalogue, policy, NOW),
        "check": report_findings("shop", find_all(catalogue, request, [location], NOW)),
        "replicate": report_run(replication, {}, plans, None),
    }
    try:
        told["prune"] = report_planned(plan_prune(catalogue, policy, NOW, timedelta(hours=24)))
    except PruneRefused as error:
        told["prune"] = str(error)
    return {name: json.dumps(one) for name, one in told.items()}


def test_sets_that_nobody_signed_are_neither_read_nor_told_one_by_one() -> None:
    location = with_good_set(CountedLocation())
    for number in range(STRANGERS):
        location.add(f"{directory(number)}/manifest.json", b"{" * 1000)
    location.requests.clear()
    catalogue = read(location)
    assert location.requests == {"list": 1, "read": 2}
    assert set(location.bytes) == {"manifest.json", "manifest.json.sig"}
    assert [str(one.id) for one in catalogue.backups if one.good] == [GOOD]
    strangers = [one for one in catalogue.backups if not one.good]
    assert {one.problems for one in strangers} == {("memory: it is not signed, and a verify key was given",)}
    assert len(strangers) == STRANGERS
    for name, result in results(catalogue, location).items():
        assert len(result) < 100_000, name
    info = report_catalogue(catalogue, Policy.parse(None), NOW)
    assert (info["count"], info["damaged"], info["newest_good"]) == (STRANGERS + 1, STRANGERS, GOOD)
    assert GOOD in [one["id"] for one in info["sets"]]


@pytest.mark.parametrize("name", ["manifest.json", "a foreign file", "backup.dump.age"])
def test_two_thousand_strangers_make_no_long_result_where_no_key_is_given_either(name: str) -> None:
    location = with_good_set(CountedLocation())
    for number in range(STRANGERS):
        location.add(f"{directory(number)}/{name}", b'{"format": "mobul.backup/manifest"}')
    catalogue = read(location, keyed=False)
    assert [str(one.id) for one in catalogue.backups if one.good] == [GOOD]
    assert len(catalogue.foreign) <= 51
    for operation, result in results(catalogue, location).items():
        assert len(result) < 100_000, operation
    if name != "backup.dump.age":
        assert catalogue.foreign_count == STRANGERS
        assert f"and {STRANGERS - 50:,} more" in catalogue.foreign[-1]
        with pytest.raises(PruneRefused, match=r"and 1,990 more; nothing was deleted"):
            plan_prune(catalogue, Policy.parse(None), NOW, timedelta(hours=24))


def test_a_manifest_with_a_strangers_signature_is_never_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    location = CountedLocation()
    data = b'{"format": "mobul.backup/manifest"}'
    for number in range(3):
        location.add(f"{directory(number)}/manifest.json", data)
        location.add(f"{directory(number)}/manifest.json.sig", STRANGER.sign(data) + b"x" * number)

    def parse(*_args: object, **_options: object) -> Manifest:
        raise AssertionError("the manifest was parsed")

    monkeypatch.setattr(Manifest, "parse", parse)
    copies = read(location).indexes["memory"].copies.values()
    problems = [copy.problems for copy in copies]
    assert all(len(one) == 1 and "\n" not in one[0] for one in problems)
    assert "was not signed with any of the verify keys" in problems[2][0]
    # A signature that cannot be one by its size costs nothing.
    assert location.bytes == {"manifest.json": len(data), "manifest.json.sig": 64}


@pytest.mark.parametrize(
    ("keyed", "size", "told"), [(True, 65, "67108864 are read"), (False, 17, "without a verify_key")]
)
def test_a_manifest_above_the_limit_is_refused_by_its_name_and_not_read(keyed: bool, size: int, told: str) -> None:
    location = CountedLocation()
    location.add(f"{directory(0)}/manifest.json", bytes(size * MIB))
    location.add(f"{directory(0)}/manifest.json.sig", bytes(64))
    catalogue = read(location, keyed=keyed)
    assert not location.bytes
    assert f"{directory(0)}/manifest.json" in catalogue.foreign[0]
    assert told in catalogue.foreign[0]


def test_what_is_read_at_the_same_time_is_bounded_however_many_there_are() -> None:
    location = CountedLocation()
    for number in range(24):
        data = b" " * (2 * MIB if number % 3 else 6 * MIB)
        location.add(f"{directory(number)}/manifest.json", data)
        location.add(f"{directory(number)}/manifest.json.sig", STRANGER.sign(b""))
    read(location)
    assert location.bytes["manifest.json"] == (16 * 2 + 8 * 6) * MIB
    assert location.most_held <= 6 * MIB + 8 * 64


def test_an_object_that_grew_since_it_was_listed_is_not_read_to_its_end() -> None:
    class Growing(MemoryLocation):
        def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
            for number in range(100):
                assert number < 3, "it was read on"
                yield b" " * MIB

    location = Growing()
    location.add(f"{directory(0)}/manifest.json", b" " * MIB)
    assert "has more than 1048576 bytes" in read(location, keyed=False).foreign[0]


def test_records_are_read_up_to_a_bound() -> None:
    location = with_good_set(CountedLocation())
    place = SetId.parse(GOOD).directory("shop")
    location.add(f"{place}/verified_20261121_0000.json", bytes(MIB + 1))
    for number in range(70):
        location.add(f"{place}/verified_20261122_0000_{number}.json", b"[" * MIB)
    catalogue = read(location)
    assert any("verified_20261121_0000.json' is too large" in line for line in catalogue.foreign)
    assert sum("is not read: the records have more than" in line for line in catalogue.foreign) == 8


def test_of_sets_that_no_key_vouches_for_the_newest_are_looked_at_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "MAX_UNPROVEN_SETS", 30)
    location = MemoryLocation()
    for number in range(30):
        add_set(location, directory(number, minutes=1))
    catalogue = read(location, keyed=False)
    assert sum(bool(one.good) for one in catalogue.backups) == 30
    assert not catalogue.unseen
    for number in range(30, 40):
        add_set(location, directory(number, minutes=1))
    location.requests.clear()
    catalogue = read(location, keyed=False)
    assert location.requests["read"] == 30
    newest = [SetId.parse(directory(number, minutes=1).rpartition("/")[2]) for number in range(40)]
    assert [one.id for one in catalogue.backups] == newest[29::-1]
    assert catalogue.indexes["memory"].unseen == dict.fromkeys(reversed(newest[30:]), ())
    told = results(catalogue, location)
    assert all("10 others were not read and are kept" in told[name] for name in ("info", "check", "prune"))
    plan = plan_prune(catalogue, Policy.parse({"daily": "1d"}), NOW + timedelta(days=9), timedelta(hours=24))
    assert {copy.id for copy in plan.goes["memory"]} == set(newest[1:30])


def test_strangers_keep_no_signed_set_from_being_seen_unless_they_forge_signatures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "MAX_UNPROVEN_SETS", 30)
    location = with_good_set(CountedLocation())
    for number in range(40):
        location.add(f"{directory(number, minutes=1)}/manifest.json", b"{}")
    catalogue = read(location)
    assert [str(one.id) for one in catalogue.backups if one.good] == [GOOD]
    assert (len(catalogue.backups), len(catalogue.indexes["memory"].unseen)) == (31, 10)
    assert location.bytes["manifest.json.sig"] == 64
    for number in range(40):
        location.add(f"{directory(number, minutes=1)}/manifest.json.sig", STRANGER.sign(b"{}"))
    location.bytes.clear()
    catalogue = read(location)
    assert not any(one.good for one in catalogue.backups)
    assert location.bytes["manifest.json.sig"] == 64 * 30
    # What was not looked at goes nowhere, whatever the policy says.
    plan = plan_prune(catalogue, Policy.parse({"weekly": "1d"}), NOW + timedelta(days=99), timedelta(hours=24))
    assert GOOD not in {str(copy.id) for copy in plan.goes["memory"]}


def test_a_hold_beside_a_set_that_is_not_looked_at_keeps_the_copies_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_UNPROVEN_SETS", 30)
    flooded, other = with_good_set(MemoryLocation("flooded")), with_good_set(MemoryLocation("other"))
    for number in range(30):
        flooded.add(f"{directory(number, minutes=1)}/manifest.json", b"{}")
    newer = SetId.parse("weekly_20261121_000000")
    add_set(other, newer.directory("shop"))
    catalogue = read(flooded, other, keyed=False)
    held = next(one for one in catalogue.backups if str(one.id) == GOOD)
    assert (held.good, held.missing, held.unknown) == (("other",), (), ("flooded",))
    assert held.counted(NOW).hold is None
    plans = plan_replication([flooded, other], catalogue, ReplicationRequest("shop"), NOW)
    assert not next(plan for plan in plans if plan.id == held.id).targets
    hold = Hold(id=held.id, label="shop", held_at=NOW, reason="an incident")
    flooded.add(f"{held.id.directory('shop')}/hold.json", hold.to_bytes())
    catalogue = read(flooded, other, keyed=False)
    held = next(one for one in catalogue.backups if str(one.id) == GOOD)
    assert held.counted(NOW).hold == hold


def test_of_records_the_newest_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_RECORDS", 3)
    location = MemoryLocation()
    for number in range(5):
        location.add(f"{directory(number)}/hold.json", b"{}")
    catalogue = read(location)
    assert location.requests["read"] == 3
    unread = [line for line in catalogue.foreign if "is not read: there are more than 3 records" in line]
    assert [directory(number) in line for number, line in zip((4, 3), unread, strict=True)] == [True, True]


def test_the_set_before_is_one_that_a_key_has_signed_and_the_others_are_told() -> None:
    location = with_good_set(CountedLocation())
    newer = "weekly_20261124_000000"
    for name, data in small_set(newer).items():
        location.add(f"{SetId.parse(newer).directory('shop')}/{name}", data)
    problems = Problems()
    found = newest_set(location, "shop", problems, [KEY.verify_key])
    assert found is not None
    assert (str(found.id), found.signature) == (GOOD, "good")
    assert [problem.key for problem in problems] == [f"{SetId.parse(newer).directory('shop')}/manifest.json"]
    assert "is not signed, and a verify key was given" in problems[0].message
    assert location.bytes["manifest.json"] == len(found.data)


def test_whoever_fills_a_location_keeps_no_backup_from_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_DIRECTORIES", 30)
    location = with_good_set(CountedLocation())
    for number in range(40):
        location.add(f"{directory(number, minutes=1)}/manifest.json", b"{}")
    problems = Problems()
    assert newest_set(location, "shop", problems, [KEY.verify_key]) is None
    assert "30 directories were looked through" in problems[-1].message
    with pytest.raises(LocationError, match=r"30 directories were looked through .* \(name the backup"):
        list(set_ids(location, "shop", problems))
