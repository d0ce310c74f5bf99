"""What a table that is still there has lost when another one was dropped with CASCADE.

That can be a default that took its numbers from a sequence of the other table, a check that called a function on its
rows, or a column of their type. The first two are given back. A column's values are gone with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ....postgres.archive import TocEntry
from ....postgres.names import IDENTIFIER

_TOKEN = re.compile(r"""\bE'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[(),]""", re.DOTALL)
_HEAD = re.compile(rf"CREATE (?:UNLOGGED |FOREIGN )?TABLE (?P<name>{IDENTIFIER}\.{IDENTIFIER}) [^(]*\(\n")
_CHECK = re.compile(rf"CONSTRAINT (?P<name>{IDENTIFIER}) CHECK ")
_COLUMN = re.compile(rf"(?P<name>{IDENTIFIER}) ")
_QUALIFIED = re.compile(rf"{IDENTIFIER}\.{IDENTIFIER}")
_DEFAULT = " DEFAULT "
_NAMED = frozenset(
    {
        *("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "TYPE", "DOMAIN"),
        *("FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "COLLATION"),
    }
)
"""Kinds of objects that a definition can speak of."""


@dataclass(frozen=True)
class LostParts:
    """The columns' defaults, constraints and other parts that an existing table has lost.

    :param name: of the table, as an object.
    :param statements: that give back what can be given back.
    :param titles: what these are, for a person.
    :param for_ever: what cannot be given back, for a person.
    """

    name: str
    statements: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    for_ever: tuple[str, ...] = ()


def find_lost_parts(name: str, was: str, now: str, made: Sequence[TocEntry]) -> LostParts:
    """Compare two definitions of a table by pg_dump; only what speaks of something that is *made* counts.

    :param was: in the backup.
    """
    head = _HEAD.match(was)
    if head is None:
        return LostParts(name, for_ever=("which is not understood",))
    mentions = _mentioning(made)
    old, inherited = _elements(was)
    new, inherits = _elements(now)
    there = {_name_of(one): one for one in new}
    statements, titles, for_ever = [], [], []
    for one in old:
        found = there.get(_name_of(one))
        if found == one or not mentions.search(one):
            continue
        if check := _CHECK.match(one):
            if found is None:
                statements.append(f"ALTER TABLE {head['name']} ADD {one};")
                titles.append(f"constraint {check['name']}")
        elif found is None:
            for_ever.append(f"it has lost its column {_name_of(one)}")
        elif default := _lost_default(one, found):
            statements.append(f"ALTER TABLE ONLY {head['name']} ALTER COLUMN {_name_of(one)} SET DEFAULT {default};")
            titles.append(f"default of {_name_of(one)}")
    if mentions.search(inherited) and not mentions.search(inherits):
        for_ever.append("it no longer inherits")
    return LostParts(name, tuple(statements), tuple(titles), tuple(for_ever))


def _mentioning(made: Sequence[TocEntry]) -> re.Pattern[str]:
    """Finds where a text of pg_dump speaks of something that is made, by the name with which it would be dropped."""
    found = (_QUALIFIED.search(entry.drop_stmt) for entry in made if entry.desc in _NAMED)
    names = {match[0] for match in found if match is not None}
    # A name within a literal, as that of a sequence is, has its quotes doubled.
    names |= {name.replace("'", "''") for name in names}
    return re.compile(rf'(?<![\w$".])(?:{"|".join(map(re.escape, sorted(names)))})(?![\w$"])')


def _elements(definition: str) -> tuple[list[str], str]:
    """The columns and constraints of a CREATE TABLE, and what stands behind them."""
    head = _HEAD.match(definition)
    if head is None:
        return [], definition
    depth, begin, found = 1, head.end(), []
    for token in _TOKEN.finditer(definition, head.end()):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if (token[0] == "," and depth == 1) or depth == 0:
            found.append(definition[begin : token.start()].strip())
            begin = token.end()
        if depth == 0:
            break
    return [one for one in found if one], definition[begin:]


def _name_of(element: str) -> str:
    match = _CHECK.match(element) or _COLUMN.match(element)
    return "" if match is None else match["name"] if match.re is _COLUMN else f"CONSTRAINT {match['name']}"


def _lost_default(was: str, now: str) -> str | None:
    """The expression without which one definition of a column is the other."""
    place = was.find(_DEFAULT)
    while place >= 0:
        head, rest = was[:place], was[place + len(_DEFAULT) :]
        tail = now[len(head) :]
        if now.startswith(head) and rest.endswith(tail) and len(rest) > len(tail):
            return rest[: len(rest) - len(tail)]
        place = was.find(_DEFAULT, place + 1)
    return None
