"""The tables of a database, and finding the one that a person means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConfigError, SourceError
from ..texts import bounded_list
from .messages import server_message
from .names import TableName, display_name, parse_name
from .types import Connection

STEP = "find the table"
_ABSENT, _INSTEAD = "there is no table {} in the database", "schema.table, as in the database"
FIRST_USER_OID = 16384
"""The first OID that is not of what every database has (``FirstNormalObjectId`` in ``transam.h``)."""
TABLES = "rp"
"""``pg_class.relkind`` of ordinary and partitioned tables."""
RELATIONS = "rpvmf"
"""Everything that can be read like a table: views, materialized views and foreign tables too."""

NOT_SYSTEM = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'"
"""A condition on pg_namespace n and pg_class c: what pg_dump takes as the user's."""

NOT_OF_EXTENSION = """NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')"""

# The size of a table that somebody keeps readers off can only be estimated without waiting for them.
_QUERY = f"""
WITH locked AS MATERIALIZED (
    SELECT relation AS oid FROM pg_catalog.pg_locks
    WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation' AND pid <> pg_catalog.pg_backend_pid()
)
SELECT n.nspname, c.relname, c.relkind, c.relpersistence, coalesce(CASE
         WHEN c.relkind NOT IN ('r', 'm') THEN 0
         WHEN c.oid IN (SELECT oid FROM locked)
           THEN c.relpages * pg_catalog.current_setting('block_size')::bigint
         ELSE pg_catalog.pg_table_size(c.oid)
       END, 0),
       c.relrowsecurity, pn.nspname, pc.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits i ON c.relispartition AND i.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class pc ON pc.oid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
WHERE c.relkind = ANY (%s) AND {NOT_SYSTEM} AND {NOT_OF_EXTENSION}
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""  # noqa: S608 - made of constants


class NoSuchTableError(ConfigError):
    """The database has no table of this name."""


@dataclass(frozen=True)
class TableInfo:
    """A table, view or other relation that is not PostgreSQL's own.

    :param bytes: of its rows with what is stored out of line, without indexes; 0 for what stores nothing itself.
    :param relkind: as pg_class has it: ``r`` table, ``p`` partitioned, ``v`` view, ``m`` materialized view,
        ``f`` foreign table.
    :param row_security: whether policies are switched on.
    :param partition_of: the partitioned table that it is a partition of.
    :param unlogged: whether it is empty on a standby and after a crash.
    """

    schema: str
    name: str
    bytes: int
    relkind: str = "r"
    row_security: bool = False
    partition_of: TableName | None = None
    unlogged: bool = False

    @property
    def table(self) -> TableName:
        """Schema and name."""
        return self.schema, self.name

    def __str__(self) -> str:
        return display_name(self.table)


def user_tables(connection: Connection, *, relkinds: str = TABLES) -> tuple[TableInfo, ...]:
    """Every table that is the user's, as pg_dump sees it: no system catalogue, nothing that an extension owns.

    :param relkinds: which kinds, see :data:`TABLES` and :data:`RELATIONS`.
    """
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            cursor.execute(_QUERY, [list(relkinds)])
            rows = cursor.fetchall()
    except Error as error:
        raise SourceError("list the tables", server_message(error)) from None
    return tuple(
        TableInfo(schema, name, size, kind, row_security, None if parent is None else (of, parent), persistence == "u")
        for schema, name, kind, persistence, size, row_security, of, parent in rows
    )


def find_table(table: str | TableName, tables: Sequence[TableInfo]) -> TableInfo:
    """What is known of one table, named exactly or as for :func:`resolve_table`."""
    name = resolve_table(table, tables) if isinstance(table, str) else table
    found = next((info for info in tables if info.table == name), None)
    if found is None:
        shown = display_name(name)
        hint = _nearest(shown, name[1], [info.table for info in tables]) or _INSTEAD
        raise NoSuchTableError(STEP, _ABSENT.format(repr(shown)), hint=hint)
    return found


def resolve_table(name: str, tables: Sequence[TableInfo]) -> TableName:
    """The one table of a database that *name* means, as :func:`choose_table` tells."""
    return choose_table(name, [info.table for info in tables], absent=_ABSENT, instead=_INSTEAD)


def choose_table(name: str, known: Sequence[TableName], *, absent: str, instead: str) -> TableName:
    """The one table of *known* that *name* means: ``table``, ``schema.table`` or quoted.

    Without a schema the one in ``public`` is meant, or the only one of that name. What was not quoted is looked
    for as it stands first, then in small letters as SQL would.

    :param absent: what to say where there is none, with {} for the name.
    :param instead: what to write, where no name is near.
    :raises NoSuchTableError: there is none (with the nearest names).
    :raises ConfigError: there are several (with all of them).
    """
    schema, table = parse_name(name)
    spellings = [(schema, table)] if '"' in name else [(schema, table), (schema and schema.lower(), table.lower())]
    for spelling in spellings:
        matches = _matches(spelling, known)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ConfigError(
                STEP,
                f"{name!r} is the name of several tables: {bounded_list(list(map(display_name, matches)))}",
                hint="write it with its schema",
            )
    raise NoSuchTableError(STEP, absent.format(repr(name)), hint=_nearest(name, table, known) or instead)


def _matches(wanted: tuple[str | None, str], known: Sequence[TableName]) -> list[TableName]:
    schema, table = wanted
    if schema is not None:
        return [one for one in known if one == (schema, table)]
    named = [one for one in known if one[1] == table]
    return [("public", table)] if ("public", table) in named else named


def _nearest(name: str, table: str, known: Sequence[TableName]) -> str | None:
    shown = {display_name(one): one for one in known}
    near = difflib.get_close_matches(name, shown, n=3, cutoff=0.6)
    bare = difflib.get_close_matches(table, {one[1] for one in known}, n=3, cutoff=0.6)
    near += [text for text, one in shown.items() if one[1] in bare and text not in near]
    return f"did you mean {' or '.join(near[:3])}?" if near else None
