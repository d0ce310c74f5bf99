"""The strategies that there are."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import ConfigError
from .in_place.strategy import InPlaceStrategy
from .request import STEP, RestoreRequest
from .rights import check_owned
from .side_by_side.strategy import SideBySideStrategy
from .strategy import Strategy
from .target import Target

_STRATEGIES: tuple[Strategy, ...] = (SideBySideStrategy(), InPlaceStrategy())
STRATEGIES: Mapping[str, Strategy] = {strategy.name: strategy for strategy in _STRATEGIES}
"""By their names, the safest first."""


def check_strategy(request: RestoreRequest) -> None:
    """Refuse one that there is not, or that the database cannot be restored by.

    :raises ConfigError: says which can be.
    """
    if request.strategy is None:
        return
    if request.strategy not in STRATEGIES:
        raise ConfigError(STEP, f"strategy is {request.strategy!r}", hint=" or ".join(STRATEGIES))
    if request.is_projects and STRATEGIES[request.strategy].replaces:
        others = " or ".join(name for name, one in STRATEGIES.items() if not one.replaces)
        raise ConfigError(
            STEP,
            f"strategy is {request.strategy!r}, and database {request.database!r} of a {request.title} project can "
            "neither be renamed nor made anew",
            hint=f"strategy: {others}, or another login_db to restore beside it",
        )


def choose_strategy(request: RestoreRequest, target: Target) -> Strategy:
    """The strategy that was asked for, or else the safest that the role may carry out.

    :raises PreflightError: the role may not; says what would help.
    """
    usable = [one for one in _STRATEGIES if not (request.is_projects and one.replaces)]
    suiting = next((one for one in usable if one.suits(target)), usable[-1])
    strategy = suiting if request.strategy is None else STRATEGIES[request.strategy]
    strategy.check_role(target)
    check_owned(target.database, target)
    return strategy
