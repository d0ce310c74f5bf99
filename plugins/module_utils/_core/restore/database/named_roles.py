"""Roles that a dump's entries name: whom they belong to, who has rights in them, and whom policies are for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...postgres.archive import TocEntry
from ...postgres.names import IDENTIFIER, unquote
from .globals_script import split_statements

IMPLICIT = "pg_database_owner"
"""The owner of a database is a member of it without being told so."""
_GRANT = re.compile(
    rf"(?:ALTER DEFAULT PRIVILEGES FOR ROLE (?P<maker>{IDENTIFIER}) .*?)?"
    rf"(?:GRANT|REVOKE) .* (?:TO|FROM) (?P<grantee>{IDENTIFIER})(?: WITH GRANT OPTION)?",
    re.DOTALL,
)
_GRANTOR = re.compile(rf"SET SESSION AUTHORIZATION ({IDENTIFIER})")
_POLICY = re.compile(rf"CREATE POLICY .*? TO ({IDENTIFIER}(?:, {IDENTIFIER})*)(?: USING | WITH CHECK |;)", re.DOTALL)
_MAPPING = re.compile(rf"CREATE USER MAPPING FOR ({IDENTIFIER}) SERVER ")
_OF_DATABASE = re.compile(rf"ALTER ROLE ({IDENTIFIER}) IN DATABASE ")
_ROLE = re.compile(IDENTIFIER)
_NO_ROLE = frozenset({"PUBLIC", "CURRENT_USER", "DEFAULT", ""})


def roles_of_entry(entry: TocEntry) -> set[str]:
    """Everybody who has to be on the server for this entry to be carried out."""
    return {entry.owner, *_named(entry)} - _NO_ROLE


def _named(entry: TocEntry) -> Iterator[str]:
    if entry.desc in ("ACL", "DEFAULT ACL"):
        for statement in split_statements(entry.defn):
            if match := _GRANT.fullmatch(statement):
                yield from (unquote(name) for name in (match["maker"], match["grantee"]) if name)
            elif match := _GRANTOR.fullmatch(statement):
                yield unquote(match[1])
    elif entry.desc == "DATABASE PROPERTIES":
        for statement in split_statements(entry.defn):
            if match := _OF_DATABASE.match(statement):
                yield unquote(match[1])
    elif entry.desc == "POLICY" and (match := _POLICY.match(entry.defn)):
        yield from map(unquote, _ROLE.findall(match[1]))
    elif entry.desc == "USER MAPPING" and (match := _MAPPING.match(entry.defn)):
        # The name for everybody is written in small letters there.
        yield from {unquote(match[1])} - {"public"}
