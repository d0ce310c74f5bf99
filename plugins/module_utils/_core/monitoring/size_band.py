"""Whether a size is likely, by the sizes that came before it: their median and spread, not a fixed percentage.

What is looked at are the steps between neighbours, as ratios: a database that grows by two percent a week has steps of
two percent, and its next set is expected to be that much larger. The expected step is the median of the last ones, and
their spread the median of their distances from it (MAD), so that a single outlier, for example one purge, moves
neither. A jump that has been seen twice, for example the load of a campaign and its purge, is usual from then on.

``tools/size_band.py`` prints how often that alarms for nothing, and what it sees.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ..texts import readable_size

NORMAL, SMALL, LARGE, UNKNOWN = "normal", "small", "large", "unknown"
_NEEDED = 4
"""Fewer sizes than that tell nothing of a spread: a new database does not alarm."""
_LOOKED_AT = 52
"""A year of weekly sets; what was before does not count."""
_MAD_TO_SIGMA = 1.4826
"""Of a normal distribution."""
_SIGMAS = 3.5
_LEAST_SPREAD = 0.01
"""As a ratio: the spread of sizes that never change is not nothing, as compression differs from run to run."""
_LEAST_BAND = 0.08
"""As a ratio: a step of less than that is never unusual, however steady the sizes were."""
_AGAIN = 1.1
"""How much further than before a fall or rise may go that has been seen twice."""
_FEW_ROWS = 100
_LEAST_BYTES = 4096
"""Below that a size is mostly headers: a hundred bytes more are no growth."""


@dataclass(frozen=True)
class Judgement:
    """How a size compares with the sizes of earlier sets.

    :param status: ``normal``, ``small``, ``large``, or ``unknown`` where too few are known.
    :param low: the least that is usual; 0 where that is not known.
    :param high: the most; 0 where that is not known.
    :param message: all of that in words.
    """

    status: str
    low: int
    high: int
    message: str

    @property
    def unusual(self) -> bool:
        """Whether a person should look at it."""
        return self.status in (SMALL, LARGE)


def judge_size(size: int, history: Sequence[int]) -> Judgement:
    """Compare a size in bytes with those of earlier sets.

    :param size: bytes.
    :param history: the sizes of the good sets before it, oldest first.
    """
    known = [max(one, _LEAST_BYTES) for one in history[-_LOOKED_AT:]]
    if len(known) < _NEEDED:
        return Judgement(UNKNOWN, 0, 0, f"{readable_size(size)}, with too few sets before it to compare: {len(known)}")
    low, high = _band(known)
    status = NORMAL
    if max(size, _LEAST_BYTES) < low:
        status = SMALL
    elif size > high:
        status = LARGE
    usual = f"{readable_size(low)} to {readable_size(high)} are usual after the last {len(known)}"
    return Judgement(status, low, high, f"{readable_size(size)}, {usual}")


def judge_count(count: int, history: Sequence[int]) -> Judgement:
    """The same for a number of rows; a table that had some and has none is always too small.

    :param count: rows.
    :param history: of the sets before, oldest first.
    """
    known = [one + 1 for one in history[-_LOOKED_AT:]]
    if history and count == 0 and history[-1] > 0:
        return Judgement(SMALL, 1, 0, f"no rows, {history[-1]:,} in the set before")
    if len(known) < _NEEDED:
        return Judgement(UNKNOWN, 0, 0, f"{count:,} rows, with too few sets before it to compare: {len(known)}")
    low, high = _band(known)
    # A table of a few rows is never of an unusual size: twice as much is soon reached.
    few = max(known[-1], count) < _FEW_ROWS
    status = NORMAL if few or low <= count + 1 <= high else SMALL if count + 1 < low else LARGE
    usual = f"{max(0, low - 1):,} to {high:,} are usual after the last {len(known)}"
    return Judgement(status, max(0, low - 1), high, f"{count:,} rows, {usual}")


def _band(known: Sequence[int]) -> tuple[int, int]:
    """The smallest and the largest size that is usual."""
    logs = [math.log(one) for one in known]
    steps = [later - earlier for earlier, later in itertools.pairwise(logs)]
    step = median(steps)
    # The last size may itself be an outlier, in which case the one before it is as good a beginning.
    levels = [level + step * distance for distance, level in zip((3, 2, 1), logs[-3:], strict=True)]
    spread = median(abs(one - step) for one in steps) * _MAD_TO_SIGMA
    reach = max(_SIGMAS * max(spread, _LEAST_SPREAD), _LEAST_BAND)
    # What has happened twice is usual, however far it is from the median: campaigns come, and are purged.
    fall, rise = (sorted((step - one if down else one - step) for one in steps)[-2] for down in (True, False))
    low = min(levels) - max(reach, fall * _AGAIN)
    high = max(levels) + max(reach, rise * _AGAIN)
    return round(math.exp(low)), round(math.exp(high))
