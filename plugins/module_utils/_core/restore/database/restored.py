"""How a restore of a database ended, whatever its strategy."""

from __future__ import annotations

from dataclasses import dataclass

from ..outbound.pausing import NOTHING_PAUSED, Pausing
from .comparing import Comparison


@dataclass(frozen=True)
class Restored:
    """How a restore ended.

    :param kept: the database that was replaced, under its new name; None where there was none.
    :param outbound: what was paused in it.
    """

    comparison: Comparison
    kept: str | None = None
    outbound: Pausing = NOTHING_PAUSED
