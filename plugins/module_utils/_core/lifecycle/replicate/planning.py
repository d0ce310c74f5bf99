"""Which sets lack a copy where, and which copies they can be made up for from: a pure function of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ...backupset.naming import SIGNATURE, SetId
from ...backupset.signing import VerifyKey
from ...catalogue.all_locations import Catalogue, KnownSet
from ...catalogue.index import SetCopy
from ...catalogue.reader import Summary
from ...catalogue.selector import LATEST, NEWEST
from ...catalogue.unfinished import DEFAULT_AGE
from ...errors import ConfigError
from ...locations.base import Location
from ..retention import Policy, plan_retention
from ..retention.candidates import candidate_of

ALL = "all"
STEP = "find the backups"
ENDING = timedelta(hours=1)
"""So long a backup may still be at work when its manifest is made: all locations have all other files by then, and what
follows has bounds of minutes."""


@dataclass(frozen=True)
class ReplicationRequest:
    """What was asked for.

    :param backup: ``all``, ``latest``, or the id of a set.
    :param since: with ``all``: leave out what was begun earlier.
    :param policy: with ``all``: leave out what it lets go. A set that is due and still lies somewhere, because it is
        the newest one there or the store protects it, would else come back to the locations that have deleted it.
    :param repair: whether a damaged copy is written again, too.
    :param verify_keys: with any, a copy that was not signed by one of them is no good copy.
    :param record_keys: that vouch for the releases and drills which travel with a set; with none, only holds do.
    """

    label: str
    backup: str = ALL
    since: datetime | None = None
    policy: Policy = field(default_factory=lambda: Policy.parse(None))
    repair: bool = False
    verify_keys: tuple[VerifyKey, ...] = ()
    record_keys: tuple[VerifyKey, ...] = ()


@dataclass(frozen=True)
class Target:
    """A location that is to get a copy of the set.

    :param repairs: whether there is a damaged copy, which is taken apart for it.
    :param size: bytes of the artifacts that a listing shows to be missing or wrong.
    """

    location: Location
    repairs: bool
    size: int


@dataclass(frozen=True)
class SetPlan:
    """The sources and targets of one set.

    :param sha256: of the manifest that all good copies have; "" where there is none.
    :param sources: who has a good copy, in the order in which they are asked.
    :param damaged: name of the location -> what is wrong with the copy there.
    :param waiting: locations with a part of the set, which a backup may still be writing.
    :param problem: why the set is copied nowhere.
    """

    id: SetId
    sha256: str = ""
    sources: tuple[Location, ...] = ()
    targets: tuple[Target, ...] = ()
    damaged: Mapping[str, str] | None = None
    waiting: tuple[str, ...] = ()
    problem: str | None = None

    def repairing(self, locations: Sequence[Location]) -> SetPlan:
        """The same for copies that turned out to be damaged while they were read."""
        targets = tuple(Target(location, True, 0) for location in locations)
        sources = tuple(source for source in self.sources if source not in locations)
        return replace(self, sources=sources, targets=targets)


def plan_replication(
    locations: Sequence[Location], catalogue: Catalogue, request: ReplicationRequest, now: datetime
) -> tuple[SetPlan, ...]:
    """What is to be done about every set that was asked for, the newest first; nothing is read or written.

    :param locations: those that *catalogue* is of; one that it has no index of is left out.
    :param now: UTC.
    :raises ConfigError: there is no such set.
    """
    places = {one.name: one for one in locations if one.name in catalogue.indexes}
    wanted = _wanted(catalogue, request, now)
    return tuple(_plan_set(known, places, request, now) for known in reversed(wanted))


def _wanted(catalogue: Catalogue, request: ReplicationRequest, now: datetime) -> Sequence[KnownSet]:
    if request.backup == ALL:
        decisions = plan_retention([candidate_of(known, now) for known in catalogue.finished], request.policy, now)
        staying = {decision.id for decision in decisions if decision.keep}
        recent = [one for one in catalogue.finished if request.since is None or one.id.time >= request.since]
        return [known for known in recent if known.id in staying]
    if request.backup == LATEST:
        return [known for known in catalogue.finished if NEWEST.may_select(known.id, now)][-1:]
    set_id = SetId.parse(request.backup)
    found = [known for known in catalogue.finished if known.id == set_id]
    if not found:
        raise ConfigError(STEP, f"no location has the backup {set_id} of '{request.label}'", hint="is the id right?")
    return found


def _plan_set(known: KnownSet, places: Mapping[str, Location], request: ReplicationRequest, now: datetime) -> SetPlan:
    copies = known.copies
    damaged = {name: "; ".join(copy.problems) for name, copy in copies.items() if copy.state == "damaged"}
    plan = SetPlan(known.id, damaged=damaged)
    # A signature travels with the set, so a copy that has one is asked first.
    good = sorted(known.good, key=lambda name: SIGNATURE not in copies[name].objects)
    summary = copies[good[0]].summary if good else None
    if summary is None:
        return replace(plan, problem=f"no copy can be trusted: {'; '.join(known.problems)}")
    targets: list[Target] = []
    waiting: list[str] = []
    for name, location in places.items():
        copy = copies.get(name)
        if name in good or name in known.unknown or (name in damaged and not request.repair):
            continue
        if copy is not None and copy.state == "unfinished" and _may_be_running(known.id, summary, now):
            waiting.append(name)
        else:
            targets.append(Target(location, name in damaged, _lacking(copy, summary)))
    sources = tuple(places[name] for name in good)
    return replace(plan, sha256=summary.sha256, sources=sources, targets=tuple(targets), waiting=tuple(waiting))


def _may_be_running(set_id: SetId, summary: Summary, now: datetime) -> bool:
    """Whether the backup that makes the set may still be at work, or clean up after a location that failed.

    A copy that is finished shows that it is at its end. Who takes a manifest away later has no day on which nobody
    heals that.
    """
    return set_id.time > now - DEFAULT_AGE and datetime.fromisoformat(summary.finished) > now - ENDING


def _lacking(copy: SetCopy | None, summary: Summary) -> int:
    """Bytes of what has to be written, as far as a listing shows."""
    there = {} if copy is None else {name: info.size for name, info in copy.objects.items()}
    return sum(size for name, size in summary.artifacts.items() if there.get(name) != size)
