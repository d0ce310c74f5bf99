"""The sets of a catalogue as the planner of retention sees them."""

from __future__ import annotations

from datetime import datetime

from ...catalogue.all_locations import KnownSet
from .planner import Candidate


def candidate_of(known: KnownSet, now: datetime, location: str | None = None) -> Candidate:
    """What the planner wants to know of a set.

    :param location: decide on its copy there, which may be released alone; None is about all of its copies.
    """
    counted = known.counted(now)
    hold = counted.hold
    return Candidate(
        known.id,
        good=bool(known.good),
        verified=counted.verified,
        held=None if hold is None else str(hold),
        released=known.released_everywhere(counted) if location is None else location in counted.released,
    )
