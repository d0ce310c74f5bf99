"""A project, and the state that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any

from ...documents.records import Record
from ...documents.values import Parsed, Text
from ...errors import PreflightError
from .client import ApiError, Client, read_answer

STEP = "look at the project"

HEALTHY, UNHEALTHY = "ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY"
RESTORING, RESTORE_FAILED = "RESTORING", "RESTORE_FAILED"
PAUSED = frozenset({"INACTIVE", "PAUSING", "PAUSE_FAILED", "GOING_DOWN", "REMOVED"})
USABLE = frozenset({HEALTHY, UNHEALTHY, RESTORE_FAILED})
"""In which the platform may be asked for a restore: one that failed can be tried again."""

_WORD = Text(r"[A-Z0-9_]{1,60}", "a state in capitals")


def parse_moment(text: str) -> datetime:
    """A time of the API in UTC: with or without a zone and a fraction."""
    found = datetime.fromisoformat(text.strip().replace(" ", "T", 1).replace(" ", ""))
    return found.replace(tzinfo=timezone.utc) if found.utcoffset() is None else found.astimezone(timezone.utc)


MOMENT: Parsed[datetime] = Parsed(parse_moment, r"[0-9T:.+ Z-]{10,40}", "a time like '2026-11-23T04:00:00Z'")


@dataclass(frozen=True)
class Server:
    """The database server of a project."""

    host: Annotated[str, Text()]
    version: Annotated[str, Text()]
    postgres_engine: Annotated[str, Text()]


@dataclass(frozen=True)
class Project:
    """The project's state, region and server, as the API says."""

    ref: Annotated[str, Text()]
    name: Annotated[str, Text()]
    region: Annotated[str, Text()]
    created_at: Annotated[datetime, MOMENT]
    status: Annotated[str, _WORD]
    database: Annotated[Server, Record(Server)]

    def to_dict(self) -> dict[str, Any]:
        """The project as a module returns it."""
        return {
            "ref": self.ref,
            "name": self.name,
            "region": self.region,
            "status": self.status,
            "created": moment(self.created_at),
            "host": self.database.host,
            "version": self.database.version,
            "postgres_engine": self.database.postgres_engine,
        }

    def __str__(self) -> str:
        return f"{self.name} ({self.ref})"


_PROJECT = Record(Project)


def read_project(client: Client) -> Project:
    """Ask for the project.

    :raises ApiError: the API refused, or answered something else.
    """
    found = read_answer(_PROJECT, client.get(STEP), STEP)
    if found.ref != client.access.ref:
        raise ApiError(STEP, f"the API answered about {found.ref!r}, and was asked for {client.access.ref}")
    return found


def require_usable(project: Project) -> None:
    """Refuse to act on a project that is paused, or that something is done with."""
    if project.status in USABLE:
        return
    if project.status in PAUSED:
        reason, hint = "it is paused", "start it again in Supabase's dashboard"
    elif project.status == RESTORING:
        reason, hint = "it is being restored", "wait until it is ACTIVE_HEALTHY again: supabase_backup_info shows it"
    else:
        reason, hint = "it is being changed", "wait until it is ACTIVE_HEALTHY: supabase_backup_info shows it"
    raise PreflightError(STEP, f"project {project} is {project.status}: {reason}; nothing was changed", hint=hint)


def moment(time: datetime) -> str:
    """The time as text, as modules return it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
