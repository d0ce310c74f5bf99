"""What a project's managed backups should be, and whether they are: pure, so that it can be tried with any history."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...durations import STEP, parse_duration, readable_duration
from ...errors import ConfigError
from ...findings import FAILED, PASSED, WARNING, Finding, joined
from .backups import NOT_MADE, Backups, ManagedBackup
from .project import HEALTHY, PAUSED, RESTORE_FAILED, Project, moment

PROJECT, NEWEST, RESULT, WINDOW, GAPS = (
    *("supabase_project", "supabase_newest", "supabase_result"),
    *("supabase_window", "supabase_gaps"),
)
"""The names of the findings, beside that of whether the API answered at all."""

_DAY = timedelta(days=1)
_SLACK = timedelta(hours=2)
"""By which two backups of one time of day may be apart."""
_LONGEST_DAY = timedelta(hours=36)
"""Between two daily backups; more, and one was left out."""
_SHOWN = 5


@dataclass(frozen=True)
class Expectation:
    """What the user expects of the platform's backups.

    :param daily: so many days back there is a backup of each, or point-in-time recovery; None for no matter.
    :param pitr: so far back there is point-in-time recovery; None for no matter.
    :param within: how old the newest backup, or the newest moment of the recovery, may be.
    """

    daily: int | None = None
    pitr: timedelta | None = None
    within: timedelta = timedelta(hours=26)

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> Expectation:
        """From the option ``expect``: ``{daily: 7}`` or ``{pitr: 7d}``, and ``within: 26h``.

        :raises ConfigError: it has something else in it.
        """
        given = given or {}
        hint = "{daily: 7} for seven days of daily backups, or {pitr: 7d}; within: 26h says how old the newest may be"
        if strange := sorted(set(map(str, given)) - {"daily", "pitr", "within"}):
            raise ConfigError(STEP, f"expect has {', '.join(strange)}", hint=hint)
        if "daily" in given and "pitr" in given:
            raise ConfigError(
                STEP, "expect has daily and pitr", hint="with point-in-time recovery there are no daily ones"
            )
        daily = given.get("daily")
        if daily is not None:
            text = str(daily)
            if isinstance(daily, bool) or not (text.isascii() and text.isdigit() and 1 <= int(text) <= 366):
                raise ConfigError(STEP, f"expect.daily is {daily!r}", hint=f"a number of days; {hint}")
            daily = int(text)
        return cls(
            daily=daily,
            pitr=parse_duration(given["pitr"], "expect.pitr") if "pitr" in given else None,
            within=parse_duration(given["within"], "expect.within") if "within" in given else cls.within,
        )


def find_all(project: Project, backups: Backups, expected: Expectation, now: datetime) -> list[Finding]:
    """One finding for each expectation, whether it is met or not."""
    found = [_project(project)]
    if expected.pitr is not None and not backups.pitr_enabled:
        message = f"point-in-time recovery is off, and {readable_duration(expected.pitr)} of it are expected: it is an "
        message += "add-on of the project in Supabase's dashboard (or expect daily backups: expect: {daily: 7})"
        return [*found, Finding(check=WINDOW, status=FAILED, message=message)]
    if backups.pitr_enabled:
        reach = expected.pitr or (None if expected.daily is None else expected.daily * _DAY)
        return [*found, *_recovery(project, backups, expected.within, reach, now)]
    return [*found, *_daily(project, backups, expected, now)]


def _project(project: Project) -> Finding:
    status, message = PASSED, f"project {project} is {project.status}"
    if project.status in PAUSED:
        status = FAILED
        message += ": no backup is made of a project that is paused (start it again in Supabase's dashboard)"
    elif project.status == RESTORE_FAILED:
        status = FAILED
        message += ": try another backup or moment (mobul.backup.supabase_restore), and tell Supabase's support"
    elif project.status != HEALTHY:
        status = WARNING
    return Finding(check=PROJECT, status=status, message=message)


def _recovery(
    project: Project, backups: Backups, within: timedelta, reach: timedelta | None, now: datetime
) -> Iterator[Finding]:
    """With point-in-time recovery: how near to now it comes, and how far back it goes."""
    earliest, latest = backups.earliest, backups.latest
    if earliest is None or latest is None:
        message = "point-in-time recovery is on, and the API reports no time that can be restored"
        yield Finding(check=NEWEST, status=FAILED, message=f"{message}: has its first backup been made?")
        return
    age = now - latest
    message = f"recovery goes up to {moment(latest)}, {readable_duration(max(age, timedelta()))} ago, "
    message += f"{readable_duration(within)} are allowed"
    yield Finding(check=NEWEST, status=FAILED if age > within else PASSED, message=message)
    if reach is None:
        return
    wanted = min(reach, now - project.created_at)
    status = FAILED if now - earliest < wanted - _SLACK else PASSED
    message = f"recovery goes back to {moment(earliest)}, {readable_duration(max(now - earliest, timedelta()))}, "
    message += f"{readable_duration(reach)} are expected"
    if status == PASSED and wanted < reach:
        message += f"; the project is {readable_duration(wanted)} old"
    yield Finding(check=WINDOW, status=status, message=message)


def _daily(project: Project, backups: Backups, expected: Expectation, now: datetime) -> Iterator[Finding]:
    """Without: the newest good one, what became of the newest of all, and of how many days there is one."""
    good = [one for one in backups.newest_first if one.good]
    if not good:
        message = "there is no completed backup of the project: the free plan has none, and a new project none yet"
        yield Finding(check=NEWEST, status=FAILED, message=message)
    else:
        age = now - good[0].inserted_at
        message = f"{_named(good[0])} is {readable_duration(max(age, timedelta()))} old, "
        message += f"{readable_duration(expected.within)} are allowed"
        yield Finding(check=NEWEST, status=FAILED if age > expected.within else PASSED, message=message)
    if backups.backups:
        newest = backups.newest_first[0]
        bad = newest.status in NOT_MADE
        message = f"the newest, {_named(newest)}, is {newest.status}"
        if bad:
            message += ": Supabase's dashboard and support know why; mobul.backup.backup makes one of your own"
        yield Finding(check=RESULT, status=FAILED if bad else PASSED, message=message)
    if expected.daily is not None and good:
        yield _window(project, good, expected.daily, now)
        yield _gaps(good, expected.daily, now)


def _window(project: Project, good: list[ManagedBackup], days: int, now: datetime) -> Finding:
    """How far back the daily backups go: right after the oldest was dropped it is a day less than there are backups."""
    oldest = good[-1]
    wanted = min((days - 1) * _DAY, now - project.created_at - _LONGEST_DAY)
    short = now - oldest.inserted_at < wanted - _SLACK
    message = f"{len(good)} completed, the oldest is {_named(oldest)}; {days} days of them are expected"
    if short:
        message += " (the plan decides: 7, 14 or 30 days)"
    return Finding(check=WINDOW, status=FAILED if short else PASSED, message=message)


def _gaps(good: list[ManagedBackup], days: int, now: datetime) -> Finding:
    """Whether each of the last *days* has a good backup."""
    times = [one.inserted_at for one in good if now - one.inserted_at <= days * _DAY + _SLACK]
    gaps = [(older, newer) for newer, older in itertools.pairwise(times) if newer - older > _LONGEST_DAY]
    if not gaps:
        return Finding(check=GAPS, status=PASSED, message="no day was left out")
    spans = joined([f"between {moment(older)} and {moment(newer)}" for older, newer in gaps], limit=_SHOWN)
    return Finding(check=GAPS, status=WARNING, message=f"there is no completed backup {spans}")


def _named(one: ManagedBackup) -> str:
    return f"{one.id} of {moment(one.inserted_at)}"
