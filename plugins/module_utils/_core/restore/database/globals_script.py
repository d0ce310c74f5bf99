"""What of pg_dumpall's script of roles may be executed on a server that has roles of its own.

Only roles that are missing are made; nothing that exists is changed, a password least of all. Tablespaces are left
out: whether another server has their directories is for whoever restores to decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ...postgres.names import IDENTIFIER, unquote

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*)
  | (?P<escape>\bE'(?:[^'\\]|''|\\.)*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>"(?:[^"]|"")*")
  | (?P<end>;)
  | (?P<other>[^-'";E]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_META = re.compile(r"\A\\[^\n]*\Z")
_CREATE = re.compile(rf"CREATE ROLE ({IDENTIFIER})\s*\Z")
_ALTER = re.compile(rf"ALTER ROLE ({IDENTIFIER}) (?!IN DATABASE )(?:WITH|SET)\b", re.DOTALL)
_ABOUT = re.compile(rf"(?:COMMENT|SECURITY LABEL(?: FOR {IDENTIFIER})?) ON ROLE ({IDENTIFIER}) IS ", re.DOTALL)
_MEMBERSHIP = re.compile(
    rf"GRANT ({IDENTIFIER}) TO ({IDENTIFIER})(?: WITH [A-Z, ]+?)?(?P<grantor> GRANTED BY {IDENTIFIER})?\Z"
)
_PARAMETER = re.compile(rf"GRANT [A-Z ,]+ ON PARAMETER \S+ TO ({IDENTIFIER})(?: |\Z)")


@dataclass(frozen=True)
class RoleStatement:
    """One statement of the globals script about a role.

    :param role: whom it is about; for messages, which may never show the statement itself.
    :param fallback: what to try where it fails: a membership without its grantor, who may not exist here.
    """

    role: str
    text: str
    fallback: str | None = None


@dataclass(frozen=True)
class RolePlan:
    """Which roles will be made, and how.

    :param left: those that the server lacks and that are not made.
    """

    roles: tuple[str, ...] = ()
    statements: tuple[RoleStatement, ...] = ()
    left: tuple[str, ...] = ()


def plan_roles(script: str, existing: Collection[str]) -> RolePlan:
    """The statements of *script* about roles that are not among the *existing* ones, in their order."""
    statements = list(split_statements(script))
    found = (_CREATE.match(statement) for statement in statements)
    missing = [name for match in found if match and (name := unquote(match[1])) not in existing]
    made = set(missing)
    chosen = (_choose(statement, made) for statement in statements)
    return RolePlan(tuple(missing), tuple(statement for statement in chosen if statement is not None))


def roles_of(script: str) -> set[str]:
    """The names of all roles that the script creates."""
    matches = (_CREATE.match(statement) for statement in split_statements(script))
    return {unquote(match[1]) for match in matches if match}


def split_statements(script: str) -> Iterator[str]:
    """The SQL statements of a script, without comments, semicolons and psql's own commands."""
    pieces: list[str] = []
    # A command of psql takes a whole line, and pg_dumpall begins one only between statements.
    for match in _TOKEN.finditer("".join(_outside(script))):
        if match.lastgroup == "comment":
            continue
        if match.lastgroup == "end":
            if statement := "".join(pieces).strip():
                yield statement
            pieces = []
        else:
            pieces.append(match[0])


def _outside(script: str) -> Iterator[str]:
    """The lines of the script that are SQL and no commands of psql."""
    quote = ""
    for line in script.splitlines(keepends=True):
        if not quote and _META.match(line.rstrip("\r\n")):
            continue
        quote = _open_quote(line, quote)
        yield line


def _open_quote(line: str, quote: str) -> str:
    """The quote that is open at the end of *line* when *quote* was at its beginning."""
    if not quote and line.startswith("--"):
        return ""
    for character in line:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return quote


def _choose(statement: str, made: Collection[str]) -> RoleStatement | None:
    for pattern in (_CREATE, _ALTER, _ABOUT, _PARAMETER):
        if match := pattern.match(statement):
            role = unquote(match[1])
            return RoleStatement(role, statement) if role in made else None
    if match := _MEMBERSHIP.match(statement):
        group, member = unquote(match[1]), unquote(match[2])
        if group not in made and member not in made:
            return None
        without = statement[: match.start("grantor")] if match["grantor"] else None
        return RoleStatement(member, statement, without)
    return None
