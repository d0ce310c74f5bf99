"""Which sets lack a copy where, and which copies they can be made up for from: a pure function of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..catalogue.index import LocationIndex, SetCopy, Summary
from ..catalogue.unfinished import DEFAULT_AGE
from ..errors import ConfigError
from ..locations.base import Location
from ..naming import SIGNATURE, SetId
from ..signing import VerifyKey

ALL = "all"
LATEST = "latest"
STEP = "find the backups"


@dataclass(frozen=True)
class ReplicationRequest:
    """What was asked for.

    :param backup: ``all``, ``latest``, or the id of a set.
    :param since: with ``all``: leave out what was begun earlier.
    :param repair: whether a damaged copy is written again, too.
    :param verify_keys: with any, a copy that was not signed by one of them is no good copy.
    """

    label: str
    backup: str = ALL
    since: datetime | None = None
    repair: bool = False
    verify_keys: tuple[VerifyKey, ...] = ()


@dataclass(frozen=True)
class Target:
    """A location that is to get the set.

    :param repairs: whether there is a damaged copy, which is taken apart for it.
    :param size: bytes of the artifacts that a listing shows to be missing or wrong.
    """

    location: Location
    repairs: bool
    size: int


@dataclass(frozen=True)
class SetPlan:
    """What is to be done about one set.

    :param sha256: of the manifest that all good copies have; "" where there is none.
    :param sources: who has a good copy, in the order in which they are asked.
    :param damaged: name of the location -> what is wrong with the copy there.
    :param waiting: locations with a part of the set, which a backup may still be writing.
    :param problem: why the set cannot be copied anywhere.
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
    locations: Sequence[Location], indexes: Mapping[str, LocationIndex], request: ReplicationRequest, now: datetime
) -> tuple[SetPlan, ...]:
    """What is to be done about every set that was asked for, the newest first; nothing is read or written.

    :param indexes: name -> what a location holds; one that is not in it is left out.
    :param now: UTC.
    :raises ConfigError: there is no such set.
    """
    known = [location for location in locations if location.name in indexes]
    finished = {
        set_id for index in indexes.values() for set_id, copy in index.copies.items() if copy.state != "unfinished"
    }
    wanted = _wanted(finished, request)
    return tuple(
        _plan_set(set_id, {one: indexes[one.name].copies.get(set_id) for one in known}, request, now)
        for set_id in sorted(wanted, reverse=True)
    )


def _wanted(finished: set[SetId], request: ReplicationRequest) -> set[SetId]:
    if request.backup == ALL:
        return {set_id for set_id in finished if request.since is None or set_id.time >= request.since}
    if request.backup == LATEST:
        return {max(finished)} if finished else set()
    set_id = SetId.parse(request.backup)
    if set_id not in finished:
        raise ConfigError(STEP, f"no location has the backup {set_id} of '{request.label}'", hint="is the id right?")
    return {set_id}


def _plan_set(
    set_id: SetId, copies: Mapping[Location, SetCopy | None], request: ReplicationRequest, now: datetime
) -> SetPlan:
    good: dict[Location, Summary] = {}
    damaged: dict[str, str] = {}
    for location, copy in copies.items():
        if copy is None or copy.state == "unfinished":
            continue
        if copy.state == "good" and copy.summary is not None:
            good[location] = copy.summary
        else:
            damaged[location.name] = "; ".join(copy.problems)
    plan = SetPlan(set_id, damaged=damaged, problem=_problem(good, damaged))
    if plan.problem is not None:
        return plan
    # A signature travels with the set, so a copy that has one is asked first.
    sources = sorted(good, key=lambda one: not _has(copies[one], SIGNATURE))
    summary = good[sources[0]]
    targets: list[Target] = []
    waiting: list[str] = []
    for location, copy in copies.items():
        if location in good or (location.name in damaged and not request.repair):
            continue
        if copy is not None and copy.state == "unfinished" and _may_be_running(set_id, now):
            waiting.append(location.name)
        else:
            targets.append(Target(location, location.name in damaged, _lacking(copy, summary)))
    return replace(plan, sha256=summary.sha256, sources=tuple(sources), targets=tuple(targets), waiting=tuple(waiting))


def _problem(good: Mapping[Location, Summary], damaged: Mapping[str, str]) -> str | None:
    if not good:
        return f"no location has a good copy: {_told(damaged)}"
    if len({summary.sha256 for summary in good.values()}) > 1:
        names = ", ".join(f"'{location.name}'" for location in good)
        return (
            f"the copies in {names} have different manifests: find out which is genuine, by verify_key if it is signed"
        )
    return None


def _told(damaged: Mapping[str, str]) -> str:
    return "; ".join(f"'{name}': {problem}" for name, problem in damaged.items())


def _may_be_running(set_id: SetId, now: datetime) -> bool:
    """Whether the backup that makes the set may still be at work, or clean up after a location that failed."""
    return set_id.time > now - DEFAULT_AGE


def _has(copy: SetCopy | None, name: str) -> bool:
    return copy is not None and name in copy.objects


def _lacking(copy: SetCopy | None, summary: Summary) -> int:
    """Bytes of what has to be written, as far as a listing shows."""
    there = {} if copy is None else {name: info.size for name, info in copy.objects.items()}
    return sum(size for name, size in summary.artifacts.items() if there.get(name) != size)
