"""What a policy says, and what it cannot say."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...backupset.naming import KINDS
from ...errors import ConfigError
from .periods import STEP, Period

UNTIL_RELEASED = "until_released"
DEFAULT: Mapping[str, str | None] = MappingProxyType(
    {
        "daily": "7d",
        "weekly": "90d",
        "monthly": "1y",
        "yearly": "7y",
        "pre_deploy": "30d",
        "pre_migration": UNTIL_RELEASED,
        "post_incident": UNTIL_RELEASED,
        "pre_restore": "7d",
        "manual": UNTIL_RELEASED,
        "export": "90d",
    }
)
"""What holds for every name that a policy does not have."""
SERVED_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {"monthly": frozenset({"weekly", "monthly"}), "yearly": frozenset({"weekly", "monthly", "yearly"})}
)
"""The kinds whose first good set of a month serves as the monthly one, and of a year as the yearly one."""
_GROWING = ("weekly", "monthly", "yearly")


@dataclass(frozen=True)
class Policy:
    """How long sets are kept.

    :param periods: by kind; None is until somebody releases the set. Sets of the kinds ``monthly`` and ``yearly`` are
        kept by themselves as long as weekly ones, so that a second one of a month does not go at once.
    :param classes: by class, ``monthly`` and ``yearly``: how long the one set that serves as it is kept.
    """

    periods: Mapping[str, Period | None]
    classes: Mapping[str, Period]

    @classmethod
    def parse(cls, given: Mapping[str, object] | None) -> Policy:
        """Read a policy: names of kinds with periods, ``until_released``, or null for no monthly or yearly sets.

        :param given: None is the default policy; names that it does not have are as in that.
        :raises ConfigError: it is empty, or says something that cannot be meant.
        """
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(
                STEP, f"{given!r} is no policy", hint="give kinds with their periods, for example {weekly: 90d}"
            )
        if given is not None and not given:
            raise ConfigError(STEP, "the policy is empty", hint="leave it out for the default, or name what differs")
        given = given or {}
        if unknown := sorted(set(given) - set(KINDS), key=str):
            raise ConfigError(STEP, f"unknown kind {unknown[0]!r} in the policy", hint=f"one of {', '.join(KINDS)}")
        values = {**DEFAULT, **given}
        classes: dict[str, Period] = {}
        periods: dict[str, Period | None] = {}
        for name, value in values.items():
            if name in SERVED_BY:
                if value is not None:
                    classes[name] = Period.parse(value, name, instead="null for none")
            else:
                endless = value == UNTIL_RELEASED
                periods[name] = None if endless else Period.parse(value, name, instead=UNTIL_RELEASED)
        for name in SERVED_BY:
            periods[name] = periods["weekly"]
        _check_growing(periods["weekly"], classes, given)
        return cls(periods, classes)

    @property
    def shortest_days(self) -> int | None:
        """The fewest days after which it lets any set go; None where it lets none go by itself."""
        ends = [period.shortest_days for period in self.periods.values() if period is not None]
        return min(ends, default=None)

    @property
    def longest_days(self) -> int | None:
        """The most days for which it keeps any set by its time; None where some stay until they are released.

        The newest good and the newest verified set outlive it.
        """
        if None in self.periods.values():
            return None
        found = [*self.periods.values(), *self.classes.values()]
        return max(period.longest_days for period in found if period is not None)

    def endless(self) -> tuple[str, ...]:
        """The kinds of backup that are kept until a person releases them."""
        return tuple(kind for kind in KINDS if self.periods.get(kind) is None)

    def to_dict(self) -> dict[str, str | None]:
        """The policy as the user could give it: kind -> period."""
        found: dict[str, str | None] = {}
        for name in KINDS:
            period = self.classes.get(name) if name in SERVED_BY else self.periods[name]
            found[name] = str(period) if period else None if name in SERVED_BY else UNTIL_RELEASED
        return found


def _check_growing(weekly: Period | None, classes: Mapping[str, Period], given: Mapping[str, object]) -> None:
    """A longer class that ends earlier than a shorter one can only be a mistake."""
    found = {"weekly": weekly, **classes}
    names = [name for name in _GROWING if name in found]
    for shorter, longer in itertools.pairwise(names):
        first, second = found[shorter], found[longer]
        if second is not None and (first is None or first.shortest_days > second.longest_days):
            periods = [
                f"{name}: {found[name] or UNTIL_RELEASED}{'' if name in given else ' (default)'}" for name in names
            ]
            raise ConfigError(
                STEP,
                f"the policy contradicts itself: {longer} sets would go before {shorter} ones ({', '.join(periods)})",
                hint=f"make {longer} longer, or null for none",
            )
