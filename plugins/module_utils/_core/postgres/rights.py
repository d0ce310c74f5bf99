"""What a role must be able to read for a dump of a whole database, and what of that it cannot.

pg_dump locks and copies ordinary tables, locks partitioned ones, reads sequences and large objects; of views,
materialized views and foreign tables it takes the definition only. Of an extension's objects it reads the
configuration tables alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..texts import bounded_list
from .names import TableName, display_name
from .tables import NOT_OF_EXTENSION, NOT_SYSTEM
from .types import Cursor

# Of one row of pg_roles called role, so that the same is asked for ourselves and for others.
_RELATIONS = f"""
WITH configuration AS (
    SELECT pg_catalog.unnest(extconfig) AS oid FROM pg_catalog.pg_extension
), wanted AS (
    SELECT c.oid, c.relname, c.relkind, n.nspname,
           pg_catalog.has_schema_privilege(role.oid, n.oid, 'USAGE') AS reachable,
           c.relrowsecurity AND NOT role.rolsuper AND NOT role.rolbypassrls
             AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(role.oid, c.relowner, 'USAGE')) AS limited
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S') AND {NOT_SYSTEM}
      AND ({NOT_OF_EXTENSION} OR c.oid IN (SELECT oid FROM configuration))
)
SELECT nspname, relname, CASE
         WHEN NOT reachable THEN 'schema'
         WHEN relkind = 'S' AND NOT pg_catalog.has_sequence_privilege(role.oid, oid, 'SELECT') THEN 'sequence'
         WHEN relkind <> 'S' AND NOT pg_catalog.has_table_privilege(role.oid, oid, 'SELECT') THEN 'table'
         WHEN relkind = 'r' AND limited THEN 'policy'
       END AS problem
FROM wanted
"""  # noqa: S608 - made of constants

_UNREADABLE = f"""
SELECT checked.* FROM pg_catalog.pg_roles role CROSS JOIN LATERAL ({_RELATIONS}) AS checked
WHERE role.rolname = current_user AND problem IS NOT NULL
ORDER BY nspname COLLATE "C", relname COLLATE "C"
"""  # noqa: S608 - made of constants

_LARGE_OBJECTS = """
SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m
WHERE pg_catalog.current_setting('lo_compat_privileges') = 'off'
  AND NOT pg_catalog.pg_has_role(role.oid, m.lomowner, 'USAGE')
  AND NOT EXISTS (
    SELECT FROM pg_catalog.aclexplode(m.lomacl) AS item WHERE item.privilege_type = 'SELECT'
      AND (item.grantee = 0 OR pg_catalog.pg_has_role(role.oid, item.grantee, 'USAGE'))
  )
"""
# The server has a function for it from version 18 on, where pg_read_all_data may count too.
_LARGE_OBJECTS_18 = """
SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m
WHERE NOT pg_catalog.has_largeobject_privilege(role.oid, m.oid, 'SELECT')
"""

_UNREADABLE_LARGE_OBJECTS = """
SELECT found.oid::text, pg_catalog.count(*) OVER () FROM pg_catalog.pg_roles role CROSS JOIN LATERAL ({}) AS found
WHERE role.rolname = current_user ORDER BY found.oid LIMIT 10
"""

# As SET ROLE may be a session's first statement, what a role can become counts like what it is.
_MAY_DUMP = f"""
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_roles role WHERE pg_catalog.pg_has_role(%s::bigint::oid, role.oid, 'MEMBER')
    AND (role.rolsuper OR NOT EXISTS (SELECT FROM ({_RELATIONS}) AS checked WHERE problem IS NOT NULL)
                          AND NOT EXISTS ({{}}))
)
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Unreadable:
    """What the role cannot read, as one line for a person, and what would help."""

    problem: str
    remedy: str


def unreadable(cursor: Cursor) -> dict[str, list[TableName]]:
    """The tables and sequences that a dump by the current role cannot have, or not whole, by what is the matter."""
    cursor.execute(_UNREADABLE)
    found: dict[str, list[TableName]] = {}
    for schema, name, problem in cursor.fetchall():
        found.setdefault(problem, []).append((schema, name))
    return found


def find_unreadable(
    cursor: Cursor, role: str, server_version_num: int, left_out: Collection[TableName] = ()
) -> list[Unreadable]:
    """Everything that would make a dump by the current role fail or be partial; empty for a superuser.

    :param left_out: tables and sequences that the dump does without.
    """
    kinds = {problem: [one for one in names if one not in left_out] for problem, names in unreadable(cursor).items()}
    found = {problem: names for problem, names in kinds.items() if names}
    result = []
    if schemas := sorted({schema for schema, _name in found.get("schema", [])}):
        result.append(_cannot_read("schema", "schemas", list(map(str, schemas)), len(schemas), role))
    for kind in ("table", "sequence"):
        if names := [display_name(name) for name in found.get(kind, [])]:
            result.append(_cannot_read(kind, f"{kind}s", names, len(names), role))
    result += _large_objects(cursor, role, server_version_num)
    if names := [display_name(name) for name in found.get("policy", [])]:
        result.append(
            Unreadable(
                f"row level security limits what the role sees of {bounded_list(names)}: the dump would be partial",
                f"ALTER ROLE {role} BYPASSRLS, or connect as the tables' owner",
            )
        )
    return result


def may_dump(cursor: Cursor, role: int) -> bool:
    """Whether a session of another role could dump the whole database, as far as rights go.

    :param role: its OID.
    """
    cursor.execute(_MAY_DUMP.format(_large_object_query(cursor.connection.server_version)), [role])
    row = cursor.fetchone()
    return row is not None and bool(row[0])


def _large_object_query(server_version_num: int) -> str:
    return _LARGE_OBJECTS_18 if server_version_num >= 180000 else _LARGE_OBJECTS


def _large_objects(cursor: Cursor, role: str, server_version_num: int) -> list[Unreadable]:
    cursor.execute(_UNREADABLE_LARGE_OBJECTS.format(_large_object_query(server_version_num)))
    rows = cursor.fetchall()
    if not rows:
        return []
    listed = bounded_list([row[0] for row in rows], rows[0][1])
    return [
        Unreadable(
            f"no right to read large object{'s' if rows[0][1] > 1 else ''} {listed}",
            f"GRANT SELECT ON LARGE OBJECT to {role}, or connect as their owner",
        )
    ]


def _cannot_read(one: str, many: str, names: list[str], total: int, role: str) -> Unreadable:
    what = one if total == 1 else many
    return Unreadable(f"no right to read {what} {bounded_list(names, total)}", f"GRANT pg_read_all_data TO {role}")
