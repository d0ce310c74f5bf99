"""Which steps hold or release one copy of a set, so that a run that is killed between any two can be run again.

Objects are never overwritten, so a hold takes another one's place by steps. The set is never without a hold between
them: a hold counts under either of two names, and one is removed only while another one lies there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ...backupset.naming import HOLD, HOLDS, MANIFEST, NEXT_HOLD, RELEASE
from ...backupset.set_records import Hold, Release, last_to_end

_NEVER = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Standing:
    """How one copy of a set stands.

    :param names: of all its objects.
    :param holds: by name; None for one that cannot be read.
    :param release: None where there is none or it cannot be read.
    :param legal: the names of the objects under a legal hold; None where the store has none.
    """

    names: frozenset[str]
    holds: Mapping[str, Hold | None] = field(default_factory=dict)
    release: Release | None = None
    legal: frozenset[str] | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is a whole set: it has its manifest."""
        return MANIFEST in self.names

    @property
    def hold(self) -> Hold | None:
        """The one that counts."""
        return last_to_end(hold for hold in self.holds.values() if hold is not None)


@dataclass(frozen=True)
class Step:
    """One request.

    :param action: ``put``, ``delete``, ``legal_on`` or ``legal_off``.
    :param name: of the object in the set's directory.
    :param data: of a new object.
    """

    action: str
    name: str
    data: bytes = b""


def plan_hold(standing: Standing, hold: Hold) -> tuple[Step, ...]:
    """What makes *hold* the only one of a copy; nothing where it is."""
    steps = list(_placing(standing, hold))
    if standing.legal is not None:
        there = (standing.names | {HOLD}) - {NEXT_HOLD, RELEASE}
        removed = {step.name for step in steps if step.action == "delete"}
        under = standing.legal - removed
        steps += [Step("legal_on", name) for name in sorted(there - under)]
    # Last, as only now the hold keeps the set.
    if RELEASE in standing.names:
        steps += _removing(standing, RELEASE)
    return tuple(steps)


def _placing(standing: Standing, hold: Hold) -> Iterator[Step]:
    data = hold.to_bytes()
    there = {name: _says(found, hold) for name, found in standing.holds.items()}
    place = next((name for name in HOLDS if there.get(name)), None)
    if place is None:
        if len(there) == len(HOLDS):
            # The other one, which ends later, goes on holding.
            first = min(there, key=lambda name: _end(standing.holds[name]))
            yield from _removing(standing, first)
            del there[first]
        place = NEXT_HOLD if HOLD in there else HOLD
        yield Step("put", place, data)
    for name in there:
        if name != place:
            yield from _removing(standing, name)
    if place == NEXT_HOLD:
        yield Step("put", HOLD, data)
        yield from _removing(standing, NEXT_HOLD)


def plan_release(standing: Standing, release: Release) -> tuple[Step, ...]:
    """What lets a copy go; nothing where it is released and not held.

    The hold goes last: until then the set is held as before. Of what is no set any more only holds go.
    """
    steps: list[Step] = []
    if standing.is_set and standing.release is None:
        if RELEASE in standing.names:
            steps += _removing(standing, RELEASE)
        steps.append(Step("put", RELEASE, release.to_bytes()))
    done = {step.name for step in steps if step.action == "legal_off"}
    steps += [Step("legal_off", name) for name in sorted((standing.legal or frozenset()) - done)]
    steps += [Step("delete", name) for name in HOLDS if name in standing.holds]
    return tuple(steps)


def _removing(standing: Standing, name: str) -> Iterator[Step]:
    # A deleted object's older version would stay under its legal hold for ever.
    if standing.legal is not None and name in standing.legal:
        yield Step("legal_off", name)
    yield Step("delete", name)


def _says(found: Hold | None, wanted: Hold) -> bool:
    return found is not None and (found.reason, found.until) == (wanted.reason, wanted.until)


def _end(hold: Hold | None) -> datetime:
    """When a hold ends; one that cannot be read holds nothing."""
    if hold is None:
        return _NEVER
    return hold.until or datetime.max.replace(tzinfo=timezone.utc)
