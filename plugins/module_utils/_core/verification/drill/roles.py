"""The roles that a set's objects belong to, on a server that lacks them: for a drill only, and for nobody to log in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...postgres.messages import server_message
from ...postgres.types import Connection
from ...restore.database.globals_script import RolePlan, RoleStatement

_ALTER = re.compile(r'ALTER ROLE (?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*) WITH ')
_LOGIN = re.compile(r" LOGIN\b")
_PASSWORD = re.compile(r" PASSWORD '(?:[^']|'')*'")


def without_login(plan: RolePlan) -> RolePlan:
    """The same roles with the same rights, without passwords and the right to log in."""
    return replace(plan, statements=tuple(map(_without_login, plan.statements)))


def _without_login(statement: RoleStatement) -> RoleStatement:
    match = _ALTER.match(statement.text)
    if match is None:
        return statement
    # Padded, as each pattern begins with the space before its word.
    attributes = _PASSWORD.sub("", _LOGIN.sub(" NOLOGIN", f" {statement.text[match.end() :]}"))
    return replace(statement, text=statement.text[: match.end() - 1] + attributes)


def drop_roles(connection: Connection, roles: Sequence[str]) -> list[str]:
    """Remove the roles that a drill has made; what could not be removed, and why."""
    from psycopg2 import Error, sql

    warnings = []
    for role in reversed(roles):
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        except Error as error:
            warnings.append(f"role {role!r}, which the drill has made, is still on the server: {server_message(error)}")
    return warnings
