"""With how many examples a property is tried."""

from __future__ import annotations

from hypothesis import settings

_USUAL = 100
"""Hypothesis' own number, which the profile of the tests keeps and that of a quick pass divides."""


def examples(number: int) -> int:
    """That many where others are tried with a hundred; fewer in a quick pass (``--hypothesis-profile=quick``)."""
    return max(1, number * settings().max_examples // _USUAL)
