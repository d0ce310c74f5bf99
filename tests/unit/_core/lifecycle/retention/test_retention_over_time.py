"""Promises of plans carried out again and again while time passes and sets come: what is owed is there to its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import (
    Candidate,
    Policy,
    plan_retention,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.retention_histories import BEGIN, HOUR, candidates, policies

SERVERS = {"monthly": ("weekly", "monthly"), "yearly": ("weekly", "monthly", "yearly")}
PATTERNS = {"monthly": "%Y-%m", "yearly": "%Y"}
# Between two runs: hours to years; and how far a clock may be wrong when a set is named.
PAUSES = st.sampled_from([1, 24, 168, 168, 168, 336, 720, 2160, 9000, 20_000])
SKEWS = st.sampled_from([0, 0, 0, 0, -1, -30, -400, 30, 400])


@dataclass
class Label:
    """A label's sets, and which of them were told to serve as a month's or a year's one."""

    policy: Policy
    sets: dict[SetId, Candidate] = field(default_factory=dict)
    serving: set[tuple[str, SetId]] = field(default_factory=set)

    def arrive(self, one: Candidate) -> None:
        """A new set; one that is named earlier than that of its month takes its place."""
        if one.id in self.sets:
            return
        self.sets[one.id] = one
        for name, kinds in SERVERS.items():
            if one.good and one.id.kind in kinds:
                self.serving = {
                    (served, other)
                    for served, other in self.serving
                    if (served, self.place(name, other)) != (name, self.place(name, one.id)) or other < one.id
                }

    def damage(self, set_id: SetId) -> None:
        """The set is good no longer, and nobody is owed it."""
        self.sets[set_id] = replace(self.sets[set_id], good=False)
        self.serving = {(name, other) for name, other in self.serving if other != set_id}

    def prune(self, now: datetime) -> None:
        """Plan and carry out; check that whatever served goes on to do so until its end, and not beyond."""
        plan = plan_retention(self.sets.values(), self.policy, now)
        told = {(name, one.id) for one in plan if one.keep for name in one.classes}
        for name, set_id in self.serving:
            if now < self.policy.classes[name].after(set_id.time):
                event(f"a {name} set was still owed")
                assert (name, set_id) in told, f"{set_id} served as {name} and was lost at {now}"
        for one in plan:
            if not one.keep:
                assert all(now >= self.policy.classes[name].after(one.id.time) for name in one.classes)
                del self.sets[one.id]
        self.serving = told

    @staticmethod
    def place(name: str, set_id: SetId) -> str:
        """The month or the year."""
        return set_id.time.strftime(PATTERNS[name])


@settings(max_examples=examples(20))
@given(st.data(), policies())
def test_what_serves_as_a_months_or_a_years_set_is_there_until_its_end(data: st.DataObject, policy: Policy) -> None:
    label, now = Label(policy), BEGIN
    for pause in data.draw(st.lists(PAUSES, min_size=1, max_size=25)):
        now += pause * HOUR
        for skew in data.draw(st.lists(SKEWS, max_size=3)):
            label.arrive(data.draw(candidates(now + skew * HOUR)))
        if label.sets and data.draw(st.integers(0, 9)) == 0:
            label.damage(data.draw(st.sampled_from(sorted(label.sets))))
        label.prune(now)


@settings(max_examples=examples(10))
@given(st.lists(st.booleans(), min_size=60, max_size=160), st.integers(1, 20))
def test_rare_and_frequent_runs_leave_the_same_weekly_sets(fine: list[bool], every: int) -> None:
    """Some weeks fail. The guards need not be looked at: the last sets are young."""
    policy = Policy.parse(None)
    often: dict[SetId, Candidate] = {}
    rarely: dict[SetId, Candidate] = {}
    now = BEGIN
    for week, good in enumerate([*fine, True], start=1):
        now = BEGIN + week * 168 * HOUR
        one = Candidate(SetId(now, "weekly"), good=good)
        for number, sets in ((1, often), (every, rarely)):
            sets[one.id] = one
            if week % number == 0:
                carry_out(sets, policy, now)
    carry_out(rarely, policy, now)
    assert rarely == often


def carry_out(sets: dict[SetId, Candidate], policy: Policy, now: datetime) -> None:
    """Take away what a plan lets go."""
    for decision in plan_retention(sets.values(), policy, now):
        if not decision.keep:
            del sets[decision.id]
