"""How much a run tries: of a property's examples, of the steps of a walk, and of the cases of a test that has many.

Each run takes some of them, and others the next time; a long one (``--hypothesis-profile=long``, ``make test-long``)
takes ten times the examples, all steps and all cases. A run shows its seed at the top, and a walk that fails once more:
``MOBUL_SEED=...`` takes the same ones again.
"""

from __future__ import annotations

import hashlib
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
    # A generator of its own: the same steps whatever was run before, and others in another test.
    generator = random.Random(f"{SEED} {os.environ.get('PYTEST_CURRENT_TEST', '').rpartition(' ')[0]}")
    chosen = others if is_long() else generator.sample(others, min(count, len(others)))
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
    for group in cases.values():
        (count,) = next(group[0].iter_markers("sampled")).args
        # By their names, not by their places: with another selection the same cases come first.
        group.sort(key=lambda item: hashlib.sha256(f"{SEED} {item.nodeid}".encode()).digest())
        seen: set[tuple[str, object]] = set()
        for _ in range(min(count, len(group))):
            taken = max(group, key=lambda item: len(_values(item) - seen))
            seen |= _values(taken)
            group.remove(taken)
        others += group
    return others


def _values(item: pytest.Item) -> set[tuple[str, object]]:
    """What a case is an example of: each of its parameters' values, and the kind that a value's first word names.

    With as many cases as a parameter has values each value is tried, whatever the others are.
    """
    case = item.callspec  # type: ignore[attr-defined]
    words = {(name, value.split(" ")[0]) for name, value in case.params.items() if isinstance(value, str)}
    return {*case.indices.items(), *words}
