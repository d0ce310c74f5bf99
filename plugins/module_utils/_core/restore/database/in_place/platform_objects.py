"""What of a backup is the platform's, in a hosted database that is restored in place.

What the platform has made stays as it is, and what a team has hung on its tables, policies and triggers, is made again
where it is gone or another. The rows of these tables give way to those of the backup: without triggers, which would
refuse it or act, and without foreign keys, which are all proven at the end of the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ....errors import PreflightError
from ....platforms.profile import Profile
from ....postgres.archive import Toc, TocEntry, object_digest, object_name
from ....postgres.archive.toc import TABLE_DATA
from ....postgres.memberships import lacking_memberships
from ....postgres.messages import database_errors
from ....postgres.names import TableName, display_name
from ....postgres.types import Composable, Connection, Cursor
from ....texts import bounded_list
from ...replica_role import check_foreign_keys, check_replica_role, reset_replica_role, set_replica_role
from .extra_objects import STEP, reachable
from .platform_rights import NO_RIGHTS, PlatformRights, plan_rights

_VALUE = "SEQUENCE SET"
_WRITABLE = """
SELECT n.nspname, c.relname, CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'UPDATE')
  ELSE pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE') END,
  ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S')
"""


@dataclass(frozen=True)
class PlatformObjects:
    """What is decided of the platform's own.

    :param left: dump ids of the backup's entries that are not carried out with the others.
    :param rows: those of them that give their rows to tables that are there, and their values to sequences.
    :param names: the objects that may be other than in the backup.
    :param rights: what is said of the platform's own.
    :param owners: dump id -> the role, of what belonged to the platform in the user's schemas, and is not there.
    :param profile: of the platform; None where nothing is anybody's but the user's.
    """

    left: frozenset[int] = frozenset()
    rows: tuple[TocEntry, ...] = ()
    names: frozenset[str] = frozenset()
    profile: Profile | None = None
    rights: PlatformRights = NO_RIGHTS
    owners: Mapping[int, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[TableName, ...]:
        """The platform's tables whose rows are replaced."""
        return tuple((one.namespace, one.tag) for one in self.rows if one.desc == TABLE_DATA)

    def has_schema(self, name: str) -> bool:
        """Whether the schema belongs to the platform."""
        return self.profile is not None and self.profile.has_schema(name)

    def is_about(self, entry: TocEntry) -> bool:
        """Whether an entry is about the platform's own, of which the role may do more than its owner lets it."""
        return self.profile is not None and (self.profile.has(entry) or self.profile.is_on_platform(entry))

    def before(self) -> Iterator[Composable]:
        """The statements to run before the rows are loaded."""
        from psycopg2 import sql

        if not self.rows:
            return
        for table in self.tables:
            yield sql.SQL("LOCK TABLE ONLY {} IN EXCLUSIVE MODE;\n").format(sql.Identifier(*table))
        yield set_replica_role()
        for table in self.tables:
            yield sql.SQL("DELETE FROM ONLY {};\n").format(sql.Identifier(*table))

    def after(self) -> Iterator[Composable]:
        """What comes behind the rows, and before the rest of the backup."""
        if self.rows:
            yield reset_replica_role()

    def check_keys(self) -> Iterator[Composable]:
        """The statements that check the foreign keys of these tables, to run last of all."""
        yield from self.rights.apply()
        if self.tables:
            yield check_foreign_keys(self.tables)


NO_SHARE = PlatformObjects()


def plan_platform_objects(
    connection: Connection,
    profile: Profile,
    backup: Toc,
    present: Toc,
    columns: Callable[[int], Collection[str]],
    *,
    expected: Callable[[str], bool],
    role: str,
    superuser: bool,
) -> PlatformObjects:
    """Decide what becomes of the platform's own.

    :param connection: into the database, outside any transaction.
    :param present: what the database has.
    :param columns: of a TABLE DATA entry.
    :param role: the session's; a pooler has another name for it.
    :raises PreflightError: rows of the backup would be lost; the tables are named.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        rights = plan_rights(profile, backup, present, role, lambda roles: lacking_memberships(cursor, roles))
        found = _Decided.by(cursor, profile, backup, present, rights, superuser=superuser)
        cursor.execute(_WRITABLE)
        there = {(schema, name): (may, set(names)) for schema, name, may, names in cursor.fetchall()}
        rows: list[TocEntry] = []
        locked: list[TocEntry] = []
        staying = [one for one in backup.entries if _is_rows(one) and _stays(profile, one)]
        for entry in _rows(profile, backup, found, expected):
            may, names = there.get((entry.namespace, entry.tag), (False, set()))
            lacking = sorted(set(columns(entry.dump_id)) - names) if may and entry.desc == TABLE_DATA else []
            if lacking:
                raise PreflightError(
                    STEP,
                    f"the project's table {_names([entry])} has no {bounded_list(lacking)}, and the backup has: it is "
                    f"an older version of {profile.title}'s than the one that was backed up",
                    hint=f"nothing was touched; restore into a project of that version or a newer one, or leave these "
                    f"rows out: expected_differences: ['{object_name(entry)}']",
                )
            (rows if may else locked).append(entry)
        if rows:
            tables = [(one.namespace, one.tag) for one in rows if one.desc == TABLE_DATA]
            leave = f"leave these rows as they are: expected_differences: ['TABLE DATA {rows[0].namespace}.*']"
            check_replica_role(cursor, STEP, tables, leave)
    carried = {one.dump_id for one in (*rows, *locked, *staying)}
    names = {object_name(one) for one in (*found.platforms, *found.lost, *found.adopted)} | rights.names
    names |= {name for one in (*locked, *staying) for name in (object_name(one), f"TABLE {one.namespace}.{one.tag}")}
    return PlatformObjects(
        left=frozenset(found.left | carried | rights.ids),
        rows=tuple(rows),
        names=frozenset(names),
        profile=profile,
        rights=rights,
        owners={one.dump_id: role for one in found.adopted},
        warnings=tuple(_warnings(profile, found, locked, staying)),
    )


@dataclass(frozen=True)
class _Decided:
    """What becomes of the definitions.

    :param platforms: what is there.
    :param same: what users have hung on the platform's tables, and is there as it was.
    :param lost: what is not there, and the role cannot make, with what depends on that.
    :param adopted: what is not there and in the user's schemas, so that it becomes the role's own.
    """

    platforms: Sequence[TocEntry]
    same: Sequence[TocEntry]
    lost: Sequence[TocEntry]
    adopted: Sequence[TocEntry]

    @classmethod
    def by(
        cls, cursor: Cursor, profile: Profile, backup: Toc, present: Toc, rights: PlatformRights, *, superuser: bool
    ) -> _Decided:
        there = {object_name(one): object_digest(one) for one in present.entries}
        own = [
            one for one in backup.entries if not _is_rows(one) and one.dump_id not in rights.ids and profile.has(one)
        ]
        platforms = [one for one in own if object_name(one) in there]
        absent = [one for one in own if object_name(one) not in there]
        strange = set[str]() if superuser else set(lacking_memberships(cursor, {one.owner for one in absent}))
        away = [one for one in absent if one.owner in strange]
        adopted = [one for one in away if one.namespace and _in_users_schema(profile, one)]
        lost = reachable(backup, [one.dump_id for one in away if one not in adopted])
        left = {one.dump_id for one in platforms} | lost
        same = [
            one
            for one in backup.entries
            if profile.is_on_platform(one) and there.get(object_name(one)) == object_digest(one)
        ]
        # What hangs on something that is made anew cannot stay meanwhile.
        while True:
            kept = {*left, *(one.dump_id for one in same)}
            staying = [one for one in same if not any(i in backup.by_id and i not in kept for i in one.dependencies)]
            if len(staying) == len(same):
                break
            same = staying
        gone = [one for one in backup.entries if one.dump_id in lost]
        # The rows and values of what is adopted come with it, and tell the same owner.
        return cls(platforms, same, gone, [one for one in adopted if one.dump_id not in lost])

    @property
    def left(self) -> set[int]:
        return {one.dump_id for one in (*self.platforms, *self.same, *self.lost)}


def _in_users_schema(profile: Profile, entry: TocEntry) -> bool:
    return not profile.has_schema(entry.namespace) and entry.desc not in ("DEFAULT ACL", "PUBLICATION TABLE")


def _stays(profile: Profile, entry: TocEntry) -> bool:
    """Whether rows are the platform's own, or its secrets: a set has none of them, a file may."""
    return profile.leaves_rows((entry.namespace, entry.tag), entry.owner)


def _is_rows(entry: TocEntry) -> bool:
    return entry.desc in (TABLE_DATA, _VALUE)


def _rows(profile: Profile, backup: Toc, found: _Decided, expected: Callable[[str], bool]) -> Iterator[TocEntry]:
    """The entries with rows and sequence values of the platform's tables that exist in the project.

    :raises PreflightError: of what is not there, too.
    """
    relations = {(one.namespace, one.tag) for one in found.platforms if one.desc in ("TABLE", "SEQUENCE")}
    lost = [one for one in found.lost if one.desc == TABLE_DATA and not _stays(profile, one)]
    lost = [one for one in lost if not expected(object_name(one))]
    if lost:
        raise PreflightError(
            STEP,
            f"the project lacks these tables of {profile.title}'s, of which the backup has rows: {_names(lost)}",
            hint="nothing was touched; restore into a project of the version that was backed up or a newer one, or "
            f"leave these rows out: expected_differences: ['{object_name(lost[0])}']",
        )
    for entry in backup.entries:
        there = _is_rows(entry) and (entry.namespace, entry.tag) in relations and not _stays(profile, entry)
        if there and not expected(object_name(entry)):
            yield entry


def _warnings(
    profile: Profile, found: _Decided, locked: Sequence[TocEntry], staying: Sequence[TocEntry]
) -> Iterator[str]:
    if found.lost:
        names = bounded_list([object_name(one) for one in found.lost])
        yield f"{profile.title}'s own, which this project does not have, and what depends on that: left out: {names}"
    if found.adopted:
        names = bounded_list([object_name(one) for one in found.adopted])
        yield f"belonged to roles of {profile.title}'s in the backup, and becomes the role's own: {names}"
    if tables := [one for one in locked if one.desc == TABLE_DATA]:
        yield f"rows stay as they are in the project, as the role may not exchange them: {_names(tables)}"
    if tables := [one for one in staying if one.desc == TABLE_DATA]:
        yield f"rows stay as they are in the project, being {profile.title}'s own or its secrets: {_names(tables)}"


def _names(entries: Sequence[TocEntry]) -> str:
    return bounded_list([display_name((one.namespace, one.tag)) for one in entries if one.desc == TABLE_DATA])
