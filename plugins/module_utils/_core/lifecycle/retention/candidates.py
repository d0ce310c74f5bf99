"""The sets of a catalogue as the planner of retention sees them."""

from __future__ import annotations

from datetime import datetime

from ...catalogue.all_locations import KnownSet
from .planner import Candidate


def candidate_of(known: KnownSet, now: datetime) -> Candidate:
    """What the planner wants to know of a set."""
    hold = known.hold(now)
    return Candidate(
        known.id,
        good=bool(known.good),
        verified=known.passed_drill is not None,
        held=None if hold is None else str(hold),
        released=known.released,
    )
