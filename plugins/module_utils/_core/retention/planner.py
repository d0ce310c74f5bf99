"""Which sets of a label stay and which go: sets, policy and time in, a decision with its reason for each out.

Nothing here reads a clock or a store. What was decided can be decided again: carrying a plan out changes no decision
about the sets that stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..naming import SetId
from .policy import SERVED_BY, Policy

_PLACES = {"monthly": "%Y-%m", "yearly": "%Y"}
RULES = (
    "held",
    "future",
    "until_released",
    "yearly",
    "monthly",
    "period",
    "newest_good",
    "newest_verified",
    "expired",
    "released",
)


@dataclass(frozen=True)
class Candidate:
    """A set of one label, as it is known from all of its copies.

    :param good: at least one copy is whole.
    :param verified: a restore drill of it has passed.
    :param held: why it is held; None if it is not, or not any more.
    :param released: whether somebody released it.
    """

    id: SetId
    good: bool = True
    verified: bool = False
    held: str | None = None
    released: bool = False


@dataclass(frozen=True)
class Decision:
    """What becomes of one set.

    :param rule: what decided, one of :data:`RULES`.
    :param reason: the same in words.
    :param classes: ``monthly``, ``yearly``: what it serves as.
    :param expires: when it goes by the policy alone; None while that is open.
    """

    id: SetId
    keep: bool
    rule: str
    reason: str
    classes: tuple[str, ...] = ()
    expires: datetime | None = None


def plan_retention(candidates: Iterable[Candidate], policy: Policy, now: datetime) -> tuple[Decision, ...]:
    """Decide on all sets of one label, oldest first.

    The newest good set and the newest verified one stay whatever the policy says, and so does what is held. Of the
    good sets that can serve as a month's or a year's, the first one does.

    :param candidates: every set that there is; a set left out may cost another one its place.
    :param now: UTC.
    """
    ordered = sorted(candidates, key=lambda one: one.id)
    if len({one.id for one in ordered}) != len(ordered):
        raise ValueError("a set was given twice")
    classes = _serving(ordered, policy)
    decisions = [_decide(one, classes.get(one.id, ()), policy, now) for one in ordered]
    return tuple(_guarded(ordered, decisions))


def _serving(ordered: Iterable[Candidate], policy: Policy) -> dict[SetId, tuple[str, ...]]:
    """Which sets serve as a month's or a year's."""
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
    ends: Mapping[str, datetime] = {name: policy.classes[name].after(time) for name in classes}
    period = policy.periods[kind]
    if period is not None:
        ends = {**ends, "period": period.after(time)}
    expires = None if period is None and not one.released else max(ends.values(), default=time)

    def decision(keep: bool, rule: str, reason: str) -> Decision:
        return Decision(one.id, keep, rule, reason, classes, expires)

    if one.held is not None:
        return decision(True, "held", f"held: {one.held}")
    if time > now:
        return decision(True, "future", f"it is of {time:%Y-%m-%d %H:%M} UTC, which is still to come")
    if expires is None:
        return decision(True, "until_released", f"{kind} sets stay until they are released")
    if expires > now:
        rule = max(ends, key=lambda name: ends[name])
        if rule == "period":
            return decision(True, rule, f"{kind} sets are kept for {period}, until {expires:%Y-%m-%d}")
        place = time.strftime(_PLACES[rule])
        return decision(
            True,
            rule,
            f"the first good set of {place}, kept as the {rule} one for {policy.classes[rule]}, "
            f"until {expires:%Y-%m-%d}",
        )
    if period is None:
        return decision(False, "released", "it was released")
    return decision(False, "expired", f"expired on {expires:%Y-%m-%d}")


def _guarded(ordered: list[Candidate], decisions: list[Decision]) -> Iterable[Decision]:
    """Take back what would cost the label its last line of defence."""
    good = max((one.id for one in ordered if one.good), default=None)
    verified = max((one.id for one in ordered if one.verified), default=None)
    for decision in decisions:
        if decision.keep or decision.id not in (good, verified):
            yield decision
            continue
        rule = "newest_good" if decision.id == good else "newest_verified"
        what = "good set" if decision.id == good else "set that was restored in a drill"
        yield Decision(
            decision.id,
            True,
            rule,
            f"the newest {what} of the label stays, although it {_in_the_past(decision)}",
            decision.classes,
            decision.expires,
        )


def _in_the_past(decision: Decision) -> str:
    return "was released" if decision.rule == "released" else decision.reason
