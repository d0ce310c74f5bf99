"""How a restore of a database ended, whatever its strategy."""

from __future__ import annotations

from dataclasses import dataclass

from .comparing import Comparison


@dataclass(frozen=True)
class Restored:
    """How a restore ended.

    :param kept: the database that was replaced, under its new name; None where there was none.
    """

    comparison: Comparison
    kept: str | None = None
