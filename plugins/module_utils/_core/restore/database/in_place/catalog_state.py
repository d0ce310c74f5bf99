"""What the catalogue says of what a backup meets in a database: extensions with their rows, schemas, views."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ....errors import PreflightError
from ....postgres.archive import Toc, TocEntry, is_borrowed, object_name
from ....postgres.archive.copy_statement import CopyStatement
from ....postgres.archive.toc import TABLE_DATA
from ....postgres.messages import database_errors
from ....postgres.names import IDENTIFIER, TableName, unquote
from ....postgres.types import Connection
from ....texts import bounded_list
from ..extension_rows import ExtensionRows, extension_rows, locked_sequences
from .extra_objects import STEP
from .scheduled_jobs import NO_JOBS, NUMBERS, TABLE, ScheduledJobs, plan_jobs

_EXTENSIONS = """
SELECT e.extname, n.nspname, pg_catalog.pg_get_userbyid(e.extowner), pg_catalog.pg_has_role(e.extowner, 'USAGE')
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
"""
_SCHEMAS = """
SELECT n.nspname, pg_catalog.pg_get_userbyid(n.nspowner), ARRAY(
  SELECT DISTINCT CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee)::text END
  FROM pg_catalog.aclexplode(n.nspacl) AS g)
FROM pg_catalog.pg_namespace n
"""
_POPULATED = "SELECT oid::bigint FROM pg_catalog.pg_class WHERE relkind = 'm' AND relispopulated"
_INTO_SCHEMA = re.compile(rf" WITH SCHEMA ({IDENTIFIER});\s*\Z")


@dataclass(frozen=True)
class CatalogState:
    """What the database has of the things that the backup brings too.

    :param extensions: name -> schema, owner, and whether the role may act as that.
    :param rows: of extensions, in the backup.
    :param values: of their sequences, which the role may not set.
    :param jobs: those of the rows that come back in another way.
    :param schemas: name -> owner and grantees.
    :param populated: OIDs of materialized views that can be read.
    """

    extensions: Mapping[str, tuple[str, str, bool]]
    rows: Sequence[ExtensionRows]
    values: Sequence[TocEntry]
    jobs: ScheduledJobs
    schemas: Mapping[str, tuple[str, tuple[str | None, ...]]]
    populated: Collection[int]

    @classmethod
    def read(cls, connection: Connection, backup: Toc) -> CatalogState:
        """Read the system catalogs.

        :param connection: into the database, outside any transaction.
        """
        with database_errors(STEP), connection.cursor() as cursor:
            rows = extension_rows(cursor, backup)
            values = locked_sequences(cursor, backup)
            jobs = NO_JOBS
            for entry in (one.entry for one in rows if not one.writable and one.table == TABLE):
                copy = CopyStatement.parse(entry.copy_stmt)
                jobs = NO_JOBS if copy is None else plan_jobs(cursor, entry, copy.columns)
            if jobs.entry is not None:
                # New jobs have new numbers, behind which the next one is to come.
                values += [one for one in backup.entries if one.desc == "SEQUENCE SET" and _table(one) == NUMBERS]
            cursor.execute(_EXTENSIONS)
            extensions = {name: (schema, owner, owned) for name, schema, owner, owned in cursor.fetchall()}
            cursor.execute(_SCHEMAS)
            schemas = {name: (owner, tuple(grantees)) for name, owner, grantees in cursor.fetchall()}
            cursor.execute(_POPULATED)
            return cls(extensions, rows, values, jobs, schemas, {oid for (oid,) in cursor.fetchall()})

    @property
    def locked_rows(self) -> list[TocEntry]:
        """The entries whose rows or values the role may not change."""
        return [*(one.entry for one in self.rows if not one.writable), *self.values]

    def locked_row_warnings(self) -> Iterator[str]:
        """Warnings about rows that stay as they are because the role may not change them."""
        jobs = self.jobs.entry
        if locked := [one for one in self.locked_rows if one.desc == TABLE_DATA and one != jobs]:
            names = bounded_list([object_name(one) for one in locked])
            yield f"rows of extensions stay as they are, as the role may not exchange them: {names}"
        if jobs is not None:
            message = "those of the role come back, with new numbers if they were deleted; those of others stay"
            yield f"jobs of pg_cron: {message}"

    def left(self, backup: Toc, *, superuser: bool) -> set[int]:
        """Dump ids of the backup's entries that are there, or that the role may not make."""
        kept = set(_extensions_kept(backup, self.extensions))
        left = {entry.dump_id for entry in backup.entries if _is_left(entry, kept, self.schemas)}
        left |= {one.dump_id for one in self.locked_rows}
        if superuser or all(self.extensions[name][2] for name in kept):
            return left
        borrowed = (entry for entry in backup.entries if is_borrowed(entry, backup))
        return left | {entry.dump_id for entry in borrowed if not entry.tag.startswith("SCHEMA ")}


def _extensions_kept(backup: Toc, present: Mapping[str, tuple[str, str, bool]]) -> Iterator[str]:
    """The names of extensions that are already in the schema that the backup asks for."""
    for entry in backup.entries:
        if entry.desc != "EXTENSION" or entry.tag not in present:
            continue
        schema, owner, owned = present[entry.tag]
        match = _INTO_SCHEMA.search(entry.defn)
        if match is None or unquote(match[1]) == schema:
            yield entry.tag
        elif not owned:
            raise PreflightError(
                STEP,
                f"extension {entry.tag!r} of {owner!r} is in schema {schema!r}, and in the backup in {match[1]}",
                hint=f"nothing was touched; have {owner} move it: ALTER EXTENSION ... SET SCHEMA",
            )


def _is_left(entry: TocEntry, extensions: Collection[str], schemas: Collection[str]) -> bool:
    if entry.desc == "EXTENSION":
        return entry.tag in extensions
    if entry.desc == "SCHEMA":
        return entry.tag in schemas
    return entry.desc == "COMMENT" and entry.tag.removeprefix("EXTENSION ") in extensions


def _table(entry: TocEntry) -> TableName:
    return entry.namespace, entry.tag
