"""Walks that are too long for every run: each run takes some of their steps, and others the next time.

The seed is printed where a test fails. ``MOBUL_SEED=...`` takes the same steps again, and ``MOBUL_LONG=1`` all of them,
as ``make test-long`` does.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Sequence
from typing import TypeVar

SEED = os.environ.get("MOBUL_SEED") or secrets.token_hex(4)
LONG = bool(os.environ.get("MOBUL_LONG"))

Step = TypeVar("Step")


def some(steps: Sequence[Step], count: int, *, always: Sequence[Step] = ()) -> list[Step]:
    """Those of *always* and *count* of the others, in their order; in a long run all of *steps*."""
    others = [step for step in steps if step not in always]
    # A generator of its own: the same steps whatever was run before.
    chosen = others if LONG else random.Random(SEED).sample(others, min(count, len(others)))
    taken = [step for step in steps if step in always or step in chosen]
    print(f"MOBUL_SEED={SEED}: {len(taken)} of {len(steps)} steps: {taken}")
    return taken


def examples(usual: int) -> int:
    """For ``max_examples`` of what is dear: ten times as many in a long run."""
    return usual * 10 if LONG else usual
