"""Code of other people's that reading a relation would run, with the rights of whoever reads.

A view's functions run when it is read, a foreign table's wrapper is asked. The planner also evaluates the constant
parts of a table's index expressions, index predicates and statistics, so that even ``count(*)`` calls their functions.
COPY of a table runs nothing but the output functions of its types, which only a superuser can make.

Whatever belongs to a superuser, or to the role that reads, is trusted: they can do what they like already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import PreflightError
from ..texts import bounded_list
from .names import TableName, display_name
from .tables import FIRST_USER_OID
from .types import Connection, Cursor

STEP = "check what is read"
RESTRICTION = "restrict_nonsystem_relation_kind"
"""The setting by which a server refuses to read what is no table; it came with the fix of CVE-2024-7348."""
_RESTRICTS_SINCE = {12: 120020, 13: 130016, 14: 140013, 15: 150008, 16: 160004}

TRUSTED_OWNER = """(c.relowner = (SELECT me.oid FROM pg_catalog.pg_roles me WHERE me.rolname = current_user)
  OR EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.oid = c.relowner AND o.rolsuper))"""
"""A condition on pg_class c."""

_SUPERUSERS = "(SELECT s.oid FROM pg_catalog.pg_roles s WHERE s.rolsuper)"
# Domains: their constraints are checked by functions. What is PostgreSQL's own has no entry in pg_depend.
_PLANNED = f"""EXISTS (
  SELECT FROM (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid AS classid, i.indexrelid AS objid
    FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::oid, x.oid
    FROM pg_catalog.pg_statistic_ext x WHERE x.stxrelid = c.oid) AS part
  JOIN pg_catalog.pg_depend d ON d.classid = part.classid AND d.objid = part.objid
  WHERE (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid IN (
            SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.proowner NOT IN {_SUPERUSERS}))
      OR (d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.refobjid IN (
            SELECT op.oid FROM pg_catalog.pg_operator op JOIN pg_catalog.pg_proc p ON p.oid = op.oprcode
            WHERE p.proowner NOT IN {_SUPERUSERS}))
      OR (d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (
            SELECT t.oid FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
            WHERE 'd' IN (t.typtype, e.typtype) AND t.typowner NOT IN {_SUPERUSERS})))
"""  # noqa: S608 - made of constants
_RELATIONS = f"""
SELECT n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner), {TRUSTED_OWNER},
       CASE WHEN {TRUSTED_OWNER} THEN false ELSE {_PLANNED} END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= {FIRST_USER_OID} AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
"""  # noqa: S608 - made of constants
_OF_SOME = """ AND (n.nspname, c.relname) IN (
  SELECT * FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS wanted (schema, name))"""
_OF_SESSION = """ AND c.oid IN (
  SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.pid = %s AND l.locktype = 'relation' AND l.database = (
    SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))"""


def knows_restriction(server_version_num: int) -> bool:
    """Whether a server has :data:`RESTRICTION`: versions before 17 have had it from a minor release on."""
    return server_version_num >= _RESTRICTS_SINCE.get(server_version_num // 10000, 170000)


@dataclass(frozen=True)
class ReadRelation:
    """A table or view that a query reads.

    :param relkind: as pg_class has it.
    :param trusted: whether it belongs to a superuser or to the role itself.
    :param planned: whether to plan a query of it runs functions that are not a superuser's.
    """

    table: TableName
    relkind: str
    owner: str
    trusted: bool
    planned: bool

    @property
    def problem(self) -> str | None:
        """The code of other roles that reading it would execute; None if there is none."""
        if self.trusted:
            return None
        name = display_name(self.table)
        if self.relkind in "vf":
            return f"{name} is a {'view' if self.relkind == 'v' else 'foreign table'} of role {self.owner!r}"
        return f"{name} has indexes or statistics with functions of its owner {self.owner!r}" if self.planned else None


def relations_locked_by(cursor: Cursor, pid: int) -> list[ReadRelation]:
    """What of the database's relations a session has locked, as *cursor* sees them."""
    cursor.execute(_RELATIONS + _OF_SESSION, [pid])
    return [_relation(row) for row in cursor.fetchall()]


def planned_code(connection: Connection, tables: Sequence[TableName]) -> list[TableName]:
    """Those of *tables* that a query must not read, as the session sees them."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RELATIONS + _OF_SOME, [[schema for schema, _name in tables], [name for _schema, name in tables]]
        )
        found = {one.table: one for one in map(_relation, cursor.fetchall())}
    return [table for table in tables if table in found and found[table].problem is not None]


def refuse_foreign_code(relations: Sequence[ReadRelation]) -> None:
    """Raise :class:`PreflightError` naming the relations whose owners' code a query would run."""
    if problems := [problem for one in relations if (problem := one.problem) is not None]:
        raise PreflightError(
            STEP,
            f"reading it would run code of others with this role's rights: {bounded_list(problems)}",
            hint="connect as that role to export it, or give it to a superuser; docs/security.md says why",
        )


def _relation(row: tuple[str, str, str, str, bool, bool]) -> ReadRelation:
    schema, name, relkind, owner, trusted, planned = row
    return ReadRelation((schema, name), relkind, owner, trusted, planned)
