"""Default privileges, which must not be in force while a backup's objects are made.

A dump tells of each object what differs from what PostgreSQL gives by itself, and of default privileges at its very
end. Where the database has some already, a table would come back with grants that were revoked from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ....postgres.archive import Toc, TocEntry
from ....postgres.messages import database_errors
from ....postgres.types import Composable, Connection
from .extra_objects import STEP

KIND = "DEFAULT ACL"
_FOUND = """
SELECT pg_catalog.pg_get_userbyid(d.defaclrole), coalesce(n.nspname, ''), d.defaclobjtype, ARRAY(
  SELECT DISTINCT CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee)::text END
  FROM pg_catalog.aclexplode(d.defaclacl) AS g)
FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
WHERE pg_catalog.pg_has_role(d.defaclrole, 'USAGE') ORDER BY 1, 2, 3
"""
_OBJECTS = {
    "r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS",
}  # fmt: skip
_FOR_EVERYBODY = frozenset("fT")
"""Kinds of which PostgreSQL itself gives a right to everybody."""


@dataclass(frozen=True)
class Suspended:
    """The default privileges of one role for one kind of object, revoked during the restore.

    :param schema: "" for all schemas, which stands for what PostgreSQL gives by itself, too.
    """

    role: str
    schema: str
    kind: str
    grantees: tuple[str | None, ...]

    def statements(self) -> Iterator[Composable]:
        """The statements that revoke them."""
        for grantee in self.grantees:
            yield self._statement("REVOKE ALL ON {} FROM {}", grantee)
        if not self.schema:
            yield self._statement("GRANT ALL ON {} TO {}", self.role)
            if self.kind in _FOR_EVERYBODY:
                yield self._statement("GRANT ALL ON {} TO {}", None)

    def _statement(self, text: str, grantee: str | None) -> Composable:
        from psycopg2 import sql

        where = sql.SQL("IN SCHEMA {} ").format(sql.Identifier(self.schema)) if self.schema else sql.SQL("")
        who = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
        return sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} {}{};\n").format(
            sql.Identifier(self.role), where, sql.SQL(text).format(sql.SQL(_OBJECTS[self.kind]), who)
        )


@dataclass(frozen=True)
class DefaultPrivileges:
    """The default privileges that are suspended during a restore, and those of the dump.

    :param suspended: those that are not in force meanwhile.
    :param restored: the entries of the database that are not in the backup, and come back.
    """

    suspended: tuple[Suspended, ...] = ()
    restored: tuple[TocEntry, ...] = ()

    def before(self) -> Iterator[Composable]:
        """The statements to run before the first object is created."""
        for one in self.suspended:
            yield from one.statements()

    def after(self) -> Iterator[Composable]:
        """The statements to run after the last object is created."""
        from psycopg2 import sql

        for entry in self.restored:
            yield sql.SQL("{}\n").format(sql.SQL(entry.defn))


NONE_SUSPENDED = DefaultPrivileges()


def plan_default_privileges(
    connection: Connection, restored_entries: Sequence[TocEntry], present: Toc, stays: Callable[[TocEntry], bool]
) -> DefaultPrivileges:
    """Find the default privileges that the role may change.

    :param restored_entries: of the backup.
    :param stays: whether an entry of the database is none of ours.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute(_FOUND)
        rows = [row for row in cursor.fetchall() if row[2] in _OBJECTS]
    found = {
        (role, schema, _OBJECTS[kind]): Suspended(role, schema, kind, tuple(to)) for role, schema, kind, to in rows
    }
    there = {_key(one): one for one in present.entries if one.desc == KIND and _key(one) in found and not stays(one)}
    wanted = {_key(one) for one in restored_entries if one.desc == KIND}
    restored = tuple(entry for key, entry in there.items() if key not in wanted)
    return DefaultPrivileges(tuple(found[key] for key in there), restored)


def _key(entry: TocEntry) -> tuple[str, str, str]:
    return entry.owner, entry.namespace, entry.tag.removeprefix("DEFAULT PRIVILEGES FOR ")
