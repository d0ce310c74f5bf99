"""The roles that a drill has made are gone with it."""

from __future__ import annotations

from collections.abc import Sequence

from ...postgres.messages import server_message
from ...postgres.types import Connection


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
