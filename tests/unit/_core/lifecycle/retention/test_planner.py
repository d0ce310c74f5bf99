"""Promises of the planner, for any history: against a model of its own, and each promise by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import (
    Candidate,
    Decision,
    Policy,
    plan_retention,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.retention_histories import HOUR, ids, situations

SERVERS = {"monthly": ("weekly", "monthly"), "yearly": ("weekly", "monthly", "yearly")}
STRONGEST = ("held", "future", "until_released", "yearly", "monthly", "period", "newest_good", "newest_verified")

Situation = tuple[list[Candidate], Policy, datetime]

HERE = frozenset({"here"})


def serves(one: Candidate, name: str, among: list[Candidate]) -> bool:
    """Whether *one* is its month's or year's: no earlier good set of such a kind is of the same one."""

    def place(other: Candidate) -> tuple[int, int]:
        return other.id.time.year, other.id.time.month if name == "monthly" else 0

    def can(other: Candidate) -> bool:
        return other.good and other.id.kind in SERVERS[name]

    return can(one) and not any(can(other) and place(other) == place(one) and other.id < one.id for other in among)


def grounds(one: Candidate, among: list[Candidate], policy: Policy, now: datetime) -> dict[str, datetime | None]:
    """Everything that keeps *one*, each with its end."""
    found: dict[str, datetime | None] = {}
    period = policy.periods[one.id.kind]
    if one.held is not None:
        found["held"] = None
    if one.id.time > now:
        found["future"] = None
    if period is None and not one.released:
        found["until_released"] = None
    if period is not None and now < period.after(one.id.time):
        found["period"] = period.after(one.id.time)
    for name, length in policy.classes.items():
        if serves(one, name, among) and now < length.after(one.id.time):
            found[name] = length.after(one.id.time)
    if one.id.time > now or not one.id.is_backup:
        return found
    others = [other for other in among if one.id < other.id <= SetId(now, "~") and other.id.is_backup]
    if one.good and not any(other.good for other in others):
        found["newest_good"] = None
    for place in one.verified:
        newest = not any(place in other.verified for other in others)
        newest_whole = one.good and not any(place in other.verified and other.good for other in others)
        if newest or newest_whole:
            found["newest_verified"] = None
    return found


def strongest(found: dict[str, datetime | None]) -> set[str]:
    """The rule that a decision must name; of those that end, one that ends last."""
    for rule in ("held", "future", "until_released"):
        if rule in found:
            return {rule}
    ends = {rule: end for rule, end in found.items() if end is not None}
    if ends:
        return {rule for rule, end in ends.items() if end == max(ends.values())}
    return {next(rule for rule in STRONGEST if rule in found)}


def kept(plan: tuple[Decision, ...], history: list[Candidate]) -> list[Candidate]:
    """What is left when the plan was carried out."""
    stays = {decision.id for decision in plan if decision.keep}
    return [one for one in history if one.id in stays]


@settings(max_examples=examples(100))
@given(situations())
def test_every_decision_is_that_of_the_model(situation: Situation) -> None:
    history, policy, now = situation
    remaining = [one for one in history if grounds(one, history, policy, now)]
    plan = plan_retention(history, policy, now)
    assert [decision.id for decision in plan] == sorted(ids(history))
    known = {one.id: one for one in history}
    for decision in plan:
        one = known[decision.id]
        event(decision.rule)
        if one not in remaining:
            assert not decision.keep
            released = one.released and policy.periods[one.id.kind] is None
            assert decision.rule == ("released" if released else "expired")
            continue
        assert decision.keep
        assert decision.rule in strongest(grounds(one, remaining, policy, now))
        assert set(decision.classes) == {name for name in policy.classes if serves(one, name, remaining)}
        ends = [policy.classes[name].after(one.id.time) for name in decision.classes]
        period = policy.periods[one.id.kind]
        ends += [period.after(one.id.time)] if period is not None else []
        open_end = (period is None and not one.released) or not ends
        assert decision.expires == (None if open_end else max(ends))


@settings(max_examples=examples(50))
@given(situations())
def test_the_newest_good_and_the_newest_verified_set_never_go(situation: Situation) -> None:
    history, policy, now = situation
    stays = ids(kept(plan_retention(history, policy, now), history))
    history = [one for one in history if one.id.is_backup]
    for found in (
        {one.id for one in history if one.good},
        *({one.id for one in history if place in one.verified} for place in "ab"),
        *({one.id for one in history if one.good and place in one.verified} for place in "ab"),
    ):
        for newest in (found, {set_id for set_id in found if set_id.time <= now}):
            assert not newest or max(newest) in stays


@settings(max_examples=examples(50))
@given(situations())
def test_a_held_set_never_goes(situation: Situation) -> None:
    history, policy, now = situation
    stays = ids(kept(plan_retention(history, policy, now), history))
    assert {one.id for one in history if one.held is not None} <= stays


@settings(max_examples=examples(50))
@given(situations())
def test_exactly_one_good_set_serves_as_each_month_and_year_that_has_one(situation: Situation) -> None:
    history, policy, now = situation
    known = {one.id: one for one in history}
    for name, length in policy.classes.items():
        pattern = "%Y-%m" if name == "monthly" else "%Y"
        fit = sorted(one.id for one in history if one.good and one.id.kind in SERVERS[name])
        first: dict[str, SetId] = {}
        for set_id in fit:
            first.setdefault(set_id.time.strftime(pattern), set_id)
        plan = [one for one in plan_retention(history, policy, now) if one.keep and name in one.classes]
        assert all(known[one.id].good and one.id.kind in SERVERS[name] for one in plan)
        serving = [one.id.time.strftime(pattern) for one in plan]
        assert len(serving) == len(set(serving))
        owed = {place: set_id for place, set_id in first.items() if now < length.after(set_id.time)}
        assert owed.items() <= {one.id.time.strftime(pattern): one.id for one in plan}.items()


@settings(max_examples=examples(50))
@given(situations())
def test_a_plan_made_again_after_it_was_carried_out_says_the_same_of_what_stays(situation: Situation) -> None:
    history, policy, now = situation
    plan = plan_retention(history, policy, now)
    again = plan_retention(kept(plan, history), policy, now)
    assert again == tuple(decision for decision in plan if decision.keep)


@settings(max_examples=examples(50))
@given(situations(), st.integers(0, 40))
def test_a_run_that_is_killed_between_two_sets_is_finished_by_the_next(situation: Situation, done: int) -> None:
    history, policy, now = situation
    plan = plan_retention(history, policy, now)
    going = sorted((decision.id for decision in plan if not decision.keep), reverse=True)
    left = [one for one in history if one.id not in going[:done]]
    assert ids(kept(plan_retention(left, policy, now), left)) == ids(kept(plan, history))


@settings(max_examples=examples(50))
@given(situations(), st.randoms())
def test_the_order_in_which_sets_are_given_is_of_no_account(situation: Situation, random: object) -> None:
    history, policy, now = situation
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert plan_retention(shuffled, policy, now) == plan_retention(history, policy, now)


@settings(max_examples=examples(50))
@given(situations())
def test_every_decision_tells_a_reason_of_its_own(situation: Situation) -> None:
    history, policy, now = situation
    for decision in plan_retention(history, policy, now):
        assert decision.rule in (*STRONGEST, "released", "expired")
        assert decision.keep == (decision.rule not in ("released", "expired"))
        assert decision.reason
        assert "None" not in decision.reason
        if decision.keep and decision.rule in ("yearly", "monthly", "period"):
            assert decision.reason.endswith(f", until {decision.expires:%Y-%m-%d}")


@settings(max_examples=examples(50))
@given(situations(), st.integers(0, 39))
def test_a_hold_costs_no_other_set_its_place(situation: Situation, number: int) -> None:
    history, policy, now = situation
    held = [replace(one, held="INC-8") if place == number else one for place, one in enumerate(history)]
    stays = ids(kept(plan_retention(history, policy, now), history))
    assert stays | ids(held[number : number + 1]) == ids(kept(plan_retention(held, policy, now), held))


def plan_one(kind: str, age: timedelta, **state: object) -> Decision:
    """The decision on one set of that age by the default policy, beside a newer one that takes the guards."""
    now = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
    one = Candidate(SetId(now - age, kind), **state)  # type: ignore[arg-type]
    newest = Candidate(SetId(now, "daily"), verified=HERE)
    return plan_retention([one, newest], Policy.parse(None), now)[0]


@pytest.mark.parametrize(
    ("kind", "days"),
    [("daily", 7), ("weekly", 90), ("monthly", 90), ("yearly", 90), ("pre_deploy", 30), ("pre_restore", 7)],
)
def test_a_set_goes_at_the_very_end_of_its_period_and_not_a_second_before(kind: str, days: int) -> None:
    last = timedelta(days=days)
    assert plan_one(kind, last - timedelta(seconds=1), good=False).keep
    assert not plan_one(kind, last, good=False).keep


@pytest.mark.parametrize("kind", ["pre_migration", "post_incident", "manual"])
def test_what_waits_for_its_release_goes_with_it_and_not_before(kind: str) -> None:
    assert plan_one(kind, timedelta(days=20_000)).rule == "until_released"
    released = plan_one(kind, timedelta(days=1), released=True)
    assert (released.keep, released.rule, released.reason) == (False, "released", "it was released")
    assert plan_one(kind, timedelta(days=1), released=True, held="INC-7").rule == "held"


@pytest.mark.parametrize(
    ("kind", "days", "state", "reason"),
    [
        ("daily", 3, {}, "kept for 7d as a daily set, until 2026-11-26"),
        ("daily", 8, {}, "its 7d as a daily set ended on 2026-11-21"),
        ("weekly", 100, {"good": False},
         "its 90d as a weekly set ended on 2026-11-12, and no copy of it is good"),
        ("weekly", 100, {}, "kept for 7y as the yearly set of 2026, until 2033-08-14"),
        ("yearly", 10, {"good": False}, "kept for 90d as no more than a weekly set, until 2027-02-10"),
        ("yearly", 2600, {}, "its 7y as the yearly set of 2019 ended on 2026-10-10"),
        ("daily", 400, {"held": "INC-7, until 2027-01-01 00:00 UTC"}, "held: INC-7, until 2027-01-01 00:00 UTC"),
        ("manual", 400, {}, "manual sets stay until they are released"),
        ("daily", -1, {}, "it is of 2026-11-23 12:00 UTC, which is in the future"),
    ],
)  # fmt: skip
def test_a_reason_tells_the_period_what_the_set_is_kept_as_and_its_end(
    kind: str, days: int, state: dict[str, object], reason: str
) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
    one = Candidate(SetId(now - timedelta(days=days), kind), **state)  # type: ignore[arg-type]
    newest = Candidate(SetId(now, "daily"), verified=HERE)
    plan = plan_retention([one, newest], Policy.parse(None), now)
    assert next(decision.reason for decision in plan if decision.id == one.id) == reason


def test_the_last_good_and_the_last_verified_set_stay_with_the_reason_why_they_would_go() -> None:
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    verified = Candidate(SetId.parse("daily_20260101_000000"), verified=HERE)
    damaged = Candidate(SetId.parse("daily_20260102_000000"), verified=HERE, good=False)
    good = Candidate(SetId.parse("daily_20260103_000000"))
    bad = Candidate(SetId.parse("daily_20260104_000000"), good=False)
    plan = plan_retention([verified, damaged, good, bad], Policy.parse(None), now)
    assert [(one.keep, one.rule, one.reason) for one in plan] == [
        (True, "newest_verified", "the newest good set that passed a restore drill stays, although its 7d as a daily "
         "set ended on 2026-01-08"),
        (True, "newest_verified", "the newest set that passed a restore drill stays, although its 7d as a daily set "
         "ended on 2026-01-09, and no copy of it is good"),
        (True, "newest_good", "the newest good set stays, although its 7d as a daily set ended on 2026-01-10"),
        (False, "expired", "its 7d as a daily set ended on 2026-01-11, and no copy of it is good"),
    ]  # fmt: skip


def test_a_set_that_claims_to_be_of_the_future_costs_no_real_one_its_guard() -> None:
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    real = Candidate(SetId.parse("daily_20260101_000000"), verified=HERE)
    claimed = Candidate(SetId.parse("daily_99991231_235959"), verified=HERE)
    assert [one.rule for one in plan_retention([real, claimed], Policy.parse(None), now)] == ["newest_good", "future"]


def test_an_export_costs_no_backup_its_guard_and_has_none() -> None:
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    backup = Candidate(SetId.parse("daily_20260101_000000"), verified=HERE)
    exports = [Candidate(SetId.parse(f"export_2026{month}01_000000"), verified=HERE) for month in ("02", "11")]
    plan = plan_retention([backup, *exports], Policy.parse(None), now)
    assert [one.rule for one in plan] == ["newest_good", "expired", "period"]
    assert plan[1].reason == "its 90d as an export ended on 2026-05-02"


def test_a_set_that_is_given_twice_is_an_error_of_the_caller() -> None:
    one = Candidate(SetId.parse("daily_20260101_000000"))
    with pytest.raises(ValueError, match="a set was given twice"):
        plan_retention([one, replace(one, good=False)], Policy.parse(None), one.id.time)


def test_no_sets_make_an_empty_plan() -> None:
    assert plan_retention([], Policy.parse(None), datetime(2026, 11, 22, tzinfo=timezone.utc)) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_decision(kind: str) -> None:
    assert plan_one(kind, HOUR).keep


def test_the_sets_of_one_label_decide_nothing_about_those_of_another() -> None:
    """Ids do not carry their label: what could mix them is one call for both."""
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    policy = Policy.parse(None)
    shop = [Candidate(SetId.parse("daily_20260101_000000"), verified=HERE)]
    blog = [Candidate(SetId.parse("daily_20261121_000000"), verified=HERE)]
    alone = plan_retention(shop, policy, now)
    assert [one.rule for one in alone] == ["newest_good"]
    plan_retention(blog, policy, now)
    assert plan_retention(shop, policy, now) == alone
    assert [one.rule for one in plan_retention([*shop, *blog], policy, now)] == ["expired", "period"]
