"""Roles that the database needs and the server lacks, from the globals of the backup, and those that it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from ...errors import BackupError, PreflightError
from ...postgres.archive import TocEntry, object_name
from ...postgres.memberships import OPTIONS_SINCE, refuse_strange_owners
from ...postgres.messages import server_message
from ...postgres.names import quoted
from ...postgres.types import Connection, Cursor
from ...texts import bounded_list
from .contents import Contents
from .globals_script import RolePlan, RoleStatement, plan_roles, roles_of
from .named_roles import IMPLICIT, roles_of_entry
from .request import RestoreRequest
from .role_attributes import given, is_essential, locked_out, without_denials, without_login
from .side_by_side.creating import owner_of
from .target import STEP, Target

_OF_DATABASE = ("DATABASE PROPERTIES", "ACL DATABASE", "COMMENT DATABASE")


def plan_missing_roles(connection: Connection, target: Target, contents: Contents, request: RestoreRequest) -> RolePlan:
    """Which roles will be made.

    :raises PreflightError: the backup names roles that are neither on the server nor in the backup, or that the
        session's role can neither make nor act for.
    """
    entries = list(entries_to_restore(target, contents, request))
    owners = {entry.owner for entry in entries} - {"", IMPLICIT}
    named = {role for entry in entries for role in roles_of_entry(entry)} - {IMPLICIT}
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles")
        existing = {row[0] for row in cursor.fetchall()}
        if unknown := sorted(named - existing - roles_of(contents.globals_script)):
            raise PreflightError(
                STEP,
                f"roles that own something in the backup, or have rights in it, are not on the server: "
                f"{bounded_list(unknown)}",
                hint="nothing was touched; CREATE ROLE them first",
            )
        reserved = () if request.profile is None or target.superuser else roles_of(contents.globals_script)
        kept = {role for role in reserved if request.profile is not None and request.profile.is_reserved(role)}
        plan = plan_roles(contents.globals_script, existing | kept)
        if request.scratch:
            plan = without_login(plan, superuser=target.superuser)
        if target.superuser:
            return plan
        refuse_strange_owners(cursor, STEP, owners, "something in the backup")
    plan = _as_far_as_allowed(without_denials(plan), target, named)
    acts_for = {*owners, owner_of(contents.toc) or ""}
    return replace(plan, statements=(*plan.statements, *_own_memberships(connection, target, plan, acts_for)))


def entries_to_restore(target: Target, contents: Contents, request: RestoreRequest) -> Iterator[TocEntry]:
    """The entries of the dump that will be; a database that is there keeps what is its own.

    Whose a new database is, is no condition: see :func:`rights.owner_of_restored`.
    """
    for entry in contents.toc.entries if contents.toc is not None else ():
        name = object_name(entry)
        if entry.desc == "DATABASE" or request.expected(name) or _is_platforms(entry, target, request):
            continue
        if target.database is None or not name.startswith(_OF_DATABASE):
            yield entry


def _is_platforms(entry: TocEntry, target: Target, request: RestoreRequest) -> bool:
    """Whether an entry is about what the project has, and whom it belongs to is nobody's business."""
    profile = request.profile
    if profile is None or target.superuser or not request.is_projects:
        return False
    return profile.has(entry) or profile.is_on_platform(entry) or profile.has_schema(entry.namespace)


def _as_far_as_allowed(plan: RolePlan, target: Target, named: Collection[str]) -> RolePlan:
    """What the session's role may make of *plan*; the backup can do without what it does not name."""
    if not plan.roles:
        return plan
    beyond = dict(given(plan, target.cannot_give))
    if not target.may_make_roles:
        beyond = dict.fromkeys(plan.roles, "")
    if refused := [role for role in plan.roles if role in beyond and role in named]:
        names = [f"{role} with {beyond[role]}" if beyond[role] else role for role in refused]
        own = "" if target.may_make_roles else f"ALTER ROLE {quoted(target.role)} CREATEROLE, or "
        raise PreflightError(
            STEP,
            f"role {target.role!r} may not make roles that the backup names and the server lacks: "
            f"{bounded_list(names)}",
            hint=f"nothing was touched; {own}have them made first, or connect as a superuser",
        )
    return RolePlan(
        tuple(role for role in plan.roles if role not in beyond),
        tuple(statement for statement in plan.statements if statement.role not in beyond),
        tuple(beyond),
    )


def _own_memberships(
    connection: Connection, target: Target, plan: RolePlan, owners: Collection[str]
) -> Iterator[RoleStatement]:
    """Whoever makes a role without being a superuser cannot act for it without a grant of their own."""
    from psycopg2 import sql

    options = " WITH INHERIT TRUE, SET TRUE" if target.version_num >= OPTIONS_SINCE else ""
    for role in plan.roles:
        if role in owners:
            grant = sql.SQL("GRANT {} TO {}{}").format(
                sql.Identifier(role), sql.Identifier(target.role), sql.SQL(options)
            )
            yield RoleStatement(role, grant.as_string(connection))


def roles_left(plan: RolePlan, target: Target) -> Iterator[str]:
    """A warning about roles that are not created, or not with all attributes."""
    if waiting := locked_out(plan):
        yield (
            f"roles that may log in are made without passwords, which the backup does not have: {bounded_list(waiting)}"
        )
    if plan.left:
        yield (
            f"role {target.role!r} may not make these roles, which the server lacks and the backup of this database "
            f"does not name: {bounded_list(list(plan.left))}"
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
    if is_essential(statement):
        raise BackupError(
            "make the roles",
            f"role {statement.role!r}: {message}",
            hint="no role was made; make it by hand, or connect as a role that may",
        )
    return [f"role {statement.role!r}: {message}"]
