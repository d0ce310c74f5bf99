"""Which sets of a label stay and which go: sets, policy and time in, a decision with its reason for each out.

Nothing here reads a clock or a store. What was decided can be decided again: among the sets that stay, the same plan
says the same of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ...backupset.naming import EXPORT, SetId
from .policy import SERVED_BY, Policy

_PLACES = {"monthly": "%Y-%m", "yearly": "%Y"}


@dataclass(frozen=True)
class Candidate:
    """A set of one label, with what retention has to know of it.

    :param good: at least one copy is whole.
    :param verified: the locations for which a restore drill of it has passed. They guard separately, as no location may
        take another one's newest verified set away by saying that a newer one has passed.
    :param held: why it is held; None if it is not, or not any more.
    :param released: whether somebody released it; of no account where its kind has a period.
    """

    id: SetId
    good: bool = True
    verified: frozenset[str] = frozenset()
    held: str | None = None
    released: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether one set is kept or deleted, with the reason.

    :param rule: what decided. It stays as it is ``held``; of the ``future``; kept ``until_released``; the ``yearly``
        or the ``monthly`` one; within the ``period`` of its kind; the ``newest_good`` or the ``newest_verified`` one;
        or, as a clean-up finds out, ``locked`` by the stores.
        It goes as it is ``released`` or ``expired``.
    :param reason: the same in words.
    :param classes: ``monthly``, ``yearly``: what it serves as, however long that has lasted.
    :param expires: when it goes by the policy alone; None where no time decides that.
    """

    id: SetId
    keep: bool
    rule: str
    reason: str
    classes: tuple[str, ...] = ()
    expires: datetime | None = None


def plan_retention(candidates: Iterable[Candidate], policy: Policy, now: datetime) -> tuple[Decision, ...]:
    """A decision for each set of one label, the oldest first.

    The newest good set and the newest verified one stay whatever the policy says, and so does what is held. Of the
    good sets that can serve as a month's or a year's, the first one does.

    Whoever carries the plan out takes the newest first: then a run that is killed between any two leaves the first
    set of a month where it was, and no later one takes its place.

    :param candidates: every set that there is; a set left out may cost another one its place.
    :param now: UTC.
    """
    ordered = sorted(candidates, key=lambda one: one.id)
    if len({one.id for one in ordered}) != len(ordered):
        raise ValueError("a set was given twice")
    decisions = _decide_all(ordered, policy, now)
    staying = {decision.id for decision in decisions if decision.keep}
    if len(staying) == len(ordered):
        return tuple(decisions)
    # Where the set of a month goes, the next that stays takes its place, as the next run would say.
    remaining = _decide_all([one for one in ordered if one.id in staying], policy, now)
    decisions_by_id = {decision.id: decision for decision in remaining}
    return tuple(decisions_by_id.get(decision.id, decision) for decision in decisions)


def _decide_all(ordered: list[Candidate], policy: Policy, now: datetime) -> list[Decision]:
    classes = _serving(ordered, policy)
    guards = _guards(ordered, now)
    decisions = [_decide(one, classes.get(one.id, ()), policy, now) for one in ordered]
    return [_guarded(decision, guards) for decision in decisions]


def _serving(ordered: Iterable[Candidate], policy: Policy) -> dict[SetId, tuple[str, ...]]:
    """Set -> the months and years of which it is the representative."""
    first: dict[tuple[str, str], SetId] = {}
    for one in ordered:
        for name in policy.classes:
            if one.good and one.id.kind in SERVED_BY[name]:
                first.setdefault((name, one.id.time.strftime(_PLACES[name])), one.id)
    found: dict[SetId, tuple[str, ...]] = {}
    for (name, _place), set_id in first.items():
        found[set_id] = (*found.get(set_id, ()), name)
    return found


def _decide(one: Candidate, classes: tuple[str, ...], policy: Policy, now: datetime) -> Decision:
    """By the policy alone, without a look at the other sets."""
    time, kind = one.id.time, one.id.kind
    period = policy.periods[kind]
    ends = {name: policy.classes[name].after(time) for name in classes}
    if period is not None:
        ends["period"] = period.after(time)
    open_end = period is None and not one.released
    expires = None if open_end else max(ends.values(), default=None)

    def decision(keep: bool, rule: str, reason: str) -> Decision:
        return Decision(one.id, keep, rule, reason, classes, expires)

    if one.held is not None:
        return decision(True, "held", f"held: {one.held}")
    if time > now:
        return decision(True, "future", f"it is of {time:%Y-%m-%d %H:%M} UTC, which is in the future")
    if open_end:
        return decision(True, "until_released", f"{kind} sets stay until they are released")
    if expires is None:
        return decision(False, "released", "it was released")
    rule = max(ends, key=lambda name: ends[name])
    length, role = _lifetime(one, rule, policy)
    if expires > now:
        return decision(True, rule, f"kept for {length} as {role}, until {expires:%Y-%m-%d}")
    damaged = "" if one.good else ", and no copy of it is good"
    return decision(False, "expired", f"its {length} as {role} ended on {expires:%Y-%m-%d}{damaged}")


def _lifetime(one: Candidate, rule: str, policy: Policy) -> tuple[str, str]:
    """How long a set is kept by *rule*, and as what."""
    kind = one.id.kind
    if rule != "period":
        return str(policy.classes[rule]), f"the {rule} set of {one.id.time.strftime(_PLACES[rule])}"
    # A policy's "monthly: 1y" is about the one set of a month; of a second one this must not be told.
    return str(policy.periods[kind]), "no more than a weekly set" if kind in SERVED_BY else _named(kind)


def _named(kind: str) -> str:
    return f"a {kind} set" if kind != EXPORT else "an export"


def _guards(ordered: Iterable[Candidate], now: datetime) -> Mapping[SetId, tuple[str, str]]:
    """The label's last line of defence: set -> rule, and what it is.

    A set that claims to be of the future stays anyway, and must not cost a real one its guard; nor must a set that
    was damaged after its drill, nor an export, which brings no database back.
    """
    past = [one for one in ordered if one.id.time <= now and one.id.is_backup]
    good = [one for one in past if one.good]
    newest: list[tuple[str, str, Candidate]] = []
    for name in sorted(frozenset[str]().union(*(one.verified for one in past))):
        for what, found in (("set", past), ("good set", good)):
            passed = [one for one in found if name in one.verified][-1:]
            newest += [("newest_verified", f"{what} that passed a restore drill", one) for one in passed]
    newest += [("newest_good", "good set", one) for one in good[-1:]]
    return {one.id: (rule, what) for rule, what, one in newest}


def _guarded(decision: Decision, guards: Mapping[SetId, tuple[str, str]]) -> Decision:
    """Take back what would cost the label its last line of defence."""
    if decision.keep or decision.id not in guards:
        return decision
    rule, what = guards[decision.id]
    reason = f"the newest {what} stays, although {decision.reason}"
    return replace(decision, keep=True, rule=rule, reason=reason)
