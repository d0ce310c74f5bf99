"""Which steps hold or release one copy of a set, so that a run that is killed between any two can be run again.

Objects are never overwritten, so a hold takes another one's place by steps. The set is never without a hold between
them: a hold counts under either of two names, and one is removed only while another one lies there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ...backupset.naming import HOLD, HOLDS, MANIFEST, MARK, NEXT_HOLD, RELEASE, signature_of
from ...backupset.record_trust import SKEW
from ...backupset.set_records import Hold, Release, last_to_end
from ...backupset.signing import SigningKey

_NEVER = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Standing:
    """The manifest and records of one copy of a set.

    :param names: of all its objects.
    :param holds: by name; None for one that cannot be read.
    :param release: None where there is none or it cannot be read.
    :param legal: the names of the objects under a legal hold; None where the store has none.
    :param vouched: the names of the records that a key for records vouches for.
    """

    names: frozenset[str]
    holds: Mapping[str, Hold | None] = field(default_factory=dict)
    release: Release | None = None
    legal: frozenset[str] | None = None
    vouched: frozenset[str] = frozenset()

    @property
    def is_set(self) -> bool:
        """Whether the copy is complete, which means that it has a manifest."""
        return MANIFEST in self.names

    @property
    def hold(self) -> Hold | None:
        """The hold that is in force; None if there is none."""
        return last_to_end(hold for hold in self.holds.values() if hold is not None)


@dataclass(frozen=True)
class Step:
    """One request that changes the copy.

    :param action: ``put``, ``delete``, ``legal_on`` or ``legal_off``.
    :param name: of the object in the set's directory.
    :param data: of a new object.
    """

    action: str
    name: str
    data: bytes = b""


def plan_hold(standing: Standing, hold: Hold, key: SigningKey | None = None) -> tuple[Step, ...]:
    """What makes *hold* the only one of a copy; nothing where it is.

    :param key: that signs it; None writes it unsigned.
    """
    plan = _Plan(standing, key)
    _place(plan, standing, hold)
    if standing.legal is not None:
        passing = {name for place in (NEXT_HOLD, RELEASE) for name in (place, signature_of(place))}
        there = {name for name in plan.names - passing if not name.startswith(MARK)}
        plan.steps += [Step("legal_on", name) for name in sorted(there - plan.legal)]
    # Last, as only now the hold keeps the set.
    plan.remove(RELEASE)
    return tuple(plan.steps)


def _place(plan: _Plan, standing: Standing, hold: Hold) -> None:
    data = hold.to_bytes()
    let_go = _NEVER if standing.release is None else standing.release.released_at
    there = {name: plan.proves(name) and _says(found, hold, let_go) for name, found in standing.holds.items()}
    place = next((name for name in HOLDS if there.get(name)), None)
    if place is None:
        if len(there) == len(HOLDS):
            # The other one, which ends later, goes on holding.
            first = min(there, key=lambda name: _end(standing.holds[name]))
            plan.remove(first)
            del there[first]
        place = NEXT_HOLD if HOLD in there else HOLD
        plan.put(place, data)
    for name in HOLDS:
        if name != place:
            plan.remove(name)
    if place == NEXT_HOLD:
        plan.put(HOLD, data)
        plan.remove(NEXT_HOLD)


def plan_release(standing: Standing, release: Release, key: SigningKey | None = None) -> tuple[Step, ...]:
    """What lets a copy go; nothing where it is released and not held.

    The hold goes last: until then the set is held as before. Of what is no set any more only holds go.

    :param key: that signs it; None writes it unsigned.
    """
    plan = _Plan(standing, key)
    if standing.is_set and not (plan.proves(RELEASE) and _lets_go(standing, release)):
        plan.remove(RELEASE)
        plan.put(RELEASE, release.to_bytes())
    plan.steps += [Step("legal_off", name) for name in sorted(plan.legal)]
    plan.legal.clear()
    for name in HOLDS:
        plan.remove(name)
    return tuple(plan.steps)


class _Plan:
    """The steps so far, and the objects that exist once they are done.

    A record is never there without its signature: that comes first and goes last.
    """

    def __init__(self, standing: Standing, key: SigningKey | None) -> None:
        self.names = set(standing.names)
        self.legal = set(standing.legal or ())
        self.steps: list[Step] = []
        self._vouched = standing.vouched
        self._key = key

    def proves(self, name: str) -> bool:
        """Whether the record that is there is as good as one that would be written."""
        return self._key is None or name in self._vouched

    def put(self, name: str, data: bytes) -> None:
        """Add the steps that write a record."""
        signature = signature_of(name)
        self._delete(signature)
        if self._key is not None:
            self._write(signature, self._key.sign(data))
        self._write(name, data)

    def remove(self, name: str) -> None:
        """Add the steps that remove a record, or the rest of one."""
        self._delete(name)
        self._delete(signature_of(name))

    def _write(self, name: str, data: bytes) -> None:
        self.steps.append(Step("put", name, data))
        self.names.add(name)

    def _delete(self, name: str) -> None:
        if name not in self.names:
            return
        # A deleted object's older version would stay under its legal hold for ever.
        if name in self.legal:
            self.steps.append(Step("legal_off", name))
            self.legal.discard(name)
        self.steps.append(Step("delete", name))
        self.names.discard(name)


def _lets_go(standing: Standing, wanted: Release) -> bool:
    """Whether the release that is there counts: it can be read, is not of the future, and no hold came after it."""
    found = standing.release
    if found is None or found.released_at > wanted.released_at + SKEW:
        return False
    return all(hold is None or hold.held_at < found.released_at for hold in standing.holds.values())


def _says(found: Hold | None, wanted: Hold, let_go: datetime) -> bool:
    """Whether a hold is as good as the wanted one; it is not where a release came after it, which it does not undo."""
    if found is None or found.held_at <= let_go:
        return False
    return (found.reason, found.until) == (wanted.reason, wanted.until)


def _end(hold: Hold | None) -> datetime:
    """When a hold ends; one that cannot be read holds nothing."""
    if hold is None:
        return _NEVER
    return hold.until or datetime.max.replace(tzinfo=timezone.utc)
