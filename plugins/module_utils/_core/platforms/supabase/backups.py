"""The backups that the platform makes of a project by itself: daily ones, point-in-time recovery and restore points."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any

from ...documents.records import Later, ListOf, Nullable, Record
from ...documents.values import FieldType, Flag, Integer, Parsed, Text
from .client import ApiError, Client, read_answer
from .project import MOMENT, moment

STEP = "list the managed backups"
POINT_STEP = "look at the restore points"
COMPLETED = "COMPLETED"
NOT_MADE = frozenset({"FAILED", "CANCELLED"})
AVAILABLE = "AVAILABLE"
PATH = "/database/backups"

_WORD = Text(r"[A-Z0-9_]{1,60}", "a state in capitals")
_LATEST = 253402300799
"""The end of the year 9999, in seconds since 1970."""


def _from_unix(seconds: int | None) -> datetime | None:
    # 0 is no moment: it stands where there is none.
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None


@dataclass(frozen=True)
class ManagedBackup:
    """One daily backup that the platform has made."""

    id: Annotated[int, Integer()]
    is_physical_backup: Annotated[bool, Flag()]
    status: Annotated[str, _WORD]
    inserted_at: Annotated[datetime, MOMENT]

    @property
    def good(self) -> bool:
        return self.status == COMPLETED

    def to_dict(self, now: datetime) -> dict[str, Any]:
        """The backup as a module returns it."""
        return {
            "id": self.id,
            "status": self.status,
            "type": "physical" if self.is_physical_backup else "logical",
            "time": moment(self.inserted_at),
            "age": int((now - self.inserted_at).total_seconds()),
        }


@dataclass(frozen=True)
class _Window:
    earliest_physical_backup_date_unix: Annotated[int | None, Later(Integer(0, _LATEST))]
    latest_physical_backup_date_unix: Annotated[int | None, Later(Integer(0, _LATEST))]


@dataclass(frozen=True)
class Backups:
    """The backups and the recovery window that the API lists."""

    region: Annotated[str, Text()]
    walg_enabled: Annotated[bool, Flag()]
    pitr_enabled: Annotated[bool, Flag()]
    backups: Annotated[tuple[ManagedBackup, ...], ListOf(Record(ManagedBackup))]
    # Described as an object; null was met.
    physical_backup_data: Annotated[_Window | None, Nullable(Record(_Window))]

    @property
    def newest_first(self) -> list[ManagedBackup]:
        return sorted(self.backups, key=lambda one: (one.inserted_at, one.id), reverse=True)

    @property
    def newest_good(self) -> ManagedBackup | None:
        return next((one for one in self.newest_first if one.good), None)

    @property
    def earliest(self) -> datetime | None:
        """The first moment that the physical backups reach; with PITR it can be restored to."""
        window = self.physical_backup_data
        return None if window is None else _from_unix(window.earliest_physical_backup_date_unix)

    @property
    def latest(self) -> datetime | None:
        """The end of the recovery window (UTC); None without point-in-time recovery."""
        window = self.physical_backup_data
        return None if window is None else _from_unix(window.latest_physical_backup_date_unix)


@dataclass(frozen=True)
class RestorePoint:
    """A moment with a name, to which the database can be taken back."""

    name: Annotated[str, Text()]
    status: Annotated[str, _WORD]
    completed_on: Annotated[datetime | None, Later(MOMENT)]

    def to_dict(self) -> dict[str, Any]:
        """The restore point as a module returns it."""
        completed = None if self.completed_on is None else moment(self.completed_on)
        return {"name": self.name, "status": self.status, "completed": completed}


def _check_time_of_day(text: str) -> str:
    datetime.strptime(text, "%H:%M:%S")
    return text


@dataclass(frozen=True)
class _Schedule:
    schedule_for: Annotated[str, Parsed(_check_time_of_day, r"[0-9:]{8}", "a time of day like '04:00:00'")]


_BACKUPS = Record(Backups)
POINT: FieldType[RestorePoint] = Record(RestorePoint)
_POINTS = ListOf(POINT)
_SCHEDULE = Record(_Schedule)


def read_backups(client: Client) -> Backups:
    """Ask for all backups of the project.

    :raises ApiError: the API refused, or answered something else.
    """
    return read_answer(_BACKUPS, client.get(STEP, PATH), STEP)


def read_points(client: Client, name: str | None = None) -> tuple[RestorePoint, ...]:
    """The restore points that the API tells of: one at most, as it is described, but a list is understood, too.

    :param name: only that one.
    :raises ApiError: it refused, as it does where a project cannot have any.
    """
    try:
        found = client.get(POINT_STEP, f"{PATH}/restore-point", None if name is None else {"name": name})
    except ApiError as error:
        if error.status == 404:
            return ()
        raise
    if found is None or found == {}:
        return ()
    points = read_answer(_POINTS, found if isinstance(found, list) else [found], POINT_STEP)
    return tuple(one for one in points if name is None or one.name == name)


def read_schedule(client: Client) -> str | None:
    """When the daily backup is made, as a time of day in UTC; None where the project or its plan has none."""
    step = "look at the backups' schedule"
    try:
        return read_answer(_SCHEDULE, client.get(step, f"{PATH}/schedule"), step).schedule_for
    except ApiError as error:
        # It is told beside the backups, and they do without.
        if error.status in (400, 402, 403, 404):
            return None
        raise
