"""A clean-up takes what its plan says and nothing else, wherever it is cut short."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import MARK, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Drill, Hold, Release
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import (
    Catalogue,
    read_catalogue,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError, LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.applying import Cleaned, clean
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.locked import keep_locked
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.planning import (
    PrunePlan,
    PruneRefused,
    plan_prune,
    refuse_locked,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import Policy
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Leftover
from support.memory_location import MemoryLocation
from support.small_sets import small_set

UTC = timezone.utc
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
IDS = [f"daily_202611{day:02}_000000" for day in range(10, 26)]
EXPIRED = IDS[:9]
"""Those that are older than a week."""


def fill(location: MemoryLocation, *set_ids: str) -> MemoryLocation:
    for set_id in set_ids:
        parsed = SetId.parse(set_id)
        for name, data in small_set(set_id).items():
            location.add(f"{parsed.directory('shop')}/{name}", data, parsed.time)
    return location


def look(*locations: MemoryLocation) -> Catalogue:
    return read_catalogue(locations, "shop", cache_dir=None, leftovers=True)


def plan(*locations: MemoryLocation, **policy: str) -> PrunePlan:
    return plan_prune(look(*locations), Policy.parse(policy or None), NOW, DAY)


def carry_out(planned: PrunePlan, *locations: MemoryLocation) -> list[Cleaned]:
    return [clean(one, "shop", planned.goes[one.name], planned.unfinished[one.name]) for one in locations]


def there(location: MemoryLocation) -> list[str]:
    """The sets of which anything is left, by id."""
    return sorted({key.split("/")[4] for key in location.objects})


def with_manifest(location: MemoryLocation) -> list[str]:
    return sorted(key.split("/")[4] for key in location.objects if key.endswith("/manifest.json"))


def key_of(set_id: str, name: str) -> str:
    return f"{SetId.parse(set_id).directory('shop')}/{name}"


def test_what_is_due_goes_in_every_location_and_the_rest_stays() -> None:
    first, second = fill(MemoryLocation("first"), *IDS), fill(MemoryLocation("second"), *IDS[3:])
    cleaned = carry_out(plan(first, second), first, second)
    assert there(first) == there(second) == IDS[9:]
    assert [str(set_id) for set_id in cleaned[0].deleted] == EXPIRED[::-1]
    assert cleaned[0].freed == sum(len(data) for one in EXPIRED for data in small_set(one).values())
    assert not any(plan(first, second).goes.values())


@pytest.mark.sampled(24)
@pytest.mark.parametrize("calls", range(70))
def test_killed_between_any_two_deletions_nothing_else_is_lost_and_the_next_run_finishes(calls: int) -> None:
    location = fill(MemoryLocation(), *IDS)
    planned = plan(location)

    class Killed(BaseException):
        """The process is gone."""

    left = [calls]

    def count(kind: str) -> None:
        if kind in ("put", "delete", "list"):
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    location.count = count  # type: ignore[method-assign]
    killed = False
    try:
        carry_out(planned, location)
    except Killed:
        killed = True
    assert killed == (calls < len(EXPIRED) * 6)
    del location.count  # type: ignore[attr-defined]
    whole = {one: set(small_set(one)) for one in IDS}
    for set_id in IDS[9:]:
        assert {key.rpartition("/")[2] for key in location.objects if set_id in key} == whole[set_id]
    for set_id in with_manifest(location):
        names = {key.rpartition("/")[2] for key in location.objects if set_id in key}
        assert {name for name in names if not name.startswith(MARK)} == whole[set_id]
    carry_out(plan(location), location)
    assert there(location) == IDS[9:]


def test_nothing_goes_anywhere_while_a_location_cannot_be_listed() -> None:
    first, second = fill(MemoryLocation("first"), *IDS), fill(MemoryLocation("second"), *IDS)
    second.failing = {"list"}
    with pytest.raises(PruneRefused, match=r"second.*nothing was deleted"):
        plan(first, second)


def test_nothing_goes_while_a_manifest_cannot_be_read() -> None:
    location = fill(MemoryLocation(), *IDS)
    location.failing = {"read"}
    with pytest.raises(PruneRefused, match="out of order"):
        plan(location)


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("shop/notes.txt", b"mine"),
        ("shop/2026/11/notes.txt", b"mine"),
        (key_of(IDS[0], "sub/notes.txt"), b"mine"),
        (key_of(IDS[0], "manifest.json"), b"{}"),
        (key_of(IDS[0], "manifest.json"), small_set(IDS[1])["manifest.json"]),
        (key_of(IDS[0], "hold.json"), b"{"),
    ],
)
def test_nothing_goes_while_something_is_damaged_or_foreign(key: str, data: bytes) -> None:
    location = fill(MemoryLocation(), *IDS)
    location.add(key, data)
    with pytest.raises(PruneRefused, match=r"does not belong there.*nothing was deleted"):
        plan(location)


def test_what_belongs_to_another_label_is_not_looked_at() -> None:
    location = fill(MemoryLocation(), *IDS)
    location.add("shop2/notes.txt", b"mine")
    carry_out(plan(location), location)
    assert location.objects["shop2/notes.txt"][0] == b"mine"


def test_the_newest_good_copy_of_a_location_stays_there_though_newer_ones_lie_elsewhere() -> None:
    first, second = fill(MemoryLocation("first"), *IDS), fill(MemoryLocation("second"), *IDS[:4])
    planned = plan(first, second)
    carry_out(planned, first, second)
    assert there(second) == [IDS[3]]
    assert there(first) == IDS[9:]
    assert planned.stays == {"first": (), "second": (SetId.parse(IDS[3]),)}


def test_the_newest_good_set_stays_though_newer_ones_are_damaged() -> None:
    location = fill(MemoryLocation(), *IDS[:5])
    for set_id in IDS[3:5]:
        del location.objects[next(key for key in location.objects if set_id in key and ".dump" in key)]
    carry_out(plan(location), location)
    assert there(location) == [IDS[2]]


def test_copies_with_different_manifests_do_not_count_as_good() -> None:
    first, second = fill(MemoryLocation("first"), *IDS[:3]), fill(MemoryLocation("second"), *IDS[:3])
    second.add(key_of(IDS[2], "manifest.json"), small_set(IDS[2], environment="elsewhere")["manifest.json"])
    newest = look(first, second).sets[-1]
    assert newest.state == "damaged"
    assert any("different manifests" in problem for problem in newest.problems)
    carry_out(plan(first, second), first, second)
    assert IDS[1] in there(first)


def test_a_forged_copy_casts_no_doubt_on_the_genuine_one_for_whoever_has_the_key() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    first, second = MemoryLocation("first"), MemoryLocation("second")
    for location, signer, environment in ((first, key, "production"), (second, other, "forged")):
        for name, data in small_set(IDS[0], key=signer, environment=environment).items():
            location.add(key_of(IDS[0], name), data)
    (known,) = read_catalogue(
        [first, second], "shop", cache_dir=None, verify_keys=[key.verify_key], leftovers=False
    ).sets
    assert (known.good, known.state) == (("first",), "good")
    assert known.summary is not None
    assert known.summary.environment == "production"
    (disputed,) = look(first, second).sets
    assert (disputed.good, disputed.state) == ((), "damaged")


def record(kind: type, set_id: str, **members: object) -> bytes:
    found: bytes = kind(id=SetId.parse(set_id), label="shop", **members).to_bytes()
    return found


def test_a_hold_in_one_location_keeps_all_copies_until_it_ends() -> None:
    first, second = fill(MemoryLocation("first"), *IDS), fill(MemoryLocation("second"), *IDS)
    later, past = NOW + timedelta(days=1), NOW - timedelta(seconds=1)
    for set_id, until in ((IDS[0], None), (IDS[1], later), (IDS[2], past)):
        first.add(key_of(set_id, "hold.json"), record(Hold, set_id, held_at=past, reason="incident 4711", until=until))
    carry_out(plan(first, second), first, second)
    for location in (first, second):
        assert there(location) == [IDS[0], IDS[1], *IDS[9:]]


def test_a_hold_that_is_placed_while_a_clean_up_runs_is_seen() -> None:
    location = fill(MemoryLocation(), *IDS)
    planned = plan(location)
    location.add(key_of(IDS[4], "hold.json"), record(Hold, IDS[4], held_at=NOW, reason="wait"))
    (cleaned,) = carry_out(planned, location)
    assert cleaned.changed == [SetId.parse(IDS[4])]
    assert there(location) == [IDS[4], *IDS[9:]]
    assert set(small_set(IDS[4])) < {key.rpartition("/")[2] for key in location.objects if IDS[4] in key}


def test_the_newest_verified_set_stays() -> None:
    location = fill(MemoryLocation(), *IDS)
    for set_id, verdict, manifest in (
        (IDS[1], "passed", look(location).sets[1].summary),
        (IDS[2], "failed", look(location).sets[2].summary),
        (IDS[3], "passed", look(location).sets[4].summary),
    ):
        assert manifest is not None
        told = {"location": "primary", "server_version": "17.10", "restore_seconds": 3, "findings": ()}
        data = record(Drill, set_id, manifest=manifest.sha256, started=NOW, finished=NOW, verdict=verdict, **told)
        location.add(key_of(set_id, "verified_20261124_0600.json"), data)
    carry_out(plan(location), location)
    assert there(location) == [IDS[1], *IDS[9:]]


def test_a_set_that_is_kept_until_it_is_released_goes_when_it_is() -> None:
    ids = ["pre_migration_20240101_000000", "pre_migration_20240201_000000", IDS[-1]]
    location = fill(MemoryLocation(), *ids)
    assert not plan(location).goes["memory"]
    location.add(key_of(ids[0], "released.json"), record(Release, ids[0], released_at=NOW, reason="migrated"))
    carry_out(plan(location), location)
    assert there(location) == sorted(ids[1:])


def test_what_a_killed_run_left_goes_when_it_is_old_enough() -> None:
    location = fill(MemoryLocation(), IDS[-1])
    old, young = SetId.parse("weekly_20261101_000000"), SetId.parse("weekly_20261125_010000")
    for set_id in (old, young):
        location.add(f"{set_id.directory('shop')}/backup.dump.age", b"half", set_id.time)
    location.unfinished.append(Leftover(f"{old.directory('shop')}/globals.sql", old.time, "upload"))
    (cleaned,) = carry_out(plan(location), location)
    assert there(location) == [IDS[-1], str(young)]
    assert cleaned.freed == len(b"half")
    assert not location.unfinished


def test_what_the_store_protects_stays_as_a_whole_and_is_told() -> None:
    class Locking(MemoryLocation):
        def lock_state(self) -> object:
            return dataclasses.replace(super().lock_state(), enabled=True)

        def protection(self, key: str) -> str | None:
            return "locked until 2027" if key == protected else None

    location = Locking()
    fill(location, *IDS)
    protected = next(key for key in location.objects if IDS[5] in key and ".dump" in key)
    (cleaned,) = carry_out(plan(location), location)
    assert cleaned.protected == {SetId.parse(IDS[5]): "locked until 2027"}
    assert there(location) == [IDS[5], *IDS[9:]]
    assert IDS[5] in with_manifest(location)


def test_a_store_that_cannot_be_asked_for_locks_is_refused_and_what_it_keeps_is_no_plan() -> None:
    class Locking(MemoryLocation):
        def lock_state(self) -> object:
            return dataclasses.replace(super().lock_state(), unknown="access is denied")

        def protection(self, key: str) -> str | None:
            if self.name == "silent":
                raise LocationError(self.name, "look for locks", "it does not answer")
            return "locked until 2027" if IDS[5] in key else None

    locking, plain, silent = (fill(one, *IDS) for one in (Locking("s3"), MemoryLocation("disk"), Locking("silent")))
    alone = keep_locked(plan(locking), [locking])
    decided = {str(one.id): one for one in alone.decisions}[IDS[5]]
    assert (decided.keep, decided.rule) == (True, "locked")
    assert decided.reason.startswith("s3: locked until 2027, although its 7d")
    both = keep_locked(plan(locking, plain), [locking, plain])
    assert {name: IDS[5] in {str(copy.id) for copy in goes} for name, goes in both.goes.items()} == {
        "s3": False,
        "disk": True,
    }
    with pytest.raises(PruneRefused, match="it does not answer; nothing was deleted"):
        keep_locked(plan(locking, silent), [locking, silent])


@pytest.mark.parametrize(("days", "refused"), [(None, False), (7, False), (8, True), (3650, True)])
def test_a_policy_shorter_than_a_buckets_lock_is_refused(days: int | None, refused: bool) -> None:
    location = MemoryLocation()
    location.lock_days = lambda: days  # type: ignore[method-assign]
    if not refused:
        refuse_locked([location], Policy.parse(None))
        return
    with pytest.raises(ConfigError, match=rf"7 days.*locks every object for {days}"):
        refuse_locked([location], Policy.parse(None))


def test_a_location_that_fails_while_it_is_cleaned_ends_there_and_the_others_go_on() -> None:
    first, second = fill(MemoryLocation("first"), *IDS), fill(MemoryLocation("second"), *IDS)
    planned = plan(first, second)
    first.failing = {"delete"}
    cleaned = carry_out(planned, first, second)
    assert cleaned[0].failure is not None and cleaned[1].failure is None
    assert there(first) == IDS
    assert there(second) == IDS[9:]
