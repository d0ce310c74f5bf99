"""What is written beside a set after it was made: that it is held, released, or was restored in a drill.

Each is an object of its own in the set's directory, so that the set itself never changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, ClassVar, TypeVar

from ..documents.document import read_document, write_document
from ..documents.records import ListOf, Nullable, Record
from ..documents.values import Choice, Integer, Time
from ..findings import FAILED, PASSED, Finding
from .fields import ID, NAMED, SHA256
from .naming import HOLDS, RELEASE, SetId

_DRILL_NAME = re.compile(r"verified_[0-9]{8}_[0-9]{4}(?:[0-9]{2})?(?:_[0-9]+)?\.json")

Self = TypeVar("Self", bound="SetRecord")


@dataclass(frozen=True, kw_only=True)
class SetRecord:
    """The fields that all records of a set have: label, id, format version.

    :cvar what: in words.
    :cvar kind: the member ``format``.
    """

    what: ClassVar[str]
    kind: ClassVar[str]

    version: Annotated[int, Integer(1, 1)] = 1
    id: Annotated[SetId, ID]
    label: Annotated[str, NAMED]

    @classmethod
    def parse(cls: type[Self], data: bytes) -> Self:
        """Read one as it is stored; raise :class:`FormatError` where it is none."""
        return read_document(Record(cls), data, what=cls.what, kind=cls.kind, version=1)

    def to_bytes(self) -> bytes:
        """The record as JSON, in the form in which it is stored and signed."""
        return write_document(Record(type(self)), self, what=self.what)


@dataclass(frozen=True, kw_only=True)
class Hold(SetRecord):
    """Nothing takes the set away while this is there, or until its end."""

    what = "hold"
    kind = "mobul.backup/hold"

    format: Annotated[str, Choice(kind)] = kind
    held_at: Annotated[datetime, Time()]
    reason: Annotated[str, NAMED, "For whom and why: an incident's reference, say."]
    until: Annotated[datetime | None, Nullable(Time()), "Null is until it is released."] = None

    @property
    def time(self) -> datetime:
        """When the hold was placed, as the record says (UTC)."""
        return self.held_at

    def holds_at(self, now: datetime) -> bool:
        """Whether the hold is in force at the time *now*."""
        return self.until is None or now < self.until

    def __str__(self) -> str:
        end = f", until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{self.reason}{end}"


@dataclass(frozen=True, kw_only=True)
class Release(SetRecord):
    """The set was kept until somebody would say that it is not needed any more; this says so."""

    what = "release"
    kind = "mobul.backup/release"

    format: Annotated[str, Choice(kind)] = kind
    released_at: Annotated[datetime, Time()]
    reason: Annotated[str, NAMED]

    @property
    def time(self) -> datetime:
        """When the release was made, as the record says (UTC)."""
        return self.released_at


@dataclass(frozen=True, kw_only=True)
class Drill(SetRecord):
    """The record of a drill: the set was restored for a test, and how that ended."""

    what = "drill's record"
    kind = "mobul.backup/drill"

    format: Annotated[str, Choice(kind)] = kind
    manifest: Annotated[str, SHA256, "SHA-256 of the set's manifest.json."]
    started: Annotated[datetime, Time()]
    finished: Annotated[datetime, Time()]
    verdict: Annotated[str, Choice(PASSED, FAILED)]
    location: Annotated[str, NAMED, "Name of the location that the set was read from."]
    server_version: Annotated[str, NAMED, "Of the server that it was restored into, as that writes it."]
    restore_seconds: Annotated[int, Integer(), "From reading the manifest until the database could be used."]
    findings: Annotated[tuple[Finding, ...], ListOf(Record(Finding)), "What was compared, and how it is."]

    @property
    def time(self) -> datetime:
        """When the drill ended, as the record says (UTC)."""
        return self.finished


@dataclass(frozen=True, kw_only=True)
class Skip(SetRecord):
    """The set was not made, because another backup was running: it has no manifest, and nothing else."""

    what = "record of a backup that was skipped"
    kind = "mobul.backup/skip"

    format: Annotated[str, Choice(kind)] = kind
    reason: Annotated[str, NAMED, "Which session of the server kept it from being made."]


def record_class(name: str) -> type[Hold] | type[Release] | type[Drill] | None:
    """What the object *name* in a set's directory is; None for an artifact or anything else."""
    if _DRILL_NAME.fullmatch(name):
        return Drill
    if name in HOLDS:
        return Hold
    return Release if name == RELEASE else None


def last_to_end(holds: Iterable[Hold]) -> Hold | None:
    """The hold that lets the set go last; there are several while one takes another's place."""
    return max(holds, key=_end, default=None)


def _end(hold: Hold) -> datetime:
    return hold.until or datetime.max.replace(tzinfo=timezone.utc)
