"""A hold and a clean-up that meet: whatever the order of their requests, a set that is told as held is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import MARK, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.request import HoldRequest
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import hold_in
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.incomplete import LocationsFailed
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.applying import Cleaned, clean
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.planning import PrunePlan, plan_prune
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import Policy
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.memory_location import LONG_AGO, MemoryLocation
from support.small_sets import small_set

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DUE, KEPT = (str(SetId(NOW - timedelta(days=days), "daily")) for days in (30, 1))
PLACE = SetId.parse(DUE).directory("shop")
FILES = set(small_set(DUE))


class Taken(BaseException):
    """The process that was at work here was killed."""


class Turns:
    """Lets two threads take one request at a time, in an order that was chosen before.

    :ivar order: whose request comes next, by name; when it is at its end, both may go on.
    :ivar killed: who is killed at its next turn.
    """

    def __init__(self, order: list[str], killed: str | None = None) -> None:
        self.order = order
        self.killed = killed
        self.ended: set[str] = set()
        self._changed = threading.Condition()

    def wait(self, who: str) -> Iterator[None]:
        """Around one request."""
        with self._changed:
            while self._next() not in (who, None):
                self._changed.wait()
            if not self.order and self.killed == who:
                raise Taken
            yield
            if self.order and self.order[0] == who:
                self.order.pop(0)
            self._changed.notify_all()

    def end(self, who: str) -> None:
        with self._changed:
            self.ended.add(who)
            self._changed.notify_all()

    def _next(self) -> str | None:
        while self.order and self.order[0] in self.ended:
            self.order.pop(0)
        return self.order[0] if self.order else None


class Shared(MemoryLocation):
    """One store as one of two processes sees it; what is written is of now."""

    def __init__(self, who: str, store: MemoryLocation, turns: Turns) -> None:
        super().__init__("store")
        self.objects = store.objects
        self.who = who
        self.turns = turns
        self.clock = datetime.now(timezone.utc)

    def turn(self, act: Callable[[], Any]) -> Any:
        found = None
        for _turn in self.turns.wait(self.who):
            found = act()
        return found

    def add(self, key: str, data: bytes = b"", modified: datetime = LONG_AGO) -> None:
        self.turn(lambda: super(Shared, self).add(key, data, modified))

    def list(self, prefix: str) -> Iterator[Any]:
        return iter(self.turn(lambda: list(super(Shared, self).list(prefix))))

    def stat(self, key: str) -> Any:
        return self.turn(lambda: super(Shared, self).stat(key))

    def read(self, key: str, **part: Any) -> Iterator[bytes]:
        return iter(self.turn(lambda: list(super(Shared, self).read(key, **part))))

    def delete(self, key: str) -> None:
        self.turn(lambda: super(Shared, self).delete(key))


def filled() -> MemoryLocation:
    store = MemoryLocation("store")
    for set_id in (DUE, KEPT):
        for name, data in small_set(set_id).items():
            store.add(f"{SetId.parse(set_id).directory('shop')}/{name}", data)
    return store


def planned(store: MemoryLocation) -> PrunePlan:
    catalogue = read_catalogue([store], "shop", cache_dir=None, leftovers=True)
    plan = plan_prune(catalogue, Policy.parse(None), datetime.now(timezone.utc), timedelta(days=1))
    assert [str(copy.id) for copy in plan.goes["store"]] == [DUE]
    return plan


def prune(location: MemoryLocation, plan: PrunePlan) -> Cleaned:
    return clean(location, "shop", plan.goes["store"], ())


def hold(location: MemoryLocation) -> dict[str, Any]:
    given = {"label": "shop", "backup": DUE, "state": "held", "reason": "audit", "until": None}
    found: dict[str, Any] = hold_in([location], HoldRequest.parse(given, NOW), (), False)
    return found


def names(store: MemoryLocation) -> set[str]:
    return {key.rpartition("/")[2] for key in store.objects if DUE in key}


def meet(store: MemoryLocation, order: list[str], killed: str | None = None) -> tuple[bool, str]:
    """Run both in that order of requests: whether the set was told as held, and why not."""
    turns = Turns(list(order), killed)
    plan = planned(store)
    told: dict[str, Any] = {}

    def work(who: str, act: Callable[[MemoryLocation], Any]) -> None:
        try:
            told[who] = act(Shared(who, store, turns))
        except (BackupError, Taken) as error:
            told[who] = error
        finally:
            turns.end(who)

    acts: dict[str, Callable[[MemoryLocation], Any]] = {"hold": hold, "prune": lambda one: prune(one, plan)}
    threads = [threading.Thread(target=work, args=item) for item in acts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = told["hold"]
    return isinstance(answer, dict), "" if isinstance(answer, dict) else str(answer)


ORDERS = st.lists(st.sampled_from(["hold", "prune"]), max_size=24)


@settings(max_examples=examples(50), deadline=None)
@given(ORDERS, st.sampled_from([None, None, "prune", "hold"]))
def test_a_set_that_was_told_as_held_is_there_and_whole(order: list[str], killed: str | None) -> None:
    store = filled()
    held, why = meet(store, order, killed)
    event(f"held: {held}, there: {'manifest.json' in names(store)}")
    if held:
        assert FILES | {"hold.json"} <= names(store)
    elif killed != "hold":
        assert "too late" in why or "in none of the locations" in why or "was never finished" in why
    # What one of them left ends with the next runs: held, or gone.
    again = read_catalogue([store], "shop", cache_dir=None).backups
    if held:
        prune(store, plan_prune_again(store))
        assert FILES | {"hold.json"} <= names(store)
        assert DUE in [str(one.id) for one in again]


def plan_prune_again(store: MemoryLocation) -> PrunePlan:
    catalogue = read_catalogue([store], "shop", cache_dir=None, leftovers=True)
    return plan_prune(catalogue, Policy.parse(None), datetime.now(timezone.utc), timedelta(days=1))


def test_a_hold_that_is_placed_while_the_deletion_of_the_manifest_is_slow_says_that_it_came_too_late() -> None:
    store = filled()
    told: list[str] = []

    class Slow(MemoryLocation):
        def delete(self, key: str) -> None:
            if key.endswith("/manifest.json"):
                told.append(failure(store))
            super().delete(key)

    slow = Slow("store")
    slow.objects, slow.clock = store.objects, datetime.now(timezone.utc)
    prune(slow, planned(store))
    assert "a clean-up is deleting" in told[0] and "the hold may have come too late" in told[0]
    assert names(store) == {"hold.json"}


def failure(store: MemoryLocation) -> str:
    with pytest.raises(LocationsFailed) as got:
        hold(store)
    return str(got.value)


def test_a_hold_that_a_clean_up_meets_when_it_looks_again_keeps_the_set_and_no_mark() -> None:
    store, plan = filled(), None
    plan = planned(store)
    assert hold(store)["copies"][0]["state"] == "held"
    cleaned = prune(store, plan)
    assert [str(set_id) for set_id in cleaned.changed] == [DUE]
    assert names(store) == FILES | {"hold.json"}


@pytest.mark.parametrize(("minutes", "held"), [(1, False), (59, False), (61, True)])
def test_the_mark_of_a_clean_up_that_was_killed_stands_in_the_way_for_an_hour(minutes: int, held: bool) -> None:
    store = filled()
    mark = f"{PLACE}/{MARK}0123456789abcdef"
    store.add(mark, b"{}", datetime.now(timezone.utc) - timedelta(minutes=minutes))
    if held:
        hold(store)
        assert names(store) == FILES | {"hold.json"}
        return
    for _again in range(2):
        with pytest.raises(LocationsFailed, match="run it again"):
            hold(store)
    # It keeps the set from every clean-up that begins now; only that one is not known.
    assert not plan_prune_again(store).goes["store"]


def test_the_mark_of_a_clean_up_that_was_killed_goes_with_the_set() -> None:
    store = filled()
    store.add(f"{PLACE}/{MARK}0123456789abcdef", b"{}")
    prune(store, planned(store))
    assert names(store) == set()
