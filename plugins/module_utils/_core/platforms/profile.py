"""A platform's table of names, and what it says of a table, a role or an object of a dump.

On a hosted database nobody is a superuser. Whoever connects owns what they made, and the platform owns the rest: its
schemas, its roles, its event triggers. A backup has all of it that can be read, so that it can be restored anywhere;
where the platform's own are there already they stay as they are, and only the rows in them are the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..postgres.archive import TocEntry
from ..postgres.names import TableName

_CALLS = re.compile(r"EXECUTE (?:FUNCTION|PROCEDURE) (?:\"((?:[^\"]|\"\")+)\"|([^\s\".(]+))\.")
_ATTACHED = ("ACL", "COMMENT", "SECURITY LABEL")
_PLATFORMS_BY_PLACE = ("AGGREGATE", "FUNCTION", "OPERATOR", "PROCEDURE", "SCHEMA", "TYPE")
"""Kinds that are the platform's in its schemas whoever owns them: it makes some as the user's own role."""


@dataclass(frozen=True)
class Profile:
    """What a hosting platform owns in a database: schemas, roles, tables.

    :param title: for people.
    :param database: that which every project has, and none can rename or make anew.
    :param role: whom a project's owner connects as: reserved, and yet what it owns is the user's.
    :param schemas: patterns of the platform's schemas.
    :param rows_kept: those of them in which rows are the user's.
    :param rows_left: tables in these whose rows are the platform's.
    :param secret: schemas whose rows are never dumped: nothing but the project itself can read them.
    :param roles: patterns of reserved roles.
    :param publications: patterns of those that every project has.
    :param calling: schemas with functions of the platform that triggers of users call.
    """

    name: str
    title: str
    database: str
    role: str
    schemas: tuple[str, ...]
    rows_kept: frozenset[str]
    rows_left: frozenset[TableName]
    secret: frozenset[str]
    roles: tuple[str, ...]
    publications: tuple[str, ...] = ()
    calling: frozenset[str] = frozenset()

    def has_schema(self, schema: str) -> bool:
        """Whether the schema belongs to the platform."""
        return _any(self.schemas, schema)

    def is_reserved(self, role: str) -> bool:
        """Whether a role is the platform's to make, change and drop."""
        return _any(self.roles, role)

    def owns(self, role: str) -> bool:
        """Whether what belongs to a role is the platform's."""
        return role != self.role and self.is_reserved(role)

    def leaves_rows(self, table: TableName, owner: str) -> bool:
        """Whether a backup is made without a table's rows."""
        schema, _name = table
        if schema in self.secret or table in self.rows_left:
            return True
        return self.has_schema(schema) and schema not in self.rows_kept and self.owns(owner)

    def spares(self, table: TableName) -> bool:
        """Whether a backup can do without a table or sequence: no rows of the user's are in it."""
        schema, _name = table
        return self.has_schema(schema) and (schema not in self.rows_kept or table in self.rows_left)

    def has(self, entry: TocEntry) -> bool:
        """Whether an object of a dump is the platform's."""
        if entry.desc == "EXTENSION":
            return False
        schema, kind = entry.namespace, entry.desc
        if kind in _ATTACHED:
            kind, _space, name = entry.tag.partition(" ")
            schema = name if kind == "SCHEMA" else schema
        if kind == "SCHEMA":
            return self.has_schema(schema or entry.tag)
        if kind == "PUBLICATION" and _any(self.publications, entry.tag.removeprefix("PUBLICATION ")):
            return True
        if not self.has_schema(schema):
            return self.owns(entry.owner)
        if entry.desc == "POLICY":
            return False
        if entry.desc == "TRIGGER":
            return self._calls_platform(entry)
        return kind in _PLATFORMS_BY_PLACE or self.owns(entry.owner)

    def is_on_platform(self, entry: TocEntry) -> bool:
        """Whether it is something of the user's that belongs to a table of the platform."""
        return entry.desc in ("POLICY", "TRIGGER") and self.has_schema(entry.namespace) and not self.has(entry)

    def _calls_platform(self, entry: TocEntry) -> bool:
        found = _CALLS.search(entry.defn)
        schema = "" if found is None else (found[1] or found[2])
        return self.has_schema(schema) and schema not in self.calling


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
