"""The strategies that there are."""

from __future__ import annotations

from ...errors import ConfigError
from .merge.strategies import MergeStrategy, ReplaceStrategy
from .request import STEP, TableRequest
from .strategy import Strategy
from .swap.strategy import SwapStrategy

_STRATEGIES: tuple[type[Strategy], ...] = (SwapStrategy, MergeStrategy, ReplaceStrategy)


def find_strategy(request: TableRequest) -> type[Strategy]:
    """The class of the requested strategy.

    :raises ConfigError: there is none of that name, or it does not take an option that was given.
    """
    found = next((one for one in _STRATEGIES if one.name == request.strategy), None)
    if found is None:
        hint = ", ".join(one.name for one in _STRATEGIES)
        raise ConfigError(STEP, f"strategy is {request.strategy!r}", hint=hint)
    for option in ("missing_only", "delete_extra"):
        if request.state == "restored" and getattr(request, option) and option not in found.options:
            takers = " or ".join(one.name for one in _STRATEGIES if option in one.options)
            raise ConfigError(STEP, f"{option} belongs to strategy: {takers}")
    return found
