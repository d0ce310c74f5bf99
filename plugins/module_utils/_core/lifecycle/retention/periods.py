"""Lengths of time as a policy gives them: days and weeks, and months and years of the calendar."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...durations import split_length
from ...errors import ConfigError

STEP = "check the policy"

_DAYS = {"d": 1, "w": 7}
_MONTHS = {"mo": 1, "y": 12}
_LONGEST = 100 * 366
_SHORTEST_MONTH = 28
_LONGEST_MONTH = 31
_SHORTEST_YEAR = 365
_LONGEST_YEAR = 366


@dataclass(frozen=True)
class Period:
    """So many days, weeks, months or years, ``90d``, ``6mo``, ``1y``: at least one day, at most a century."""

    number: int
    unit: str

    @classmethod
    def parse(cls, text: object, what: str, *, instead: str = "") -> Period:
        """Read the text form.

        :param instead: what else *what* may be, for whoever gave something that is neither.
        :raises ConfigError: naming *what*; it is anything else.
        """
        number, unit = (isinstance(text, str) and split_length(text)) or (0, "")
        if unit == "m":
            hint = f"{number}mo, if months are meant; a policy counts in days at least"
            raise ConfigError(STEP, f"{what}: {text!r} is in minutes, as m is in every option", hint=hint)
        if unit not in (*_DAYS, *_MONTHS):
            hint = f"a number and d, w, mo or y: 7d, 12w, 6mo, 7y{instead and f'; or {instead}'}"
            raise ConfigError(STEP, f"{what}: {text!r} is no period", hint=hint)
        found = cls(number, unit)
        if found.number == 0:
            raise ConfigError(STEP, f"{what}: a period of {text} would keep nothing", hint="1d at least")
        if found.longest_days > _LONGEST:
            raise ConfigError(STEP, f"{what}: {text} is more than a century", hint=instead or "100y at most")
        return found

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    def after(self, time: datetime) -> datetime:
        """The moment that long after *time*; where a month is too short for the day, that month's end.

        A later *time* never has an earlier end. No end is later than the last moment that Python knows, so that a set
        of the year 9999, which a broken clock may have made, has one, too.
        """
        try:
            return self._after(time)
        except (OverflowError, ValueError):
            return datetime.max.replace(tzinfo=time.tzinfo)

    def _after(self, time: datetime) -> datetime:
        if self.unit in _DAYS:
            return time + timedelta(days=self.number * _DAYS[self.unit])
        years, month = divmod(time.month - 1 + self.number * _MONTHS[self.unit], 12)
        year, month = time.year + years, month + 1
        if time.day <= monthrange(year, month)[1]:
            return time.replace(year=year, month=month)
        midnight = datetime(year, month, 1, tzinfo=time.tzinfo)
        return midnight + timedelta(days=monthrange(year, month)[1])

    @property
    def shortest_days(self) -> int:
        """The smallest number of days that the period can last."""
        return self._days(_SHORTEST_MONTH, _SHORTEST_YEAR)

    @property
    def longest_days(self) -> int:
        """The largest number of days that the period can last, rounded up."""
        return self._days(_LONGEST_MONTH, _LONGEST_YEAR)

    def _days(self, month: int, year: int) -> int:
        return self.number * {**_DAYS, "mo": month, "y": year}[self.unit]
