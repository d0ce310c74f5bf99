"""Rights that owners have only while what is theirs is made for them.

A superuser makes anything for anybody. Whatever another role makes for an owner, that owner must be allowed to create
in that schema, and schemas and publications in that database; and of rights a dump tells at its very end, if the owner
has them at all: they may have been revoked since.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ...postgres.archive import TocEntry
from ...postgres.types import Composable, Connection
from .named_roles import IMPLICIT

_PUBLIC = "public"
_IN_DATABASE = ("SCHEMA", "PUBLICATION")
_RIGHTS = "CREATE, USAGE"
_LACKING = """
SELECT name FROM pg_catalog.unnest(%(roles)s::text[]) AS name LEFT JOIN pg_catalog.pg_roles r ON r.rolname = name
WHERE r.oid IS NULL OR NOT CASE WHEN %(schema)s::text IS NULL
  THEN pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE')
  ELSE (SELECT pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')
        FROM pg_catalog.pg_namespace n WHERE n.nspname = %(schema)s) END
"""


@dataclass(frozen=True)
class TemporaryGrants:
    """The grants that owners need during a restore by a role that is no superuser.

    :param database: its name.
    :param in_database: roles that may create in it meanwhile.
    :param in_public: roles that may create in the schema public.
    :param in_schemas: roles that may create in all other schemas of the dump.
    :param there: those of these schemas that are there already; the dump makes the others.
    :param owners: schema -> its owner, who needs nothing.
    :param grants_of_dump: the entries of the dump that say who has rights in schemas.
    """

    database: str = ""
    in_database: tuple[str, ...] = ()
    in_public: tuple[str, ...] = ()
    in_schemas: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    owners: tuple[tuple[str, str], ...] = ()
    grants_of_dump: tuple[TocEntry, ...] = ()

    def grant_in_database(self) -> Iterator[Composable]:
        """The GRANT statements for :attr:`in_database`, run as the restoring role like all others here."""
        from psycopg2 import sql

        if self.in_database:
            yield sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                sql.Identifier(self.database), _names(self.in_database)
            )

    def grant_in_schemas(self) -> Iterator[Composable]:
        """The GRANT statements for schemas that exist already and for those that will be created."""
        from psycopg2 import sql

        for schema, rights, roles in self._schemas(self.there):
            yield sql.SQL("GRANT {} ON SCHEMA {} TO {}").format(rights, sql.Identifier(schema), _names(roles))
        if self.in_schemas:
            yield sql.SQL("ALTER DEFAULT PRIVILEGES GRANT {} ON SCHEMAS TO {}").format(
                sql.SQL(_RIGHTS), _names(self.in_schemas)
            )

    def revoke(self) -> Iterator[Composable]:
        """The REVOKE statements for all of these grants."""
        from psycopg2 import sql

        if self.in_schemas:
            yield sql.SQL("ALTER DEFAULT PRIVILEGES REVOKE {} ON SCHEMAS FROM {}").format(
                sql.SQL(_RIGHTS), _names(self.in_schemas)
            )
        for schema, rights, roles in self._schemas([name for name, _owner in self.owners]):
            yield sql.SQL("REVOKE {} ON SCHEMA {} FROM {} CASCADE").format(
                rights, sql.Identifier(schema), _names(roles)
            )
        if self.in_database:
            yield sql.SQL("REVOKE CREATE ON DATABASE {} FROM {}").format(
                sql.Identifier(self.database), _names(self.in_database)
            )

    def repeat_grants_of_dump(self) -> Iterator[Composable]:
        """The dump's own grants on schemas, some of which may have just been revoked."""
        from psycopg2 import sql

        for entry in self.grants_of_dump if self.in_schemas or self.in_public else ():
            yield sql.SQL(entry.defn.rstrip().removesuffix(";"))

    def _schemas(self, others: Collection[str]) -> Iterator[tuple[str, Composable, tuple[str, ...]]]:
        from psycopg2 import sql

        if self.in_public:
            yield _PUBLIC, sql.SQL("CREATE"), self.in_public
        owners = dict(self.owners)
        for schema in others:
            roles = tuple(role for role in self.in_schemas if role != owners.get(schema))
            if schema != _PUBLIC and roles:
                yield schema, sql.SQL(_RIGHTS), roles


NO_TEMPORARY_GRANTS = TemporaryGrants()


def plan_temporary_grants(
    connection: Connection, entries: Collection[TocEntry], owner: str, there: Collection[str] = ()
) -> TemporaryGrants:
    """Find out which owners could not have what is theirs.

    :param connection: into the database, by a role that is no superuser.
    :param entries: of what is made, and of the schemas that it is in.
    :param owner: of the database, and so of the schema public unless the dump says otherwise.
    :param there: schemas of the dump that are there, and in which nobody but their owners has any right any more.
    """
    implied = ("", IMPLICIT)
    owners = {_PUBLIC: owner}
    owners |= {one.tag: owner if one.owner in implied else one.owner for one in entries if one.desc == "SCHEMA"}
    strange = {(one.namespace, one.owner) for one in entries if owners.get(one.namespace, one.owner) != one.owner}
    strange = {(schema, role) for schema, role in strange if role not in implied}
    makers = {entry.owner for entry in entries if entry.desc in _IN_DATABASE} - {owner, *implied}
    in_schemas = sorted({role for schema, role in strange if schema != _PUBLIC})
    in_public = sorted({role for schema, role in strange if schema == _PUBLIC})
    return TemporaryGrants(
        database=str(connection.info.dbname),
        in_database=_lacking(connection, makers, None),
        in_public=_lacking(connection, in_public, _PUBLIC),
        in_schemas=tuple(in_schemas),
        there=tuple(sorted(set(there) - {_PUBLIC})),
        owners=tuple(sorted(owners.items())),
        grants_of_dump=tuple(entry for entry in entries if _is_grant_on_schemas(entry)),
    )


def execute(connection: Connection, statements: Iterator[Composable], *, leniently: bool = False) -> None:
    """Execute statements of :class:`TemporaryGrants`.

    :param connection: into the database, outside any transaction.
    :param leniently: pass over what fails: whether it matters shows when all is compared.
    """
    from psycopg2 import Error

    with connection.cursor() as cursor:
        for statement in statements:
            with contextlib.suppress(Error) if leniently else contextlib.nullcontext():
                cursor.execute(statement)


def _lacking(connection: Connection, roles: Collection[str], schema: str | None) -> tuple[str, ...]:
    if not roles:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(_LACKING, {"roles": sorted(roles), "schema": schema})
        return tuple(name for (name,) in cursor.fetchall())


def _is_grant_on_schemas(entry: TocEntry) -> bool:
    if entry.desc == "ACL":
        return entry.tag.startswith("SCHEMA ")
    return entry.desc == "DEFAULT ACL" and entry.tag.endswith(" SCHEMAS")


def _names(roles: Collection[str]) -> Composable:
    from psycopg2 import sql

    return sql.SQL(", ").join(map(sql.Identifier, roles))
