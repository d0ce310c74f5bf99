"""How often the band of sizes alarms for nothing, and how often it sees that a set is too small.

Histories are made up, each of two years of weekly sets: growth, seasons, campaigns that come and are purged. Every set
behind the first ten is judged by those before it, once as it is (an alarm is a false one) and once with a part of it
missing (no alarm is a miss). The same seed gives the same numbers.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable

from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.size_band import judge_size

WEEKS = 104
LEARNING = 10
START = 200 * 1024 * 1024
MISSING = (0.05, 0.1, 0.2, 0.3, 0.5, 0.9)

History = Callable[[random.Random], list[int]]


def steady(chance: random.Random) -> list[int]:
    """Half a percent up or down."""
    return [round(START * math.exp(chance.gauss(0, 0.005))) for _week in range(WEEKS)]


def growing(chance: random.Random) -> list[int]:
    """Two percent a week, give or take two."""
    level, sizes = math.log(START), []
    for _week in range(WEEKS):
        level += chance.gauss(0.02, 0.02)
        sizes.append(round(math.exp(level)))
    return sizes


def seasonal(chance: random.Random) -> list[int]:
    """A year's wave of a quarter up and down, and one percent of noise."""
    begin = chance.random() * 2 * math.pi
    waves = (0.25 * math.sin(begin + 2 * math.pi * week / 52) for week in range(WEEKS))
    return [round(START * math.exp(wave + chance.gauss(0, 0.01))) for wave in waves]


def campaigns(chance: random.Random) -> list[int]:
    """Growth of half a percent; one week in twelve brings a third more, which is purged some weeks later."""
    level, until, sizes = math.log(START), -1, []
    for week in range(WEEKS):
        level += chance.gauss(0.005, 0.01)
        if week > until and chance.random() < 1 / 12:
            until = week + chance.randint(2, 6)
        sizes.append(round(math.exp(level + (math.log(4 / 3) if week <= until else 0))))
    return sizes


def noisy(chance: random.Random) -> list[int]:
    """Eight percent up or down each week."""
    return [round(START * math.exp(chance.gauss(0, 0.08))) for _week in range(WEEKS)]


KINDS: dict[str, History] = {
    "steady": steady,
    "growing": growing,
    "seasonal": seasonal,
    "campaigns": campaigns,
    "noisy": noisy,
}


def rates(kind: str, histories: int, seed: int = 1) -> tuple[float, dict[float, float]]:
    """Of one kind of history: the share of sets that alarm for nothing, and of those seen by how much is missing."""
    chance = random.Random(f"{kind} {seed}")  # noqa: S311 - no secret
    judged = alarms = 0
    seen = dict.fromkeys(MISSING, 0)
    for _history in range(histories):
        sizes = KINDS[kind](chance)
        for week in range(LEARNING, WEEKS):
            judged += 1
            alarms += judge_size(sizes[week], sizes[:week]).unusual
            for part in MISSING:
                seen[part] += judge_size(round(sizes[week] * (1 - part)), sizes[:week]).unusual
    return alarms / judged, {part: count / judged for part, count in seen.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=100, help="of each kind")
    arguments = parser.parse_args()
    print(f"{'':12} {'false alarms':>12}   seen where so much is missing")
    print(f"{'history':12} {'per set':>12}  " + "".join(f"{part:8.0%}" for part in MISSING))
    for kind in KINDS:
        false, seen = rates(kind, arguments.histories)
        print(f"{kind:12} {false:12.2%}  " + "".join(f"{share:8.1%}" for share in seen.values()))


if __name__ == "__main__":
    main()
