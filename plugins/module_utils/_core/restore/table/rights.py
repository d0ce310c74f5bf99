"""What the role of the session has to be allowed beside being the table's owner: asked before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ...errors import PreflightError
from ...postgres.archive import TocEntry
from ...postgres.memberships import refuse_strange_owners
from ...postgres.names import TableName, display_name, quoted
from ...texts import bounded_list
from ..database.named_roles import IMPLICIT
from .session import Session
from .target import STEP

_SUPERUSER = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
_DATABASE = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), %s)"
_SCHEMAS = """
SELECT n.nspname, r.rolname
FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS w (schema, role)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema JOIN pg_catalog.pg_roles r ON r.rolname = w.role
WHERE NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE') ORDER BY 1, 2
"""
# To lock a table and to make a foreign key to it again.
_REFERENCED = """
SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_class c ON c.oid = f.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND f.conrelid = %s AND NOT (
  pg_catalog.has_table_privilege(c.oid, 'REFERENCES')
  AND pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')) ORDER BY 1, 2
"""
_IN_SCHEMAS = frozenset(
    {
        *("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "STATISTICS", "TYPE", "DOMAIN"),
        *("FUNCTION", "PROCEDURE", "AGGREGATE", "COLLATION", "CONVERSION", "OPERATOR", "OPERATOR CLASS"),
        *("OPERATOR FAMILY", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY"),
    }
)
_NOT_OWNED = frozenset({"DATABASE", "DEFAULT ACL", "EXTENSION"})


@dataclass(frozen=True)
class Needed:
    """The privileges that one restore needs.

    :param owners: roles that own what is made or dropped.
    :param what: that is, for a person.
    :param in_database: privileges on the database.
    :param in_schemas: schema, and the role that must be able to create in it.
    :param referencing: OID of a table whose foreign keys are made again.
    """

    owners: Collection[str] = ()
    what: str = ""
    in_database: Sequence[str] = ()
    in_schemas: Collection[tuple[str, str]] = ()
    referencing: int | None = None


def owners_of(entries: Collection[TocEntry]) -> set[str]:
    """The roles that own the objects of a dump."""
    return {entry.owner for entry in entries if entry.desc not in _NOT_OWNED} - {"", IMPLICIT}


def places_of(entries: Collection[TocEntry]) -> set[tuple[str, str]]:
    """Where roles must be able to create for these to be made: schema and role, "" being the session's."""
    made = [entry for entry in entries if entry.desc in _IN_SCHEMAS]
    there = {entry.namespace for entry in made} - {entry.tag for entry in entries if entry.desc == "SCHEMA"}
    return {(entry.namespace, role) for entry in made if entry.namespace in there for role in ("", entry.owner)}


def check_rights(session: Session, needed: Needed) -> None:
    """Refuse where anything is missing.

    :raises PreflightError: names all of it, and the statements that help.
    """
    with session.connection.cursor() as cursor:
        refuse_strange_owners(cursor, STEP, needed.owners, needed.what)
    lacking = dict(_lacking(session, needed))
    if lacking:
        role = session.value("SELECT current_user")
        raise PreflightError(
            STEP,
            f"rights are missing: {bounded_list(list(lacking))}",
            hint="; ".join(["nothing was touched", *(f"GRANT {lacking[one]}" for one in lacking)])
            + f"; or connect as another role than {role}",
        )


def _lacking(session: Session, needed: Needed) -> Iterator[tuple[str, str]]:
    """Each missing privilege, in words and as a GRANT."""
    # Who gives anything to anybody, whatever they may create: https://www.postgresql.org/docs/current/sql-altertable.html
    if session.value(_SUPERUSER):
        return
    role, database = session.rows("SELECT current_user, pg_catalog.current_database()")[0]
    for privilege in needed.in_database:
        if not session.value(_DATABASE, [privilege]):
            right = f"{privilege} ON DATABASE {quoted(database)}"
            yield f"{right} for {role}", f"{right} TO {quoted(role)}"
    wanted = sorted({(schema, one or role) for schema, one in needed.in_schemas})
    for schema, one in session.rows(_SCHEMAS, [[schema for schema, _role in wanted], [one for _schema, one in wanted]]):
        right = f"CREATE ON SCHEMA {quoted(schema)}"
        yield f"{right} for {one}", f"{right} TO {quoted(one)}"
    if needed.referencing is not None:
        for table in session.rows(_REFERENCED, [needed.referencing]):
            right = f"REFERENCES, UPDATE ON {display_name(_name(table))}"
            yield f"{right} for {role}", f"{right} TO {quoted(role)}"


def _name(row: Sequence[str]) -> TableName:
    return row[0], row[1]
