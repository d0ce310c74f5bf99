"""What would be in the way of making something anew: names that are taken, roles and tablespaces that are not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ....errors import PreflightError
from ....postgres.archive import TocEntry, object_name
from ....postgres.names import IDENTIFIER, display_name, unquote
from ....texts import bounded_list
from ...database.named_roles import roles_of_entry
from ..rights import Needed, check_rights, owners_of, places_of
from ..session import Session
from .lost_objects import NOTHING_TOUCHED, STEP

_RELATIONS = ("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX")
_TYPES = ("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "TYPE", "DOMAIN")
_KINDS = {
    "r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence",
    "i": "index", "I": "index", "c": "type",
}  # fmt: skip
_TAKEN = """
SELECT n.nspname, c.relname, c.relkind::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN ROWS FROM (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(names)s::text[])) AS w (schema, name)
  ON n.nspname = w.schema AND c.relname = w.name
"""
# The type of a table's arrays makes room for a type of its name.
_TAKEN_TYPES = """
SELECT n.nspname, t.typname, 'c' FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN ROWS FROM (pg_catalog.unnest(%(schemas)s::text[]), pg_catalog.unnest(%(names)s::text[])) AS w (schema, name)
  ON n.nspname = w.schema AND t.typname = w.name
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
"""


def refuse_obstacles(session: Session, made: Sequence[TocEntry]) -> None:
    """Raise one error that names everything that prevents the recreation.

    :raises PreflightError: a name is taken, or a role or tablespace is missing.
    """
    with session.at(STEP):
        if taken := _taken(session, made):
            raise PreflightError(
                STEP,
                f"names that the backup has for something else are taken: {bounded_list(taken, limit=30)}",
                hint=f"drop or rename what has them; {NOTHING_TOUCHED}",
            )
        if lacking := _lacking_roles(session, made):
            raise PreflightError(
                STEP,
                f"roles that own what is to be made, or have rights on it, are not on the server: {'; '.join(lacking)}",
                hint=f"CREATE ROLE them, or name what they have rights on in expected_differences; {NOTHING_TOUCHED}",
            )
        spaces = {entry.tablespace for entry in made} - {""}
        there = {name for (name,) in session.rows("SELECT spcname FROM pg_catalog.pg_tablespace")}
        if absent := sorted(spaces - there):
            raise PreflightError(
                STEP,
                f"the backup uses tablespaces that the server does not have: {bounded_list(absent)}",
                hint=f"CREATE TABLESPACE them first; {NOTHING_TOUCHED}",
            )
        check_rights(session, _needed(made))


def _needed(made: Sequence[TocEntry]) -> Needed:
    """What only a role may do that may do something in the database and in its schemas."""
    return Needed(
        owners=owners_of(made),
        what="what is to be made",
        in_database=("CREATE",) if any(entry.desc == "SCHEMA" for entry in made) else (),
        in_schemas=places_of(made),
    )


def _taken(session: Session, made: Sequence[TocEntry]) -> list[str]:
    relations = {name for entry in made for name in _relation_names(entry)}
    types = {(entry.namespace, entry.tag) for entry in made if entry.desc in _TYPES}
    found: dict[tuple[str, str], str] = {}
    for query, names in ((_TAKEN_TYPES, types), (_TAKEN, relations)):
        given = {"schemas": [schema for schema, _name in names], "names": [name for _schema, name in names]}
        found |= {(schema, name): kind for schema, name, kind in session.rows(query, given)}
    return [f"{_KINDS.get(kind, 'relation')} {display_name(name)}" for name, kind in sorted(found.items())]


def _relation_names(entry: TocEntry) -> Iterator[tuple[str, str]]:
    if entry.desc in _RELATIONS:
        yield entry.namespace, entry.tag
    elif entry.desc == "CONSTRAINT" and (match := re.search(rf" ADD CONSTRAINT ({IDENTIFIER}) ", entry.defn)):
        yield entry.namespace, unquote(match[1])


def _lacking_roles(session: Session, made: Sequence[TocEntry]) -> list[str]:
    known = {name for (name,) in session.rows("SELECT rolname FROM pg_catalog.pg_roles")}
    lacking: dict[str, list[str]] = {}
    for entry in made:
        for role in roles_of_entry(entry) - known:
            lacking.setdefault(role, []).append(object_name(entry))
    return [f"{role!r} ({bounded_list(names, limit=3)})" for role, names in sorted(lacking.items())]
