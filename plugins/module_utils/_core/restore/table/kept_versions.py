"""Older versions of a table that restores have kept beside it: their names and what their comments remember."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...postgres.names import MAX_NAME_BYTES, TableName, shortened
from ..comment_note import MARK, CommentNote
from .session import Session

REPLACED, UNDONE = "replaced", "undone"

_COMMENTED = """
SELECT n.nspname, c.relname, c.oid, d.description
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0
 AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind = 'r' AND n.nspname = %s AND pg_catalog.strpos(d.description, %s) > 0
"""


@dataclass(frozen=True)
class Note(CommentNote):
    """The note in the comment of a kept table.

    :param table: schema and name of the table that it is an older version of.
    :param kind: ``replaced`` by a restore, or ``undone``: what was restored and then taken back.
    :param backup: the set or file that was restored.
    :param time: when it was exchanged, UTC.
    """

    table: TableName
    kind: str
    backup: str
    time: str

    @classmethod
    def of_fields(cls, fields: Any) -> Note:
        """See :meth:`CommentNote.of_fields`."""
        schema, table = fields.pop("table")
        return cls((schema, table), **fields)


@dataclass(frozen=True)
class Kept:
    """An older version of a table that a restore has kept."""

    oid: int
    name: TableName
    note: Note


def kept_versions(session: Session, table: TableName) -> list[Kept]:
    """The kept versions of *table*, the newest first."""
    found = []
    for schema, name, oid, comment in session.rows(_COMMENTED, [table[0], MARK]):
        note = Note.parse(comment)
        if note is not None and note.table == table:
            found.append(Kept(oid, (schema, name), note))
    return sorted(found, key=_age, reverse=True)


def _age(kept: Kept) -> tuple[str, TableName]:
    return kept.note.time, kept.name


def stamp(now: datetime) -> str:
    """The id of a restore: ``20261124213455``."""
    return f"{now:%Y%m%d%H%M%S}"


def old_name(name: str, restore_id: str, taken: Collection[str]) -> str:
    """``<name>_old_<id>``, cut to what the server takes, and unlike all that are *taken*."""
    number = 1
    while True:
        suffix = f"_old_{restore_id}" + (f"_{number}" if number > 1 else "")
        stem = shortened(name, MAX_NAME_BYTES - len(suffix))
        if stem + suffix not in taken:
            return stem + suffix
        number += 1
