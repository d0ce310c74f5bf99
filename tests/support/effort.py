"""How much a run tries: of a property's examples, of the steps of a walk, and of the cases of a test that has many.

Each run takes some of them, and others the next time; a long one (``--hypothesis-profile=long``, ``make test-long``)
takes ten times the examples, all steps and all cases. A run shows its seed at the top, and a walk that fails once more:
``MOBUL_SEED=...`` takes the same ones again.
"""

from __future__ import annotations

import os
import random
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import settings

_USUAL = 100
"""Hypothesis' own number, which the profile of the tests keeps, and those of a quick and a long pass do not."""
# The workers of a run must agree: they get the environment of the process that starts them.
SEED = os.environ.setdefault("MOBUL_SEED", secrets.token_hex(4))

Step = TypeVar("Step")


def examples(number: int) -> int:
    """That many where others are tried with a hundred; fewer in a quick pass (``--hypothesis-profile=quick``)."""
    return max(1, number * settings().max_examples // _USUAL)


def is_long() -> bool:
    """Whether this run makes all steps of each walk (``make test-long``)."""
    return settings().max_examples > _USUAL


def some(steps: Sequence[Step], count: int, *, always: Sequence[Step] = ()) -> list[Step]:
    """Those of *always* and *count* of the others, in their order; in a long run all of *steps*."""
    others = [step for step in steps if step not in always]
    # A generator of its own: the same steps whatever was run before.
    chosen = others if is_long() else random.Random(SEED).sample(others, min(count, len(others)))
    taken = [step for step in steps if step in always or step in chosen]
    print(f"MOBUL_SEED={SEED}: {len(taken)} of {len(steps)} steps: {taken}")
    return taken


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those of *items* that this run does without: of a test that is marked ``sampled(count)``, all but that many."""
    if is_long():
        return []
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            cases[item.nodeid.partition("[")[0]].append(item)
    others: list[pytest.Item] = []
    for name, group in cases.items():
        (count,) = next(group[0].iter_markers("sampled")).args
        others += random.Random(f"{SEED} {name}").sample(group, max(0, len(group) - count))
    return others
