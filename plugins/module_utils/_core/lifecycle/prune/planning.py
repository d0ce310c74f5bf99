"""What goes from which location, decided before anything does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...backupset.naming import SetId
from ...catalogue.all_locations import Catalogue
from ...catalogue.index import SetCopy
from ...catalogue.unfinished import Unfinished, unfinished_among
from ...errors import BackupError, ConfigError
from ...locations.base import Location
from ...postgres.messages import bounded_list
from ..retention import Decision, Policy, plan_retention
from ..retention.candidates import candidate_of

STEP = "plan the clean-up"


class PruneRefused(BackupError):
    """The plan could take what it should not; nothing was deleted anywhere."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(STEP, f"{message}; nothing was deleted", hint=hint)


@dataclass(frozen=True)
class PrunePlan:
    """What a clean-up does.

    :param decisions: on every set of the label, oldest first.
    :param goes: by location, the copies that go.
    :param stays: by location, the copies that stay although their set goes: the newest good one of that location.
    :param unfinished: by location, what killed runs left there.
    """

    label: str
    decisions: tuple[Decision, ...]
    goes: Mapping[str, tuple[SetCopy, ...]]
    stays: Mapping[str, tuple[SetId, ...]]
    unfinished: Mapping[str, tuple[Unfinished, ...]]


def plan_prune(catalogue: Catalogue, policy: Policy, now: datetime, older_than: timedelta) -> PrunePlan:
    """Plan a clean-up of everything that *catalogue* has.

    :param older_than: how old what a killed run left must be.
    :raises PruneRefused: it was not seen as a whole, or something in it cannot be understood.
    """
    _refuse_partial(catalogue)
    decisions = plan_retention([candidate_of(one, now) for one in catalogue.backups], policy, now)
    going = {decision.id for decision in decisions if not decision.keep}
    goes: dict[str, tuple[SetCopy, ...]] = {}
    stays: dict[str, tuple[SetId, ...]] = {}
    for name, index in catalogue.indexes.items():
        here = [copy for copy in index.copies.values() if copy.state != "unfinished"]
        newest = max((copy.id for copy in here if copy.state == "good"), default=None)
        goes[name] = tuple(copy for copy in here if copy.id in going and copy.id != newest)
        stays[name] = tuple(copy.id for copy in here if copy.id in going and copy.id == newest)
    unfinished = {
        name: tuple(unfinished_among(index.directories, catalogue.label, now - older_than))
        for name, index in catalogue.indexes.items()
    }
    return PrunePlan(catalogue.label, decisions, goes, stays, unfinished)


def _refuse_partial(catalogue: Catalogue) -> None:
    if catalogue.failures:
        told = "; ".join(str(error) for error in catalogue.failures.values())
        raise PruneRefused(
            f"not every location could be looked at: {told}", hint="run it again when all of them answer"
        )
    if catalogue.foreign:
        raise PruneRefused(
            f"below '{catalogue.label}' lies what is damaged or does not belong there: "
            f"{bounded_list(list(catalogue.foreign))}",
            hint="look at it, and remove it or move it elsewhere",
        )


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
