"""Holding and releasing: what is asked for, what is done, and that a set is held at every moment in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.manifest import Manifest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.record_keys import RecordKeys
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.set_records import Hold, Release
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.index import read_copy
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.request import HoldRequest, parse_until
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import hold_in
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.incomplete import LocationsFailed
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import Policy, plan_retention
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention.candidates import candidate_of
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import LegalHoldDenied, LockState
from support.manifests import make_manifest
from support.memory_location import MemoryLocation

NOW = datetime(2026, 11, 24, 9, 12, tzinfo=timezone.utc)
SET_ID = SetId.parse("weekly_20261122_000000")
PLACE = SET_ID.directory("shop")
HOLD, NEXT, RELEASED = f"{PLACE}/hold.json", f"{PLACE}/hold.next.json", f"{PLACE}/released.json"
INCIDENT = Hold(id=SET_ID, label="shop", held_at=NOW - timedelta(days=9), reason="INC-1")
AUDIT = Hold(id=SET_ID, label="shop", held_at=NOW, reason="audit", until=NOW + timedelta(days=30))
OVER = Hold(id=SET_ID, label="shop", held_at=NOW - timedelta(days=9), reason="over", until=NOW - timedelta(days=1))
LET_GO = Release(id=SET_ID, label="shop", released_at=NOW - timedelta(days=1), reason="not needed")


class Killed(BaseException):
    """The process ends here."""


class Store(MemoryLocation):
    """A location whose process is killed before a call, and which may know legal holds.

    :ivar calls: how many calls are left before the end; None for no end.
    :ivar under: keys under a legal hold; None for a store that knows none.
    :ivar watch: called before each call that changes something, and after it.
    """

    def __init__(self, name: str = "store", *, locks: bool = False) -> None:
        super().__init__(name)
        self.calls: int | None = None
        self.under: set[str] | None = set() if locks else None
        self.denied = False
        self.watch: Callable[[], None] = list

    def count(self, kind: str) -> None:
        self.watch()
        if self.calls is not None:
            if self.calls == 0:
                raise Killed
            self.calls -= 1
        super().count(kind)

    def lock_state(self) -> LockState:
        return LockState(enabled=self.under is not None)

    def legal_hold(self, key: str) -> bool:
        self.count("legal_hold")
        return key in (self.under or ())

    def set_legal_hold(self, key: str, on: bool) -> None:
        self.count("set_legal_hold")
        if self.denied:
            raise LegalHoldDenied(self.name, "set the legal hold", "access is denied")
        assert self.under is not None
        assert key in self.objects
        (self.under.add if on else self.under.discard)(key)

    def delete(self, key: str) -> None:
        # Its older version would be locked for ever.
        assert key not in (self.under or ())
        super().delete(key)


def fill(store: MemoryLocation, manifest: Manifest | None = None, **artifacts: bytes) -> None:
    """Put a good set there."""
    manifest = manifest or make_manifest(str(SET_ID))
    directory = manifest.id.directory(manifest.label)
    for artifact in manifest.artifacts:
        store.add(f"{directory}/{artifact.name}", bytes(artifact.size))
    store.add(f"{directory}/manifest.json", manifest.to_bytes())


def small_manifest(set_id: str = str(SET_ID)) -> Manifest:
    return make_manifest(set_id, artifacts=())


def request(**options: Any) -> HoldRequest:
    given = {"label": "shop", "backup": str(SET_ID), "state": "held", "reason": "audit", "until": None, **options}
    return HoldRequest.parse(given, NOW)


def hold(
    stores: Sequence[MemoryLocation], check_mode: bool = False, key: SigningKey | None = None, **options: Any
) -> dict[str, Any]:
    result: dict[str, Any] = hold_in(stores, request(**options), (), check_mode, RecordKeys((), key))
    return result


@pytest.fixture
def store() -> Store:
    made = Store()
    fill(made, small_manifest())
    return made


def records(store: MemoryLocation) -> dict[str, bytes]:
    """What lies beside the set, without its time."""
    names = (HOLD, NEXT, RELEASED)
    return {key.rpartition("/")[2]: store.objects[key][0] for key in names if key in store.objects}


def held(store: MemoryLocation) -> Hold | None:
    copy = read_copy(store, "shop", SET_ID)
    assert copy is not None
    return copy.hold


def is_held(store: MemoryLocation) -> bool:
    found = held(store)
    return found is not None and found.holds_at(NOW)


def contents(store: MemoryLocation) -> dict[str, bytes]:
    return {key: data for key, (data, _time) in store.objects.items()}


def test_a_set_is_held_in_every_location_that_has_it_and_the_others_are_told(store: Store) -> None:
    full, empty, unfinished = Store("full"), Store("empty"), Store("unfinished")
    fill(full)
    unfinished.add(f"{PLACE}/backup.dump.age", b"x")
    result = hold([store, empty, full, unfinished], until="2027-01-31")
    until = datetime(2027, 1, 31, tzinfo=timezone.utc)
    for one in (store, full):
        assert held(one) == Hold(id=SET_ID, label="shop", held_at=NOW, reason="audit", until=until)
    assert contents(empty) == {}
    assert list(contents(unfinished)) == [f"{PLACE}/backup.dump.age"]
    assert result["changed"] is True
    assert result["id"] == str(SET_ID)
    told = {"reason": "audit", "until": "2027-01-31T00:00:00Z", "held_at": "2026-11-24T09:12:00Z"}
    assert [(one["location"], one["state"], one["hold"]) for one in result["copies"]] == [
        ("store", "held", told),
        ("empty", "missing", None),
        ("full", "held", told),
        ("unfinished", "unfinished", None),
    ]
    assert result["summary"] == [
        "shop: weekly_20261122_000000 is held: audit, until 2027-01-31 00:00 UTC",
        "store: held",
        "empty: does not have this set",
        "full: held",
        "unfinished: has only an unfinished set, without a manifest: not held",
    ]


@pytest.mark.parametrize("state", ["held", "released"])
def test_a_second_time_changes_nothing_and_a_copy_that_lacks_it_gets_it(store: Store, state: str) -> None:
    hold([store], state=state)
    before = contents(store)
    again = hold_in([store], HoldRequest.parse(given(state=state), NOW + timedelta(days=1)), (), False)
    assert (again["changed"], contents(store)) == (False, before)
    assert again["summary"][1] == f"store: was {state} already"
    other = Store("other")
    fill(other, small_manifest())
    assert hold([store, other], state=state)["changed"] is True
    assert contents(other) == contents(store) == before


def given(**options: Any) -> dict[str, Any]:
    return {"label": "shop", "backup": str(SET_ID), "state": "held", "reason": "audit", "until": None, **options}


@pytest.mark.parametrize(
    "wanted", [{"reason": "INC-2"}, {"until": "2027-01-31"}, {"until": "2027-02-01T00:00:00+01:00"}]
)
def test_another_reason_or_end_takes_the_old_ones_place(store: Store, wanted: dict[str, Any]) -> None:
    hold([store])
    result = hold([store], **wanted)
    asked = request(**wanted)
    assert result["changed"] is True
    assert records(store) == {"hold.json": asked.hold_of(SET_ID).to_bytes()}
    assert result["diff"] == {"before": "store: held: audit\n", "after": f"store: held: {asked.hold_of(SET_ID)}\n"}


def test_a_release_takes_the_hold_away_and_says_that_the_set_may_go(store: Store) -> None:
    hold([store])
    result = hold([store], state="released", reason="INC-1 closed")
    copy = read_copy(store, "shop", SET_ID)
    assert copy is not None
    assert (copy.state, copy.hold) == ("good", None)
    assert [claim.record for claim in copy.claims] == [
        Release(id=SET_ID, label="shop", released_at=NOW, reason="INC-1 closed")
    ]
    assert result["copies"][0]["state"] == "released"
    assert result["diff"]["after"] == "store: released: INC-1 closed\n"
    assert hold([store], state="released", reason="another reason")["changed"] is False


def test_holding_a_released_set_takes_the_release_back_once_the_hold_is_there(store: Store) -> None:
    store.add(RELEASED, LET_GO.to_bytes())
    seen: list[tuple[str, ...]] = []
    store.watch = lambda: seen.append(tuple(records(store)))
    assert hold([store])["changed"] is True
    assert ("released.json",) in seen
    assert ("hold.json", "released.json") in seen
    assert () not in seen
    assert list(records(store)) == ["hold.json"]


def test_the_planner_of_retention_keeps_what_is_held_and_lets_go_what_is_released(store: Store) -> None:
    """A set that is kept until it is released, beside a newer one that is the label's last line of defence."""
    other, incident = Store("other"), small_manifest("post_incident_20240101_000000")
    for one in (store, other):
        fill(one, incident)
    stores = [store, other]

    def decided() -> tuple[bool, str]:
        found = read_catalogue(stores, "shop", cache_dir=None)
        candidates = [candidate_of(one, NOW) for one in found.backups]
        decision = plan_retention(candidates, Policy.parse(None), NOW)[0]
        assert decision.id == incident.id
        return decision.keep, decision.rule

    asked = {"backup": str(incident.id)}
    assert decided() == (True, "until_released")
    hold(stores, **asked)
    assert decided() == (True, "held")
    hold(stores, **asked, state="released")
    assert decided() == (False, "released")
    hold(stores[:1], **asked)
    assert decided() == (True, "held")


def test_what_is_left_of_a_deleted_set_can_be_released_and_gets_no_release_of_its_own(store: Store) -> None:
    store.add(HOLD, INCIDENT.to_bytes())
    del store.objects[f"{PLACE}/manifest.json"]
    store.add(f"{PLACE}/backup.dump.age", b"x")
    assert hold([store], state="released")["changed"] is True
    assert list(contents(store)) == [f"{PLACE}/backup.dump.age"]


@pytest.mark.parametrize("state", ["held", "released"])
@pytest.mark.parametrize("locks", [False, True])
def test_check_mode_tells_the_same_and_writes_nothing(store: Store, state: str, locks: bool) -> None:
    store.under = set() if locks else None
    store.add(HOLD, INCIDENT.to_bytes())
    before = contents(store)
    planned = hold([store], check_mode=True, state=state)
    assert contents(store) == before
    assert store.requests.keys() <= {"list", "read", "legal_hold"}
    done = hold([store], state=state)
    for part in ("changed", "id", "copies", "diff"):
        assert planned[part] == done[part]
    assert planned["summary"][0].startswith(f"shop: {SET_ID} would be {state}")


STARTS = {
    "nothing": {},
    "released": {RELEASED: LET_GO},
    "held": {HOLD: INCIDENT},
    "held for a while": {HOLD: AUDIT},
    "held and released": {HOLD: INCIDENT, RELEASED: LET_GO},
    "an exchange began": {HOLD: INCIDENT, NEXT: AUDIT},
    "an exchange to an endless one began": {HOLD: AUDIT, NEXT: INCIDENT},
    "an exchange lost its first": {NEXT: INCIDENT},
    "a hold that is over, and one that is not": {HOLD: OVER, NEXT: INCIDENT},
    "unreadable": {HOLD: None},
    "unreadable beside one that holds": {HOLD: None, NEXT: INCIDENT},
    "one that holds beside an unreadable one": {HOLD: INCIDENT, NEXT: None},
    "an unreadable release": {HOLD: INCIDENT, RELEASED: None},
}
WANTED = {
    "the same": {"reason": "INC-1"},
    "another": {"reason": "INC-2"},
    "a shorter one": {"reason": "INC-1", "until": "2026-11-25"},
    "none": {"state": "released", "reason": "closed"},
}


def started(start: str, *, locks: bool) -> Store:
    store = Store(locks=locks)
    fill(store, small_manifest())
    for key, record in STARTS[start].items():
        store.add(key, b"{" if record is None else record.to_bytes())
    if store.under is not None:
        store.under = set(store.objects)
    return store


def states_when_killed(start: str, wanted: dict[str, Any], *, locks: bool) -> Iterator[Store]:
    """The store after a run that was killed before its first call, its second ... and after one that was not."""
    for calls in range(1000):
        store = started(start, locks=locks)
        store.calls = calls
        try:
            hold([store], **wanted)
        except Killed:
            store.calls = None
            yield store
            continue
        store.calls = None
        yield store
        return
    raise AssertionError("it never ends")


@pytest.mark.sampled(36)
@pytest.mark.parametrize("locks", [False, True], ids=["plain", "locks"])
@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("start", STARTS)
def test_killed_anywhere_a_set_that_was_held_is_held_and_running_again_finishes(
    start: str, wanted: str, locks: bool
) -> None:
    options = WANTED[wanted]
    was_held = is_held(started(start, locks=locks))
    goal = request(**options)
    outcomes = list(states_when_killed(start, options, locks=locks))
    assert len(outcomes) > 1
    for store in outcomes:
        if was_held and goal.held:
            assert is_held(store)
        if was_held and not goal.held:
            assert is_held(store) or RELEASED in store.objects
        hold([store], **options)
        found = records(store)
        assert list(found) == (["hold.json"] if goal.held else ["released.json"])
        assert hold([store], **options)["changed"] is False
        now = held(store)
        assert (now and (now.reason, now.until)) == ((goal.reason, goal.until) if goal.held else None)
        if locks:
            assert store.under == (set(store.objects) if goal.held else set())


@pytest.mark.sampled(14)
@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("start", ["nothing", "released", "held", "held and released", "an exchange began"])
@pytest.mark.parametrize("left", [(), ("hold.json.sig", "hold.next.json.sig", "released.json.sig")])
def test_killed_anywhere_what_was_signed_is_never_there_without_its_signature(
    start: str, wanted: str, left: tuple[str, ...]
) -> None:
    """Also where an earlier run has left signatures alone."""
    key, options = SigningKey.generate(), WANTED[wanted]
    for calls in range(1000):
        store = started(start, locks=False)
        for name in left:
            store.add(f"{PLACE}/{name}", b"of another one")
        unsigned = records(store)
        store.calls = calls
        killed = False
        try:
            hold([store], key=key, **options)
        except Killed:
            killed = True
        store.calls = None
        for name, data in records(store).items():
            if unsigned.get(name) != data:
                assert key.verify_key.fits(data, store.objects[f"{PLACE}/{name}.sig"][0])
        hold([store], key=key, **options)
        (name,) = ["hold.json" if request(**options).held else "released.json"]
        assert sorted(contents(store)) == sorted([f"{PLACE}/{one}" for one in ("manifest.json", name, f"{name}.sig")])
        assert key.verify_key.fits(*(store.objects[f"{PLACE}/{one}"][0] for one in (name, f"{name}.sig")))
        assert hold([store], key=key, **options)["changed"] is False
        if not killed:
            break


def test_a_release_from_before_the_hold_and_one_of_the_future_are_written_anew(store: Store) -> None:
    for days in (-10, 1):
        late = dataclasses.replace(LET_GO, released_at=NOW + timedelta(days=days))
        store.add(RELEASED, late.to_bytes())
        store.add(HOLD, INCIDENT.to_bytes())
        assert hold([store], state="released", reason="closed")["changed"] is True
        assert Release.parse(store.objects[RELEASED][0]).released_at == NOW


def test_a_hold_from_before_a_release_is_placed_anew_so_that_no_copy_of_the_release_counts_later(store: Store) -> None:
    store.add(HOLD, dataclasses.replace(INCIDENT, reason="audit").to_bytes())
    store.add(RELEASED, LET_GO.to_bytes())
    assert hold([store])["changed"] is True
    assert Hold.parse(store.objects[HOLD][0]).held_at == NOW
    assert list(records(store)) == ["hold.json"]


def test_keys_that_do_not_go_together_are_told(store: Store) -> None:
    key = SigningKey.generate()

    def warnings(signing: SigningKey | None) -> list[str]:
        keys = RecordKeys([key.verify_key], signing)
        found: list[str] = hold_in([store], request(), (), True, keys)["warnings"]
        return found

    assert "no record_signing_key" in warnings(None)[0]
    assert "belongs to no record_verify_key" in warnings(SigningKey.generate())[0]
    assert warnings(key) == []


@pytest.mark.parametrize("failing", ["put", "list", "read", "delete"])
def test_a_location_that_fails_is_named_the_others_are_done_and_running_again_finishes(failing: str) -> None:
    stores = [Store("a"), Store("b"), Store("c")]
    for one in stores:
        fill(one, small_manifest())
        one.add(HOLD, INCIDENT.to_bytes())
    stores[1].failing = {failing}
    with pytest.raises(
        LocationsFailed, match=r"1 of 3 locations failed: .*'b'.*run it again with backup: weekly_"
    ) as got:
        hold(stores)
    told = got.value.report
    assert [one["state"] for one in told["copies"]] == ["held", "failed", "held"]
    assert "out of order" in told["copies"][1]["error"]
    assert told["summary"][2].startswith("b: failed: ")
    for one in (stores[0], stores[2]):
        assert [*records(one)] == ["hold.json"]
    stores[1].failing = set()
    assert held(stores[1]) is not None
    assert hold(stores)["changed"] is True
    assert [one.reason for one in map(held, stores) if one] == ["audit", "audit", "audit"]


def test_a_failure_before_anything_was_done_is_no_change(store: Store) -> None:
    hold([store])
    down = Store("down")
    down.failing = {"all"}
    with pytest.raises(LocationsFailed) as got:
        hold([store, down])
    assert got.value.report["changed"] is False


def test_a_set_that_goes_while_it_is_being_held_is_an_error(store: Store) -> None:
    def pruned() -> None:
        if HOLD in store.objects:
            store.objects.pop(f"{PLACE}/manifest.json", None)

    store.watch = pruned
    with pytest.raises(LocationsFailed, match="was deleted while it was being held"):
        hold([store])


def test_an_unreadable_hold_gives_way_with_a_warning(store: Store) -> None:
    store.add(HOLD, b"{")
    result = hold([store])
    assert result["warnings"] == ["location 'store': hold.json could not be read and is replaced"]
    assert held(store) is not None


def test_a_hold_of_another_set_holds_nothing_and_gives_way(store: Store) -> None:
    stray = Hold(id=SetId.parse("daily_20261101_000000"), label="shop", held_at=NOW, reason="audit")
    store.add(HOLD, stray.to_bytes())
    assert hold([store])["changed"] is True
    found = held(store)
    assert found is not None
    assert found.id == SET_ID


def test_a_damaged_copy_is_held_too_and_told(store: Store) -> None:
    whole = Store("damaged")
    fill(whole)
    del whole.objects[f"{PLACE}/globals_20261122_0000.sql.age"]
    result = hold([store, whole])
    assert HOLD in whole.objects
    assert result["summary"][2] == "damaged: held (this copy is damaged: globals_20261122_0000.sql.age is missing)"


def test_latest_is_the_newest_set_of_which_any_location_has_a_good_copy(store: Store) -> None:
    newer, newest = make_manifest("daily_20261123_010000"), make_manifest("daily_20261124_010000")
    other = Store("other")
    fill(other, newer)
    for one in (store, other):
        one.add(f"{newest.id.directory('shop')}/manifest.json", newest.to_bytes())
    store.add(f"{SetId.parse('daily_20261124_020000').directory('shop')}/backup.dump.age", b"x")
    result = hold([store, other], backup="latest")
    assert result["id"] == "daily_20261123_010000"
    assert result["warnings"] == [
        "daily_20261124_010000 is newer than daily_20261123_010000, and no good copy of it is known"
    ]
    assert [one["state"] for one in result["copies"]] == ["missing", "held"]


def test_a_set_whose_copies_have_different_manifests_is_not_the_latest(store: Store) -> None:
    other, one = Store("other"), small_manifest("daily_20261123_010000")
    fill(store, one)
    fill(other, dataclasses.replace(one, environment="staging"))
    fill(other, small_manifest())
    result = hold([store, other], backup="latest")
    assert result["id"] == str(SET_ID)
    assert result["warnings"] == [f"daily_20261123_010000 is newer than {SET_ID}, and no good copy of it is known"]


def test_latest_with_a_location_that_is_down_holds_what_is_known_and_fails_naming_it(store: Store) -> None:
    down = Store("down")
    down.failing = {"all"}
    with pytest.raises(LocationsFailed, match=f"'down'.*backup: {SET_ID}"):
        hold([store, down], backup="latest")
    assert held(store) is not None


def test_with_a_verify_key_latest_is_a_signed_set(store: Store) -> None:
    key = SigningKey.generate()
    signed = small_manifest("weekly_20261115_000000")
    fill(store, signed)
    store.add(f"{signed.id.directory('shop')}/manifest.json.sig", key.sign(signed.to_bytes()))
    assert hold_in([store], request(backup="latest"), [key.verify_key], False)["id"] == str(signed.id)


@pytest.mark.parametrize("state", ["held", "released"])
def test_an_id_that_is_nowhere_is_refused_naming_the_nearest_and_nothing_changes(store: Store, state: str) -> None:
    for day in ("01", "14", "15", "29"):
        fill(store, small_manifest(f"weekly_202611{day}_000000"))
    before = contents(store)
    with pytest.raises(ConfigError) as got:
        hold([store, Store("empty")], backup="weekly_20261123_000000", state=state)
    assert got.value.message == "the backup weekly_20261123_000000 of 'shop' is in none of the locations"
    assert got.value.hint == "the nearest: weekly_20261122_000000, weekly_20261129_000000, weekly_20261115_000000"
    assert contents(store) == before


def test_an_id_that_is_nowhere_says_so_of_locations_that_could_not_be_asked(store: Store) -> None:
    down = Store("down")
    down.failing = {"all"}
    with pytest.raises(ConfigError, match=r"in none of the locations; could not be asked: .*'down'.*nearest"):
        hold([store, down], backup="weekly_20261123_000000")


@pytest.mark.parametrize("backup", ["latest", "weekly_20261123_000000"])
def test_of_a_label_without_sets_nothing_can_be_held(backup: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no (good )?backup of 'shop'"):
        hold([Store()], backup=backup)


def test_what_was_never_finished_is_refused_by_that_name(store: Store) -> None:
    del store.objects[f"{PLACE}/manifest.json"]
    store.add(f"{PLACE}/backup.dump.age", b"x")
    with pytest.raises(ConfigError, match="was never finished: it has no manifest in 'store'"):
        hold([store])
    assert records(store) == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"reason": " \n"}, "the reason is empty"),
        ({"until": "2026-11-24"}, "is past: it is 2026-11-24T09:12:00Z now"),
        ({"until": "2026-11-24T09:12:00Z"}, "is past"),
        ({"until": "2026-11-24T10:00:00+01:00"}, "is past"),
        ({"until": ""}, "is no time"),
        ({"until": "tomorrow"}, "is no time"),
        ({"until": "2027-02-30"}, "is no time"),
        ({"until": "2027-01-31T18:00:00"}, "a time with its zone"),
        ({"until": "2027-01-31T25:00:00Z"}, "is no time"),
        ({"until": "9999-12-31T23:59:59-01:00"}, "is no time"),
        ({"until": "20270131"}, "is no time"),
        ({"until": "\uff12027-01-31"}, "is no time"),
        ({"until": "2027-01-31", "state": "released"}, "only a hold has an end"),
        ({"backup": "weekly"}, "is not the id of a backup"),
        ({"backup": "hourly_20261122_000000"}, "is not the id of a backup"),
        ({"backup": "../weekly_20261122_000000"}, "is not the id of a backup"),
        ({"label": "../shop"}, "not usable as a name"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        request(**options)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2027-01-31", 0),
        ("2027-01-31T18:00:00Z", 18),
        ("2027-01-31t18:00:00z", 18),
        ("2027-01-31 18:00:00+00:00", 18),
        ("2027-01-31T18:00:00.000+02:00", 16),
    ],
)
def test_an_end_is_a_day_or_a_time_with_its_zone(text: str, hour: int) -> None:
    assert parse_until(text, NOW) == datetime(2027, 1, 31, hour, tzinfo=timezone.utc)


def test_where_the_store_has_legal_holds_every_object_is_under_one_until_the_release() -> None:
    store = Store(locks=True)
    fill(store)
    result = hold([store])
    assert store.under == set(store.objects)
    assert result["copies"][0]["legal_hold"] is True
    assert result["summary"][1] == "store: held, 5 objects put under a legal hold"
    assert hold([store])["changed"] is False
    result = hold([store], state="released")
    assert store.under == set()
    assert result["copies"][0]["legal_hold"] is False


def test_a_legal_hold_that_is_denied_leaves_the_hold_with_a_warning() -> None:
    store = Store(locks=True)
    fill(store, small_manifest())
    store.denied = True
    result = hold([store])
    assert held(store) is not None
    assert (result["changed"], result["copies"][0]["legal_hold"]) == (True, False)
    assert len(result["warnings"]) == 1
    assert "no legal hold beside the hold" in result["warnings"][0]
    assert hold([store])["changed"] is False


def test_a_release_that_may_not_end_the_legal_holds_fails_and_the_set_is_held_still() -> None:
    store = Store(locks=True)
    fill(store, small_manifest())
    hold([store])
    store.denied = True
    with pytest.raises(BackupError, match="access is denied"):
        hold([store], state="released")
    assert held(store) is not None
