"""Roles that the database needs and the server lacks, from the globals of the backup."""

from __future__ import annotations

from ...errors import BackupError, PreflightError
from ...postgres.messages import bounded_list, server_message
from ...postgres.types import Connection, Cursor
from .contents import Contents
from .globals_script import RolePlan, RoleStatement, plan_roles, roles_of
from .target import STEP, Target

_IMPLICIT = "pg_database_owner"
"""The owner of a database is a member of it without being told so."""
_MEMBER = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE r.rolname = ANY (%s) AND NOT pg_catalog.pg_has_role(r.oid, 'MEMBER') ORDER BY 1
"""


def plan_missing_roles(connection: Connection, target: Target, contents: Contents) -> RolePlan:
    """Which roles will be made.

    :raises PreflightError: roles that own something are neither on the server nor in the backup.
    """
    toc = contents.toc
    owners = sorted({entry.owner for entry in toc.entries} - {"", _IMPLICIT}) if toc is not None else []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles")
        existing = {row[0] for row in cursor.fetchall()}
        unknown = [name for name in owners if name not in existing and name not in roles_of(contents.globals_script)]
        if unknown:
            raise PreflightError(
                STEP,
                f"roles that own something in the backup are not on the server: {bounded_list(unknown)}",
                hint="nothing was touched; CREATE ROLE them first",
            )
        if not target.superuser:
            _check_member(cursor, target, owners)
    return plan_roles(contents.globals_script, existing)


def _check_member(cursor: Cursor, target: Target, owners: list[str]) -> None:
    cursor.execute(_MEMBER, [owners])
    if others := [row[0] for row in cursor.fetchall()]:
        raise PreflightError(
            STEP,
            f"role {target.role!r} cannot make objects of roles that it is no member of: {bounded_list(others)}",
            hint=f"nothing was touched; GRANT them to {target.role}, or connect as a superuser",
        )


def make_roles(connection: Connection, target: Target, plan: RolePlan) -> list[str]:
    """Carry out the plan, as a whole or not at all.

    :param connection: outside any transaction.
    :return: warnings.
    """
    from psycopg2 import Error

    if not plan.statements:
        return []
    warnings: list[str] = []
    with connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN")
            if target.superuser:
                # The statements carry the hashes of passwords.
                cursor.execute("SET LOCAL log_statement = 'none'; SET LOCAL log_min_error_statement = 'panic'")
            for statement in plan.statements:
                warnings += _execute(cursor, statement)
            cursor.execute("COMMIT")
        except Error as error:
            if not connection.closed:
                cursor.execute("ROLLBACK")
            raise BackupError("make the roles", server_message(error), hint="no role was made") from None
        except BackupError:
            cursor.execute("ROLLBACK")
            raise
    return warnings


def _execute(cursor: Cursor, statement: RoleStatement) -> list[str]:
    """Execute one statement; a membership whose grantor is not here is granted by us."""
    from psycopg2 import Error

    cursor.execute("SAVEPOINT mobul_role")
    for text in filter(None, (statement.text, statement.fallback)):
        try:
            cursor.execute(text)
        except Error as error:
            message = server_message(error)
            if cursor.connection.closed:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT mobul_role")
        else:
            return []
    if statement.text.startswith(("CREATE ROLE", "ALTER ROLE")):
        raise BackupError(
            "make the roles",
            f"role {statement.role!r}: {message}",
            hint="no role was made; make it by hand, or connect as a role that may",
        )
    return [f"role {statement.role!r}: {message}"]
