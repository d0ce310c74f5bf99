"""The strategies ``merge`` and ``replace``: rows of the backup into the same table, or in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....errors import FormatError, PreflightError
from ....postgres.names import display_name
from ....postgres.types import Composable
from ....texts import bounded_list
from ...replica_role import check_replica_role
from ..columns import Matching, match_columns
from ..comparing import compare_rows
from ..loading import load
from ..request import TableRequest
from ..rights import Needed, check_rights
from ..sequences import advance
from ..session import Session
from ..source.sources import Backup
from ..target import Target
from .references import incoming, refuse_lost
from .triggers import triggers_disabled

STEP = "merge the rows"
_ELSEWHERE = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_partition_tree(%s) AS part
JOIN pg_catalog.pg_class c ON c.oid = part.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'f' ORDER BY 1, 2
"""
_ROWS = "mobul_rows"


@dataclass(frozen=True)
class Counts:
    """How many rows are, or would be, inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def changed(self) -> bool:
        """Whether any row has to be changed."""
        return bool(self.inserted or self.updated or self.deleted)


class Merge:
    """The rows of a backup beside those of the table, in the session's transaction.

    :param delete_extra: whether rows that the backup has not are to go.
    :param missing_only: whether rows that are there stay as they are.
    """

    def __init__(
        self, session: Session, target: Target, matching: Matching, *, delete_extra: bool, missing_only: bool
    ) -> None:
        from psycopg2 import sql

        self.session = session
        self.target = target
        self.matching = matching
        self.delete_extra = delete_extra
        self.missing_only = missing_only
        self.staging: Composable = sql.Identifier("pg_temp", _ROWS)
        self.loaded = 0

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns that are compared: all but the key."""
        return tuple(name for name in self.matching.names if name not in self.target.key)

    def check_key(self) -> None:
        """Raise :class:`PreflightError` unless the primary key tells which rows are the same."""
        missing = [name for name in self.target.key if name not in self.matching.names]
        if not self.target.key or missing:
            reason = f"the backup has no {', '.join(missing)}" if missing else "it has no primary key"
            raise PreflightError(
                STEP,
                f"rows of {self.target.name} cannot be told apart: {reason}",
                hint="use strategy: swap, or replace; nothing was touched",
            )

    def stage(self, backup: Backup) -> None:
        """Load the backup's rows into a temporary table."""
        from psycopg2 import sql

        columns = sql.SQL(", ").join(map(sql.Identifier, self.matching.names))
        self.session.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(_ROWS), columns, self.target.identifier
            )
        )
        self.loaded = load(self.session, backup.rows, self.target, self.staging, self.matching)
        if backup.expected is not None and backup.expected.rows != self.loaded:
            raise FormatError(
                STEP,
                f"{self.loaded} rows were loaded, and the manifest of {backup.name} says {backup.expected.rows}",
                hint="nothing was changed; take another copy of the backup",
            )
        if self.target.key and set(self.target.key) <= set(self.matching.names):
            key = sql.SQL(", ").join(map(sql.Identifier, self.target.key))
            with self.session.at(f"check that each row of the backup has its own key ({', '.join(self.target.key)})"):
                self.session.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(self.staging, key))
        self.session.execute(sql.SQL("ANALYZE {}").format(self.staging))

    def count(self) -> Counts:
        """Count the rows to insert, update and delete."""
        from psycopg2 import sql

        def one(query: Composable) -> int:
            return int(self.session.value(sql.SQL("SELECT pg_catalog.count(*) FROM {}").format(query)))

        return Counts(one(self.missing()), one(self.differing()), one(self.extra()))

    def differences(self) -> Counts:
        """How many rows the table lacks, has otherwise, and has beside those of the backup."""
        if self.target.key and set(self.target.key) <= set(self.matching.names):
            full = Merge(self.session, self.target, self.matching, delete_extra=True, missing_only=False)
            return full.count()
        return Counts(self._only(self.staging, self.target.scope), 0, self._only(self.target.scope, self.staging))

    def _only(self, rows: Composable, others: Composable) -> int:
        """How many of *rows* have no equal in *others*, each of which stands for one."""
        from psycopg2 import sql

        names = sql.SQL(", ").join(map(sql.Identifier, self.matching.names))
        one = sql.SQL("SELECT ROW({})::text FROM {}")
        both = sql.SQL("{} EXCEPT ALL {}").format(one.format(names, rows), one.format(names, others))
        return int(self.session.value(sql.SQL("SELECT pg_catalog.count(*) FROM ({}) AS found").format(both)))

    def missing(self) -> Composable:
        """Rows of the backup that the table has not, as something to select from."""
        from psycopg2 import sql

        return sql.SQL("{} AS s WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {})").format(
            self.staging, self.target.scope, self.same_key()
        )

    def differing(self) -> Composable:
        """The query of rows that both have with different values."""
        from psycopg2 import sql

        if self.missing_only or not self.compared:
            return sql.SQL("{} AS s WHERE false").format(self.staging)
        return sql.SQL("{} AS t JOIN {} AS s ON {} WHERE {}").format(
            self.target.scope, self.staging, self.same_key(), self.different()
        )

    def extra(self) -> Composable:
        """The query of rows that only the table has."""
        from psycopg2 import sql

        condition = sql.SQL("NOT EXISTS (SELECT FROM {} AS s WHERE {})").format(self.staging, self.same_key())
        return sql.SQL("{} AS t WHERE {}").format(
            self.target.scope, condition if self.delete_extra else sql.SQL("false")
        )

    def apply(self) -> Counts:
        """Do it: what goes comes last, so that nothing refers to it any more."""
        from psycopg2 import sql

        updated = 0
        if self.compared and not self.missing_only:
            values = sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in self.compared)
            updated = self.session.execute(
                sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {}").format(
                    self.target.scope, values, self.staging, self.same_key(), self.different()
                )
            ).rowcount
        inserted = self.insert(self.missing())
        deleted = self.session.execute(sql.SQL("DELETE FROM {}").format(self.extra())).rowcount
        return Counts(inserted, updated, deleted)

    def insert(self, rows: Composable) -> int:
        """Insert *rows*, something to select from in which ``s`` has the backup's columns."""
        from psycopg2 import sql

        names = self.matching.names
        if not names:
            return self.session.execute(
                sql.SQL("INSERT INTO {} SELECT FROM {}").format(self.target.identifier, rows)
            ).rowcount
        return self.session.execute(
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
                self.target.identifier,
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.SQL(", ").join(sql.Identifier("s", name) for name in names),
                rows,
            )
        ).rowcount

    def same_key(self) -> Composable:
        """The condition that a row of the backup and one of the table have the same key."""
        from psycopg2 import sql

        return sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in self.target.key)

    def different(self) -> Composable:
        """The condition that s and t differ in anything; by their text, since not every type can be compared."""
        from psycopg2 import sql

        both = [sql.SQL(", ").join(sql.Identifier(side, name) for name in self.compared) for side in ("t", "s")]
        return sql.SQL("ROW({})::text IS DISTINCT FROM ROW({})::text").format(*both)


@dataclass(frozen=True)
class Merged:
    """The rows that were changed, or in check mode would be."""

    counts: Counts
    rows: int
    diff: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()


def prepare_merge(session: Session, target: Target, backup: Backup, request: TableRequest, *, replace: bool) -> Merge:
    """Match the columns, for rows that are still to be loaded beside the table.

    :param replace: whether all rows of the table are to go.
    """
    check_rights(session, Needed(in_database=("TEMPORARY",)))
    _refuse_elsewhere(session, target)
    if not target.owned:
        with session.connection.cursor() as cursor:
            check_replica_role(cursor, STEP, [target.table], f"connect as {target.owner}")
    matching = match_columns(backup.rows.columns, target, request.column_map)
    merge = Merge(
        session,
        target,
        matching,
        delete_extra=replace or request.delete_extra,
        missing_only=request.missing_only,
    )
    if not replace or incoming(session, target):
        merge.check_key()
    return merge


def _refuse_elsewhere(session: Session, target: Target) -> None:
    """Refuse a tree of which a part lies on another server: a backup has no rows of that, and these would be lost."""
    if parts := [display_name((schema, name)) for schema, name in session.rows(_ELSEWHERE, [target.oid])]:
        raise PreflightError(
            STEP,
            f"partitions of {target.name} are foreign tables, whose rows lie on another server: {bounded_list(parts)}",
            hint="nothing was touched; restore each of its other partitions by itself",
        )


def merge_rows(merge: Merge, backup: Backup) -> Merged:
    """Insert, update and delete by the primary key, all but the commit."""
    session, target = merge.session, merge.target
    with session.at(STEP):
        _lock(session, target, "SHARE ROW EXCLUSIVE")
        _check_references(merge)
        with triggers_disabled(session, target):
            counts = merge.apply()
        return _finish(merge, backup, counts)


def replace_rows(merge: Merge, backup: Backup) -> Merged:
    """Replace all rows of the table, up to but without the commit."""
    from psycopg2 import sql

    session, target = merge.session, merge.target
    with session.at("replace the rows"):
        _lock(session, target, "ACCESS EXCLUSIVE")
        if incoming(session, target):
            _check_references(merge)
            with triggers_disabled(session, target):
                counts = merge.apply()
            return _finish(merge, backup, counts)
        before = int(session.value(sql.SQL("SELECT pg_catalog.count(*) FROM {}").format(target.scope)))
        with triggers_disabled(session, target):
            session.execute(sql.SQL("TRUNCATE {}").format(target.scope))
            inserted = merge.insert(sql.SQL("{} AS s").format(merge.staging))
        return _finish(merge, backup, Counts(inserted, 0, before))


def _check_references(merge: Merge) -> None:
    if merge.missing_only:
        return
    refuse_lost(
        merge.session,
        merge.target,
        incoming(merge.session, merge.target),
        merge.staging,
        keeps_others=not merge.delete_extra,
    )


def _finish(merge: Merge, backup: Backup, counts: Counts) -> Merged:
    advance(merge.session, merge.target)
    warnings: list[str] = []
    if merge.delete_extra and merge.target.relkind == "r":
        warnings = compare_rows(merge.session, merge.target.table, merge.loaded, backup, merge.matching)
    return Merged(counts, merge.loaded, warnings=tuple(warnings))


def _lock(session: Session, target: Target, mode: str) -> None:
    from psycopg2 import sql

    session.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(target.scope, sql.SQL(mode)))
