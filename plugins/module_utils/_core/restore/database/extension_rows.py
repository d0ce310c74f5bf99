"""Rows of an extension's own tables: those that come with a dump take the place of those that the extension makes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ...postgres.archive import Toc, TocEntry
from ...postgres.archive.toc import TABLE_DATA
from ...postgres.names import TableName
from ...postgres.types import Composable, Connection, Cursor

_CONFIGURATION = """
SELECT n.nspname, c.relname, coalesce(one.condition, ''),
       pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
FROM pg_catalog.pg_extension e,
     ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) AS one (oid, condition)
JOIN pg_catalog.pg_class c ON c.oid = one.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
"""
_LOCKED_SEQUENCES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_extension e, pg_catalog.unnest(e.extconfig) AS one (oid)
JOIN pg_catalog.pg_class c ON c.oid = one.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE CASE c.relkind WHEN 'S' THEN NOT pg_catalog.has_sequence_privilege(c.oid, 'UPDATE') END
"""


@dataclass(frozen=True)
class ExtensionRows:
    """A table of an extension whose rows the dump contains.

    :param entry: of these rows.
    :param condition: which of its rows the extension gives to a dump, as the end of a query.
    :param writable: whether the role may exchange them.
    """

    entry: TocEntry
    condition: str
    writable: bool

    @property
    def table(self) -> TableName:
        """The schema and name of the table."""
        return self.entry.namespace, self.entry.tag

    def delete(self) -> Composable:
        """The statement that deletes the rows which the dump brings anew."""
        from psycopg2 import sql

        return sql.SQL("DELETE FROM ONLY {} {};\n").format(sql.Identifier(*self.table), sql.SQL(self.condition))


def extension_rows(cursor: Cursor, backup: Toc) -> list[ExtensionRows]:
    """Those of the tables in the database that a dump has rows of, in the dump's order."""
    cursor.execute(_CONFIGURATION)
    found = {(schema, table): (condition, may) for schema, table, condition, may in cursor.fetchall()}
    return [
        ExtensionRows(entry, *found[entry.namespace, entry.tag])
        for entry in backup.entries
        if entry.desc == TABLE_DATA and (entry.namespace, entry.tag) in found
    ]


def locked_sequences(cursor: Cursor, backup: Toc) -> list[TocEntry]:
    """The values in a dump of extensions' sequences that the role may not set."""
    cursor.execute(_LOCKED_SEQUENCES)
    found = set(cursor.fetchall())
    return [one for one in backup.entries if one.desc == "SEQUENCE SET" and (one.namespace, one.tag) in found]


def make_room(connection: Connection, backup: Toc) -> None:
    """Delete what extensions have put into their tables when they were made, as the dump brings it again.

    What cannot be deleted stays: whether the dump's rows then collide with it shows when they are loaded.

    :param connection: outside any transaction.
    """
    from psycopg2 import Error

    with connection.cursor() as cursor:
        for rows in reversed(extension_rows(cursor, backup)):
            with contextlib.suppress(Error):
                cursor.execute(rows.delete())
