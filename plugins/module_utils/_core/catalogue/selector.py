"""Which set is asked for: one by its id, the newest, or the newest from before a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ..backupset.naming import EXPORT, SetId
from ..durations import STEP, parse_time
from ..errors import ConfigError

LATEST = "latest"
SAFETY = "pre_restore"
"""The kind of the backup that a restore makes of what it replaces."""
AHEAD = timedelta(minutes=5)
"""How far clocks may be apart; what is further ahead is from a clock that was wrong."""


@dataclass(frozen=True)
class BackupSelector:
    """Which backup the user asked for: an id, the newest, or the newest before a time.

    :param id: None for the newest. That is never a safety backup, which holds what somebody wanted to be rid of, nor
        an export, which is no backup, nor a set from the future, which a wrong clock would make the newest for ever.
    :param before: only sets whose snapshot is older than this, UTC.
    :param mistyped: what was given as an id and is none; told where sets are looked for, with the ids that are like it.
    """

    id: SetId | None = None
    before: datetime | None = None
    mistyped: str | None = None

    @classmethod
    def parse(cls, backup: str, before: str | None = None) -> BackupSelector:
        """From the options ``backup`` and ``before``.

        :raises ConfigError: the time cannot be right, or both were given.
        """
        if backup == LATEST:
            return cls(before=None if before is None else parse_time(before, "before"))
        if before is not None:
            raise ConfigError(STEP, "before belongs to backup: latest, but an id was given", hint="leave one out")
        try:
            return cls(SetId.parse(backup))
        except ConfigError:
            return cls(mistyped=backup)

    def may_select(self, set_id: SetId, now: datetime | None = None) -> bool:
        """Whether the set with this id can be the selected one, judged by the id alone."""
        if self.id is not None:
            return set_id == self.id
        if self.mistyped is not None or set_id.kind in (SAFETY, EXPORT) or is_ahead(set_id, now):
            return False
        return self.before is None or set_id.time < self.before

    def __str__(self) -> str:
        if self.id is not None or self.mistyped is not None:
            return str(self.id or self.mistyped)
        return LATEST if self.before is None else f"newest before {self.before:%Y-%m-%d %H:%M:%S} UTC"


NEWEST = BackupSelector()
"""The newest set."""


def is_ahead(set_id: SetId, now: datetime | None = None) -> bool:
    """Whether a set is from the future.

    :param now: UTC; None for the clock's time.
    """
    return set_id.time > (now or datetime.now(timezone.utc)) + AHEAD
