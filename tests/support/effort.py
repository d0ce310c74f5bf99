"""How much a run tries: of a property's examples, and of the steps of a walk that is too long for every run.

Each run takes some of them, and others the next time; a long one (``--hypothesis-profile=long``, ``make test-long``)
takes ten times the examples, and all steps. A test that fails shows the seed: ``MOBUL_SEED=...`` takes the same steps.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

_USUAL = 100
"""Hypothesis' own number, which the profile of the tests keeps, and those of a quick and a long pass do not."""
_SEED = os.environ.get("MOBUL_SEED") or secrets.token_hex(4)

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
    chosen = others if is_long() else random.Random(_SEED).sample(others, min(count, len(others)))
    taken = [step for step in steps if step in always or step in chosen]
    print(f"MOBUL_SEED={_SEED}: {len(taken)} of {len(steps)} steps: {taken}")
    return taken
