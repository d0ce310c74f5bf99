"""What goes from which location, decided before anything does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...backupset.naming import SetId
from ...backupset.record_trust import RecordWarning
from ...catalogue.all_locations import Catalogue
from ...catalogue.identity import databases_of, find_mixture
from ...catalogue.index import SetCopy
from ...catalogue.unfinished import Unfinished, unfinished_among
from ...errors import BackupError, ConfigError
from ...locations.base import Location
from ...texts import first_lines
from ..retention import Candidate, Decision, Policy, plan_retention
from ..retention.candidates import candidate_of

STEP = "plan the clean-up"
_SHOWN = 10


class PruneRefused(BackupError):
    """The plan could take what it should not; nothing was deleted anywhere."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(STEP, f"{message}; nothing was deleted", hint=hint)


@dataclass(frozen=True)
class PrunePlan:
    """What a clean-up does.

    :param decisions: on every set of the label, oldest first.
    :param alone: by location, decisions on what goes there alone: it is released by a record that counts there only.
    :param goes: by location, the copies that go.
    :param stays: by location, the copies that stay although their set goes: the newest good one of that location.
    :param unfinished: by location, what killed runs left there.
    :param locked: by location, the copies that would go and stay because the store itself keeps them, and why.
    :param doubts: about records, as somebody should know of them.
    :param unseen: what is to be known of sets that were not looked at, which stay.
    """

    label: str
    decisions: tuple[Decision, ...]
    goes: Mapping[str, tuple[SetCopy, ...]]
    stays: Mapping[str, tuple[SetId, ...]]
    unfinished: Mapping[str, tuple[Unfinished, ...]]
    alone: Mapping[str, tuple[Decision, ...]] = field(default_factory=dict)
    doubts: tuple[RecordWarning, ...] = ()
    locked: Mapping[str, Mapping[SetId, str]] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()


def plan_prune(
    catalogue: Catalogue, policy: Policy, now: datetime, older_than: timedelta, *, adopt: str | None = None
) -> PrunePlan:
    """Decide which copies of a label are deleted, without deleting any.

    :param older_than: how old what a killed run left must be.
    :param adopt: the system identifier of another database whose sets are this one's, too.
    :raises PruneRefused: it was not seen as a whole, or something in it cannot be understood.
    """
    _refuse_partial(catalogue)
    _refuse_mixture(catalogue, adopt)
    candidates = [candidate_of(one, now) for one in catalogue.finished]
    decisions = plan_retention(candidates, policy, now)
    gone = frozenset(decision.id for decision in decisions if not decision.keep)
    goes: dict[str, tuple[SetCopy, ...]] = {}
    stays: dict[str, tuple[SetId, ...]] = {}
    alone: dict[str, tuple[Decision, ...]] = {}
    for name, index in catalogue.indexes.items():
        said = (one for one in catalogue.finished if name in one.copies and one.has_records)
        here_alone = [candidate_of(one, now, name) for one in said]
        alone[name] = _plan_released_copies(candidates, here_alone, policy, now, gone)
        going = gone | {decision.id for decision in alone[name]}
        here = [copy for copy in index.copies.values() if copy.state != "unfinished"]
        newest = max((copy.id for copy in here if copy.state == "good" and copy.id.is_backup), default=None)
        goes[name] = tuple(copy for copy in here if copy.id in going and copy.id != newest)
        stays[name] = tuple(copy.id for copy in here if copy.id in going and copy.id == newest)
    unfinished = {
        name: tuple(unfinished_among(index.directories, catalogue.label, now - older_than))
        for name, index in catalogue.indexes.items()
    }
    doubts = tuple(catalogue.doubts(now))
    return PrunePlan(catalogue.label, decisions, goes, stays, unfinished, alone, doubts, unseen=catalogue.unseen)


def _plan_released_copies(
    candidates: Sequence[Candidate], here: Sequence[Candidate], policy: Policy, now: datetime, gone: frozenset[SetId]
) -> tuple[Decision, ...]:
    """The deletions of one location's copies whose sets stay in other locations.

    :param here: the sets that have a copy there and of which something is said, as it sees them.
    """
    released = {one.id: one for one in here if one.released}
    if not any(one.id in released and not one.released for one in candidates):
        return ()
    decisions = plan_retention([released.get(one.id, one) for one in candidates], policy, now)
    return tuple(one for one in decisions if not one.keep and one.id not in gone and one.id in released)


def _refuse_partial(catalogue: Catalogue) -> None:
    if catalogue.failures:
        message = "; ".join(str(error) for error in catalogue.failures.values())
        raise PruneRefused(f"not every location could be read: {message}", hint="run it again when all of them answer")
    if catalogue.foreign:
        raise PruneRefused(
            f"below '{catalogue.label}' lies what is damaged or does not belong there: "
            f"{'; '.join(first_lines(catalogue.foreign, catalogue.foreign_count, limit=_SHOWN))}",
            hint="look at it, and remove it or move it elsewhere",
        )


def _refuse_mixture(catalogue: Catalogue, adopt: str | None) -> None:
    """Two databases under one label have one newest good set, one monthly and one yearly between them."""
    mixture = find_mixture(databases_of(catalogue, adopt))
    if mixture is not None:
        raise PruneRefused(f"under '{catalogue.label}' {mixture}", hint=mixture.remedy)


def refuse_locked(locations: Sequence[Location], policy: Policy) -> None:
    """Refuse a policy that ends sets before their store lets them go.

    :raises ConfigError: a bucket's Object Lock lasts longer than the policy's shortest period.
    """
    shortest = policy.shortest_days
    for location in locations:
        days = location.lock_days()
        if days is not None and shortest is not None and days > shortest:
            raise ConfigError(
                "check the policy",
                f"the policy ends some sets after {shortest} days, and location '{location.name}' locks every object "
                f"for {days}",
                hint="make the policy's shortest period as long, or shorten the bucket's default retention",
            )
