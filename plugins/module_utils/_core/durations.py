"""Times, and lengths of time as people write them: a number and a unit, which means the same in every option.

``s``, ``m``, ``h``, ``d`` and ``w`` are seconds, minutes, hours, days and weeks; ``mo`` and ``y`` are months and years
of the calendar. Retention policies alone take those two, and in return nothing that is shorter than a day.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from .errors import ConfigError

STEP = "check the options"
_LENGTH = re.compile(r"([0-9]{1,9}) ?(s|m|h|d|w|mo|y)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CALENDAR = {"mo": 30, "y": 365}
_LONGEST = 100 * 366 * 86400


def split_length(text: str) -> tuple[int, str] | None:
    """The number and the unit of a length of time, an empty one where it has none; None for anything else."""
    match = _LENGTH.fullmatch(text)
    return (int(match[1]), match[2] or "") if match else None


def parse_duration(text: object, what: str) -> timedelta:
    """``90s``, ``30m``, ``26h``, ``8d`` or ``2w``; a number alone is seconds.

    :raises ConfigError: naming *what*; it is anything else, nothing, or more than a century.
    """
    number, unit = split_length(str(text)) or (0, "")
    if number and unit in _CALENDAR:
        hint = f"say it in days, {number * _CALENDAR[unit]}d (and m is minutes)"
        raise ConfigError(STEP, f"{what}: {text!r}: months and years have no fixed length", hint=hint)
    seconds = number * _SECONDS[unit or "s"]
    if not 0 < seconds <= _LONGEST:
        raise ConfigError(STEP, f"{what}: {text!r:.60} is no length of time", hint="90s, 30m, 26h, 8d or 2w")
    return timedelta(seconds=seconds)


def parse_time(text: str, what: str) -> datetime:
    """``2026-11-23`` or ``2026-11-23T06:00:00Z``, in UTC; without a zone it is UTC.

    :raises ConfigError: naming *what*; it is anything else.
    """
    try:
        found = datetime.fromisoformat(text.strip().upper().replace("Z", "+00:00"))
        return found.replace(tzinfo=timezone.utc) if found.utcoffset() is None else found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        hint = "for example 2026-11-23 or 2026-11-23T06:00:00Z"
        raise ConfigError(STEP, f"{what}: {text!r:.60} is no time", hint=hint) from None


def readable_duration(time: timedelta) -> str:
    """For people, in the largest unit of which there are two: ``36 hours``, ``9 days``."""
    seconds = int(time.total_seconds())
    for unit, name in (("d", "days"), ("h", "hours"), ("m", "minutes")):
        if seconds >= 2 * _SECONDS[unit]:
            return f"{seconds // _SECONDS[unit]:,} {name}"
    return f"{seconds} seconds"
