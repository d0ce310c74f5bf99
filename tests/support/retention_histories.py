"""Random lives of a label: years of sets of all kinds, with failures, gaps, holds, releases and clocks that step."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS, SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import (
    UNTIL_RELEASED,
    Candidate,
    Policy,
)
from hypothesis import strategies as st

BEGIN = datetime(2026, 11, 22, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)

_KINDS = st.sampled_from([*KINDS, "weekly", "weekly", "weekly", "monthly", "yearly"])
# Several a day, a week on, a month on, a year's gap, and a clock that steps back.
_GAPS = st.sampled_from([0, 1, 24, 168, 168, 168, 168, 360, 720, 1500, 8760, -5, -200])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Policies from a day for everything to decades, with and without months and years."""
    weekly = draw(st.sampled_from(["1d", "7d", "30d", "90d", "1y", UNTIL_RELEASED]))
    endless = weekly == UNTIL_RELEASED
    given: dict[str, str | None] = {"weekly": weekly}
    given["monthly"] = None if endless else draw(st.sampled_from([None, "1y", "13mo", "2y"]))
    given["yearly"] = None if endless else draw(st.sampled_from([None, "2y", "3y", "7y"]))
    if weekly == "90d":
        # Barely longer than a week's: what follows the first of a month is still there when that goes.
        given["monthly"] = draw(st.sampled_from([None, "90d", "95d", "1y"]))
    for kind in ("daily", "pre_deploy", "pre_migration", "post_incident", "pre_restore", "manual"):
        given[kind] = draw(st.sampled_from(["1d", "30d", "6mo", UNTIL_RELEASED]))
    return Policy.parse(given)


@st.composite
def candidates(draw: st.DrawFn, time: datetime) -> Candidate:
    """A strategy of hypothesis: a set of any kind in any state."""
    rarely = st.integers(0, 7).map(lambda number: number == 0)
    return Candidate(
        SetId(time, draw(_KINDS)),
        good=not draw(rarely),
        verified=draw(st.frozensets(st.sampled_from(["a", "b"]))) if draw(rarely) else frozenset(),
        held=draw(st.sampled_from([None] * 7 + ["INC-7"])),
        released=draw(st.booleans()),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Candidate]:
    """Sets in the order in which they were made, which is not always that of their ids."""
    time = BEGIN
    found: dict[SetId, Candidate] = {}
    for gap in draw(st.lists(_GAPS, max_size=40)):
        time += gap * HOUR
        one = draw(candidates(time))
        found.setdefault(one.id, one)
    return list(found.values())


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Candidate], Policy, datetime]:
    """Sets, a policy, and a moment: among them, so that some are of the future, or up to years later."""
    history = draw(histories())
    times = [BEGIN, *(one.id.time for one in history)]
    later = draw(st.sampled_from([-2000, -1, 0, 1, 24, 200, 2160, 9000, 30_000, 70_000]))
    return history, draw(policies()), draw(st.sampled_from(times)) + later * HOUR


def ids(found: Iterable[Candidate]) -> set[SetId]:
    """The ids of the candidates."""
    return {one.id for one in found}
