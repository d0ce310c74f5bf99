"""Promise of the default policy: what two years of the procedures' schedule leave, and what goes when.

The expected text is in ``tests/data/retention``; a change of it is a change of what users keep, and is to be read as
such. ``MOBUL_WRITE_GOLDEN=1`` writes it anew.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.retention import (
    Candidate,
    Decision,
    Policy,
    plan_retention,
)
from support.programs import PROJECT

GOLDEN = PROJECT / "tests" / "data" / "retention" / "default_policy.txt"
HEADER = """\
# Two years by the default policy: a weekly set on Sundays at 00:00 UTC, a daily one on the other days, and what else
# happened; each Sunday at 06:00 a plan is made and carried out. Written by tests/unit/_core/lifecycle/retention/
# test_default_policy.py; MOBUL_WRITE_GOLDEN=1 .venv/bin/pytest <that file> writes it anew.
"""
SUNDAY = datetime(2026, 1, 4, tzinfo=timezone.utc)
WEEKS = 104
DAY = timedelta(days=1)
# Three weeks without any set, a month whose first set is bad, and what people did.
OUTAGE = (datetime(2027, 8, 9, tzinfo=timezone.utc), datetime(2027, 8, 30, tzinfo=timezone.utc))
BAD = "weekly_20260607_000000"
EXTRA = (
    "pre_migration_20260210_210000",
    "post_incident_20260311_151500",
    "pre_restore_20260311_153000",
    "manual_20260701_120000",
    "pre_migration_20261110_210000",
    "post_incident_20270519_091500",
    "pre_restore_20270519_093000",
)
RELEASED = {
    "2026-03-01": "pre_migration_20260210_210000",
    "2026-09-13": "post_incident_20260311_151500",
    "2026-11-29": "pre_migration_20261110_210000",
}
HELD = "weekly_20260215_000000"
HOLD_BEGINS, HOLD_ENDS = "2026-03-15", "2026-10-04"

HERE = frozenset({"here"})


def schedule() -> Iterator[Candidate]:
    """Every set that is made, in order; weekly ones pass a drill on the next day."""
    made = [SetId.parse(text) for text in EXTRA]
    for day in range(WEEKS * 7 - 6):
        time = SUNDAY + day * DAY
        if not OUTAGE[0] <= time < OUTAGE[1]:
            made.append(SetId(time, "daily" if day % 7 else "weekly"))
        if day % 14 == 3:
            made.append(SetId(time.replace(hour=14), "pre_deploy"))
    for set_id in sorted(made):
        good = str(set_id) != BAD
        yield Candidate(set_id, good=good, verified=HERE if good and set_id.kind == "weekly" else frozenset())


def simulate() -> tuple[list[str], tuple[Decision, ...]]:
    """What went, a line each or for several of a kind, and the last plan."""
    lines: list[str] = []
    coming = list(schedule())
    there: dict[SetId, Candidate] = {}
    plan: tuple[Decision, ...] = ()
    for week in range(WEEKS):
        now = SUNDAY + week * 7 * DAY + timedelta(hours=6)
        there |= {one.id: one for one in coming if one.id.time <= now and one.id.time > now - 7 * DAY}
        tend(there, f"{now:%Y-%m-%d}")
        plan = plan_retention(there.values(), Policy.parse(None), now)
        lines += told(now, [decision for decision in plan if not decision.keep])
        there = {decision.id: there[decision.id] for decision in plan if decision.keep}
    return lines, tuple(decision for decision in plan if decision.keep)


def tend(there: dict[SetId, Candidate], today: str) -> None:
    """Release and hold what is to be."""
    if today in RELEASED:
        released = SetId.parse(RELEASED[today])
        there[released] = replace(there[released], released=True)
    held = SetId.parse(HELD)
    if today in (HOLD_BEGINS, HOLD_ENDS):
        there[held] = replace(there[held], held="INC-7" if today == HOLD_BEGINS else None)


def told(now: datetime, gone: list[Decision]) -> Iterator[str]:
    """A line for each set, and for daily ones of a week one line."""
    for kind, group in itertools.groupby(sorted(gone, key=lambda one: (one.id.kind, one.id)), lambda one: one.id.kind):
        found = list(group)
        if kind == "daily":
            yield f"{now:%Y-%m-%d}  {len(found)} daily ones, {found[0].id} to {found[-1].id}"
            continue
        for one in found:
            yield f"{now:%Y-%m-%d}  {one.id}  {one.rule}: {one.reason}"


def text() -> str:
    """The file as it should be."""
    gone, stays = simulate()
    lines = ["", "What went, and when", "", *gone, "", "What is there at the end: set, rule, end, reason", ""]
    for one in stays:
        end = f"{one.expires:%Y-%m-%d}" if one.expires else "open"
        lines.append(f"{one.id}  {one.rule}  {end}  {one.reason}")
    return HEADER + "\n".join(lines) + "\n"


def test_two_years_of_the_default_policy_leave_what_the_golden_file_says() -> None:
    found = text()
    if os.environ.get("MOBUL_WRITE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_every_set_of_two_years_went_once_or_is_there() -> None:
    gone, stays = simulate()
    daily = sum(int(line.split()[1]) for line in gone if " daily ones, " in line)
    others = sum(" daily ones, " not in line for line in gone)
    assert daily + others + len(stays) == len(list(schedule()))


def test_two_years_leave_the_first_good_set_of_each_month_of_the_last_one_and_of_each_year() -> None:
    _gone, stays = simulate()
    monthly = [f"{one.id.time:%Y-%m}" for one in stays if one.rule == "monthly"]
    assert monthly == [f"2027-{month:02}" for month in range(2, 13)]
    yearly = [str(one.id) for one in stays if one.rule == "yearly"]
    assert yearly == ["weekly_20260104_000000", "weekly_20270103_000000"]
