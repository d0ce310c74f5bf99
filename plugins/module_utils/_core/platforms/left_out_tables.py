"""What of a platform's tables a role may read, and whose rows are not for a backup."""

from __future__ import annotations

from collections.abc import Sequence

from ..postgres.messages import database_errors
from ..postgres.names import TableName
from ..postgres.patterns import dump_pattern
from ..postgres.rights import unreadable
from ..postgres.tables import NOT_OF_EXTENSION, NOT_SYSTEM
from ..postgres.types import Connection
from .profile import Profile

STEP = "look at the platform's tables"

# Of an extension's tables those whose rows it gives to a dump.
_STORED = f"""
SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {NOT_SYSTEM}
  AND ({NOT_OF_EXTENSION} OR c.oid IN (SELECT pg_catalog.unnest(extconfig) FROM pg_catalog.pg_extension))
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""  # noqa: S608 - made of constants


def unseen_tables(connection: Connection, profile: Profile | None) -> list[TableName]:
    """Tables and sequences of the platform that the role may not read, so that no dump can have them.

    Those with rows of the user's are not among them: a dump without these would be no backup.
    """
    if profile is None:
        return []
    with database_errors(STEP), connection.cursor() as cursor:
        found = [name for names in unreadable(cursor).values() for name in names]
    return sorted(name for name in found if profile.spares(name))


def rows_left_out(connection: Connection, profile: Profile | None) -> list[TableName]:
    """Tables whose rows are the platform's own, or its secrets."""
    if profile is None:
        return []
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute(_STORED)
        return [
            (schema, name) for schema, name, owner in cursor.fetchall() if profile.leaves_rows((schema, name), owner)
        ]


def without_tables(tables: Sequence[TableName], encoding: str) -> list[str]:
    """The options of pg_dump that leave *tables* out."""
    return [f"--exclude-table={dump_pattern(*table, encoding=encoding)}" for table in tables]
