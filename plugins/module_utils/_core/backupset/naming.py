"""Names and places: labels, kinds, ids of sets, keys in a location.

A key is the path of an object below a location's root, with ``/`` between its parts:
``<label>/2026/11/23/weekly_20261123_000000/manifest.json``. All times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from ..errors import ConfigError

KINDS = (
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "pre_deploy",
    "pre_migration",
    "post_incident",
    "pre_restore",
    "manual",
    "export",
)
EXPORT = "export"
"""The kind of a set that holds exported tables and no dump: no backup of the database, and so never the newest one."""
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
HOLD = "hold.json"
NEXT_HOLD = "hold.next.json"
"""Where a hold lies while it takes another one's place; it holds as much as :data:`HOLD` does."""
HOLDS = (HOLD, NEXT_HOLD)
RELEASE = "released.json"
SKIPPED = "skipped.json"
"""Lies alone in the directory of a set that was not made, as another backup was running."""
MARK = ".deleting_"
"""What the name of the mark of a deletion under way begins with; 16 hexadecimal digits follow."""
DUMP_PREFIX = "backup_"
"""What the name of each part of a dump begins with."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ID = re.compile(r"([a-z_]+)_([1-9][0-9]{7})_((?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9])")
_NO_KEY = re.compile(r"[\x00-\x1f\x7f\\]")
_MAX_KEY_BYTES = 1024


def check_name(value: str, what: str) -> str:
    """Return *value* if it can be part of a key on every store: letters, digits, ``.``, ``_``, ``-``; no ``..``."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or ".." in value:
        raise ConfigError(
            "check the names",
            f"{what} {value!r} is not usable as a name",
            hint="1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit, without '..'",
        )
    return value


def signature_of(name: str) -> str:
    """The name of the object with the signature of *name*."""
    return f"{name}.sig"


def check_kind(value: str) -> str:
    """Return *value* if it is the name of a kind of backup; raise :class:`ConfigError` if not."""
    if value not in KINDS:
        raise ConfigError("check the names", f"unknown kind {value!r}", hint=f"one of {', '.join(KINDS)}")
    return value


def check_key(key: str) -> str:
    """Return *key* if it is a plain relative path: no ``..``, no empty part, no leading ``/``, no control byte."""
    parts = key.split("/") if isinstance(key, str) else []
    bad = (
        not parts
        or any(part in ("", ".", "..") for part in parts)
        or _NO_KEY.search(key)
        or len(key.encode("utf-8", "surrogatepass")) > _MAX_KEY_BYTES
    )
    if bad:
        raise ConfigError("check the names", f"{key!r} is not usable as the name of an object")
    return key


class SetId(NamedTuple):
    """The identity of one backup set; its text form is ``<kind>_<YYYYMMDD>_<HHMMSS>``. Orders by time.

    A tuple, because a catalogue compares and looks up ten thousand of them again and again.
    """

    time: datetime
    kind: str

    @classmethod
    def parse(cls, text: str) -> SetId:
        """Read the text form; raise :class:`ConfigError` on anything else."""
        match = _ID.fullmatch(text) if isinstance(text, str) else None
        if match and match[1] in KINDS:
            try:
                # strptime takes many times as long.
                return cls(datetime.fromisoformat(f"{match[2]}T{match[3]}Z"), match[1])
            except ValueError:
                pass
        raise ConfigError(
            "check the names", f"{text!r} is not the id of a backup", hint="for example weekly_20261123_000000"
        )

    def __str__(self) -> str:
        # strftime takes three times as long.
        at = self.time
        return f"{self.kind}_{at.year:04}{at.month:02}{at.day:02}_{at.hour:02}{at.minute:02}{at.second:02}"

    @property
    def is_backup(self) -> bool:
        """Whether the set is a backup of the whole database and not an export."""
        return self.kind != EXPORT

    @property
    def stamp(self) -> str:
        """What the artifacts' names carry: ``20261123_0000``."""
        return f"{self.time:%Y%m%d_%H%M}"

    def directory(self, label: str) -> str:
        """The key of the set's directory, without a slash at its end."""
        return f"{self.day(label)}/{self}"

    def day(self, label: str) -> str:
        """The key of the directory that holds all sets of the same day."""
        return f"{label}/{self.time.year:04}/{self.time.month:02}/{self.time.day:02}"


def next_id(kind: str, now: datetime, taken: Callable[[SetId], bool]) -> SetId:
    """The id of a set begun at *now*: the first whole second from then on that is free.

    A clock that stepped back meets the ids of the hour it lives through again, and two runs may begin in one second;
    neither may reuse an id.

    :param now: with its zone, whichever that is.
    :param taken: whether anything is stored under an id already.
    """
    if now.utcoffset() is None:
        raise ValueError("a time without its zone has no place in an id")
    candidate = SetId(now.astimezone(timezone.utc).replace(microsecond=0), check_kind(kind))
    while taken(candidate):
        candidate = SetId(candidate.time + timedelta(seconds=1), kind)
    return candidate
