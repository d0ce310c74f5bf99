"""What a restore has paused, remembered by the database itself: in one line at the end of its comment.

There it goes with the database wherever that is renamed to, is in every dump of it, belongs to none of the objects that
are compared, and can be read by a person: ``\\l+`` in psql.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...postgres.archive import Toc
from ...texts import bounded_list
from . import kinds

MARK = "Paused by mobul.backup until restore_database has state resumed: "
_OF_A_TABLE = (kinds.TRIGGER, kinds.RULE)
_SWITCHED = (kinds.TRIGGER, kinds.EVENT_TRIGGER, kinds.RULE)
_COMMENT = re.compile(r"\ACOMMENT ON DATABASE .*? IS '(.*)';\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Paused:
    """One object that was disabled and does nothing until it is resumed.

    :param kind: ``trigger``, ``event trigger``, ``rule``, ``subscription``, ``job`` or ``materialized view``.
    :param schema: of the table that it is on, or that a job is a row of; a materialized view's own.
    :param relation: that table.
    :param name: of the object; of a job its number.
    :param state: what it was: a letter of ``pg_trigger.tgenabled``, or the column that says whether a job is active.
    :param why: how it calls out.
    :param oid: of the object; 0 for a job, or in what comes from another database.
    """

    kind: str
    schema: str
    relation: str
    name: str
    state: str
    why: str
    oid: int = 0

    def __str__(self) -> str:
        if self.kind == kinds.MATERIALIZED_VIEW:
            return f"{self.kind} {self.schema}.{self.name}"
        return f"{self.kind} {self.name}" + (f" on {self.schema}.{self.relation}" if self.schema else "")

    @property
    def entry(self) -> str:
        """The object as a dump's table of contents names it; empty for what is a row, or as it was."""
        if self.kind in _OF_A_TABLE:
            return f"{self.kind.upper()} {self.schema}.{self.relation} {self.name}"
        return "" if self.kind in (kinds.JOB, kinds.MATERIALIZED_VIEW) else f"{self.kind.upper()} {self.name}"

    def as_result(self) -> dict[str, str]:
        """Its kind, name and reason, as a module returns them."""
        return {"kind": self.kind, "name": str(self).removeprefix(f"{self.kind} "), "why": self.why}

    @classmethod
    def parse(cls, fields: Any) -> Paused:
        """Read it from JSON of the server or of a comment.

        :raises ValueError: it is none of ours.
        """
        texts = {name: str(fields[name]) for name in ("kind", "schema", "relation", "name", "state", "why")}
        found = cls(oid=int(fields.get("oid", 0)), **texts)
        if found.kind in _SWITCHED and found.state not in kinds.STATES:
            raise ValueError(f"no state of a {found.kind}: {found.state}")
        return found


def paused_in_comment(comment: str | None) -> tuple[Paused, ...]:
    """What the comment of a database says is paused; nothing where it does not, or somebody has spoiled it."""
    line = (comment or "").rpartition(MARK)[2] if MARK in (comment or "") else ""
    try:
        document, _end = json.JSONDecoder().raw_decode(line)
        return tuple(map(Paused.parse, document))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()


def comment_without_paused(comment: str | None) -> str | None:
    """The comment without our line; None where nothing else is in it."""
    if comment is None or MARK not in comment:
        return comment
    return comment.rpartition(MARK)[0].removesuffix("\n") or None


def comment_with_paused(comment: str | None, paused: Sequence[Paused]) -> str | None:
    """A database's comment with the line that :func:`paused_in_comment` reads, in the place of one that it has."""
    before = comment_without_paused(comment)
    if not paused:
        return before
    return line_before(before) + as_json(paused)


def line_before(comment: str | None) -> str:
    """What stands before the JSON of what is paused."""
    return f"{comment}\n{MARK}" if comment else MARK


def as_json(paused: Iterable[Paused]) -> str:
    """The objects as JSON that the server and :meth:`Paused.parse` read."""
    return json.dumps([asdict(one) for one in paused], ensure_ascii=False)


def names_of(paused: Sequence[Paused]) -> str:
    """The first of the names in one line, and how many more there are."""
    return bounded_list([str(one) for one in paused])


def comment_in(toc: Toc | None) -> str | None:
    """The comment of the database of a dump; None where it has none."""
    entries = () if toc is None else toc.entries
    doubled = any(entry.desc == "STDSTRINGS" and "'off'" in entry.defn for entry in entries)
    for entry in entries:
        match = _COMMENT.search(entry.defn) if entry.desc == "COMMENT" and not entry.namespace else None
        if match is not None:
            text = match[1].replace("''", "'")
            return text.replace("\\\\", "\\") if doubled else text
    return None


def paused_in(toc: Toc | None) -> tuple[Paused, ...]:
    """What was paused in the database of a dump when that was made; numbers of its server mean nothing elsewhere."""
    return tuple(replace(one, oid=0) for one in paused_in_comment(comment_in(toc)))


def by_entry(paused: Iterable[Paused]) -> Mapping[str, Paused]:
    """Entry, see :attr:`Paused.entry` -> paused object; without those that have no entry."""
    return {one.entry: one for one in paused if one.entry}
