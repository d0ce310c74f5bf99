"""Whether relations are still those that a snapshot has under their names.

A snapshot shows the rows of old, but only in the files of old: whatever exchanged, emptied or rewrote a table after the
snapshot was taken and before the table was locked leaves a snapshot nothing to see, and no error either. So what a
snapshot's catalogue says of a table that is locked is compared with what the catalogue says now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import SourceError
from ..texts import bounded_list
from .messages import server_message
from .names import TableName, display_name
from .tables import FIRST_USER_OID
from .types import Connection

STEP = "compare the tables with the snapshot"

# A column that was dropped and made again has the same name, and no values; neither shows in the table's file.
_STATES = f"""
SELECT n.nspname, c.relname, pg_catalog.md5(ROW(c.oid, c.relkind, c.relfilenode, (
  SELECT pg_catalog.string_agg(ROW(a.attnum, a.attname, a.atttypid, a.atttypmod)::text, ',' ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))::text)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.oid >= {FIRST_USER_OID}
"""  # noqa: S608 - made of constants
_OF_SOME = """ AND (n.nspname, c.relname) IN (
  SELECT * FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS wanted (schema, name))"""

States = Mapping[TableName, str]
"""What each relation is, as a digest of its OID, kind, file and columns."""


def relation_states(connection: Connection, tables: Sequence[TableName] | None = None) -> dict[TableName, str]:
    """The user's relations, or those of *tables* that are there, as the session sees them."""
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            if tables is None:
                cursor.execute(_STATES)
            else:
                names = [[schema for schema, _name in tables], [name for _schema, name in tables]]
                cursor.execute(_STATES + _OF_SOME, names)
            return {(schema, name): state for schema, name, state in cursor.fetchall()}
    except Error as error:
        raise SourceError(STEP, server_message(error)) from None


class Unchanged:
    """Compares tables that are locked with what they were; safe for threads.

    :param then: what the snapshot has, of :func:`relation_states`.
    :param now: a session outside any transaction.
    """

    def __init__(self, then: States, now: Connection) -> None:
        self._then = then
        self._now = now

    def check(self, tables: Sequence[TableName]) -> None:
        """Raise :class:`SourceError` naming those of *tables* that are no longer what they were.

        :param tables: locked against changes by whoever reads them, until they have been read.
        """
        refuse_changed(self._then, relation_states(self._now, tables), tables)


def refuse_changed(then: States, now: States, tables: Sequence[TableName]) -> None:
    """Raise :class:`SourceError` naming the *tables* that *then* and *now* have otherwise, or not both."""
    changed = [display_name(table) for table in tables if table not in now or then.get(table) != now[table]]
    if changed:
        raise SourceError(
            STEP,
            "exchanged, emptied, altered or dropped between the snapshot and the reading, so that its rows cannot be "
            f"seen any more: {bounded_list(changed)}",
            hint="run again when whatever did that has ended",
        )
