"""The names of databases that are being made or kept, and what their comments remember."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...postgres.names import MAX_NAME_BYTES, shortened
from ..comment_note import CommentNote

_STAMP_DIGITS = 14
LOADING, REPLACED, UNDONE = "loading", "replaced", "undone"


def beside(database: str, word: str, now: datetime, taken: Collection[str]) -> str:
    """The name of another version of *database*: ``shop_new_20261124213455``, cut to what the server takes.

    :param taken: the names of all databases there are.
    """
    while True:
        suffix = f"_{word}_{now:%Y%m%d%H%M%S}"
        stem = shortened(database, MAX_NAME_BYTES - len(suffix))
        if stem + suffix not in taken:
            return stem + suffix
        now += timedelta(seconds=1)


def is_beside(name: str, database: str, word: str) -> bool:
    """Whether *name* is one that :func:`beside` makes."""
    digits = name[-_STAMP_DIGITS:]
    if not digits.isdecimal() or not digits.isascii() or len(digits) != _STAMP_DIGITS:
        return False
    suffix = f"_{word}_{digits}"
    return name == shortened(database, MAX_NAME_BYTES - len(suffix)) + suffix


@dataclass(frozen=True)
class Note(CommentNote):
    """What the comment of a database that is not in use says of it.

    :param database: the name of the database that it is another version of.
    :param kind: ``loading``: being made by a restore; ``replaced``: what a restore has replaced; ``undone``: what was
        restored and then taken back.
    :param backup: the set or file that was restored.
    :param time: when this was written, UTC.
    :param comment: the comment that it had before.
    :param subscriptions: those that were disabled when it was set aside.
    """

    database: str
    kind: str
    backup: str
    time: str
    comment: str | None = None
    subscriptions: tuple[str, ...] = ()

    @classmethod
    def of_fields(cls, fields: Any) -> Note:
        """See :meth:`CommentNote.of_fields`."""
        return cls(**{**fields, "subscriptions": tuple(map(str, fields.get("subscriptions", ())))})
