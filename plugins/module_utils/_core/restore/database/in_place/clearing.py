"""What a restore in place leaves as it is, and what it moves out of the way and puts back."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ....postgres.archive import Toc, TocEntry, object_name
from ....postgres.memberships import refuse_strange_owners
from ....postgres.names import TableName
from ....postgres.types import Composable, Connection
from ....texts import bounded_list
from ...outbound.forecast import NOTHING_FORESEEN, Forecast
from ...outbound.paused_objects import Paused
from ..expected_differences import ExpectedDifferences
from ..extension_rows import ExtensionRows
from ..named_roles import IMPLICIT
from ..temporary_grants import NO_TEMPORARY_GRANTS, TemporaryGrants, plan_temporary_grants
from .catalog_state import CatalogState
from .default_privileges import NONE_SUSPENDED, DefaultPrivileges, plan_default_privileges
from .extra_objects import NO_EXTRA_OBJECTS, STEP, ExtraObjects, find_extra_objects, reachable
from .platform_objects import NO_SHARE, PlatformObjects
from .scheduled_jobs import NO_JOBS, ScheduledJobs

_PUBLIC = "public"
_UNLINKED = ("FK CONSTRAINT", "INDEX ATTACH", "TABLE ATTACH")
_TABLES = ("FOREIGN TABLE", "TABLE")

# Keys first, as a table that others refer to is not let out of a tree; then whatever is in a tree or a line of heirs:
# what a part of it has from the others cannot be dropped from it alone. The server takes a check of an heir for an
# inherited one when its parent has one of that name that is not inherited (NO INHERIT), and fails; so that one has
# another name meanwhile.
_UNLINK = """
DO LANGUAGE plpgsql $mobul$
DECLARE
  anew oid[];
  found record;
  own name[];
BEGIN
  SELECT coalesce(pg_catalog.array_agg(c.oid), '{{}}') INTO anew
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.jsonb_array_elements({tables}::pg_catalog.jsonb) AS one
    ON one ->> 0 = n.nspname AND one ->> 1 = c.relname
  WHERE c.relkind IN ('r', 'p', 'f');
  FOR found IN SELECT conrelid::pg_catalog.regclass AS heir, conname FROM pg_catalog.pg_constraint
    WHERE contype = 'f' AND conparentid = 0 AND (conrelid = ANY (anew) OR confrelid = ANY (anew)) ORDER BY oid
  LOOP
    EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', found.heir, found.conname);
  END LOOP;
  FOR found IN SELECT i.inhrelid::pg_catalog.regclass AS heir, i.inhparent::pg_catalog.regclass AS parent,
      CASE WHEN c.relispartition THEN 'ALTER TABLE %2$s DETACH PARTITION %1$s'
           ELSE 'ALTER TABLE %1$s NO INHERIT %2$s' END AS statement
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind IN ('r', 'p', 'f') AND (i.inhrelid = ANY (anew) OR i.inhparent = ANY (anew))
    ORDER BY i.inhparent, i.inhseqno
  LOOP
    SELECT coalesce(pg_catalog.array_agg(p.conname), '{{}}') INTO own FROM pg_catalog.pg_constraint p
      JOIN pg_catalog.pg_constraint h ON h.conrelid = found.heir AND h.conname = p.conname
      WHERE p.conrelid = found.parent AND p.contype = 'c' AND p.connoinherit;
    FOR number IN 1 .. pg_catalog.cardinality(own) LOOP
      EXECUTE pg_catalog.format('ALTER TABLE ONLY %s RENAME CONSTRAINT %I TO mobul_own_%s',
        found.parent, own[number], number);
    END LOOP;
    EXECUTE pg_catalog.format(found.statement, found.heir, found.parent);
    FOR number IN 1 .. pg_catalog.cardinality(own) LOOP
      EXECUTE pg_catalog.format('ALTER TABLE ONLY %s RENAME CONSTRAINT mobul_own_%s TO %I',
        found.parent, number, own[number]);
    END LOOP;
  END LOOP;
END $mobul$;
"""


@dataclass(frozen=True)
class KeptSchema:
    """A schema that is there and in the backup; what else is in it would not let it go.

    :param wanted: its owner in the backup.
    :param grantees: who has rights in it, None for everybody.
    """

    name: str
    wanted: str
    owner: str
    grantees: tuple[str | None, ...]

    def statements(self) -> Iterator[Composable]:
        """Make it what it is when it is new, as the grants of a dump are told from there on."""
        from psycopg2 import sql

        name, wanted = sql.Identifier(self.name), sql.Identifier(self.wanted)
        if self.wanted and self.wanted != self.owner:
            yield sql.SQL("ALTER SCHEMA {} OWNER TO {};\n").format(name, wanted)
        if self.grantees and self.name != _PUBLIC:
            for role in self.grantees:
                who = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
                yield sql.SQL("REVOKE ALL ON SCHEMA {} FROM {} CASCADE;\n").format(name, who)
            yield sql.SQL("GRANT ALL ON SCHEMA {} TO {};\n").format(name, wanted)


@dataclass(frozen=True)
class Clearing:
    """What surrounds a restore in place.

    :param left: dump ids of the backup's entries that are not carried out.
    :param tables: what is made anew.
    :param rows: tables of extensions whose rows give way to those of the backup.
    :param locked: objects of extensions of which the role may exchange neither rows nor values.
    :param jobs: those of them that come back in another way.
    :param schemas: those that are there and stay.
    :param refresh: materialized views that have to be filled again.
    :param unfilled: those that cannot be filled without calling out, which waits.
    :param share: what is the platform's that hosts the database.
    :param defaults: default privileges, which are not in force meanwhile.
    """

    left: frozenset[int] = frozenset()
    tables: tuple[TableName, ...] = ()
    rows: tuple[ExtensionRows, ...] = ()
    locked: frozenset[str] = frozenset()
    jobs: ScheduledJobs = NO_JOBS
    schemas: tuple[KeptSchema, ...] = ()
    extra_objects: ExtraObjects = NO_EXTRA_OBJECTS
    refresh: tuple[TableName, ...] = ()
    unfilled: tuple[Paused, ...] = ()
    lent: TemporaryGrants = NO_TEMPORARY_GRANTS
    share: PlatformObjects = NO_SHARE
    defaults: DefaultPrivileges = NONE_SUSPENDED
    warnings: tuple[str, ...] = ()

    def before(self) -> Iterator[Composable]:
        """What comes before the backup's own statements, all tables being locked."""
        from psycopg2 import sql

        yield sql.SQL(_UNLINK).format(tables=sql.Literal(json.dumps(self.tables, ensure_ascii=False)))
        yield from self.defaults.before()
        for entry in self.extra_objects.dropped:
            if entry.drop_stmt.strip() and entry.desc not in _UNLINKED:
                yield sql.SQL("{}\n").format(sql.SQL(entry.drop_stmt))
        yield from map(_ended, self.lent.grant_in_database())
        for schema in self.schemas:
            yield from schema.statements()
        for rows in reversed(self.rows):
            yield rows.delete()
        yield from map(_ended, self.lent.grant_in_schemas())

    def after(self) -> Iterator[Composable]:
        """What comes behind the strangers' own statements."""
        from psycopg2 import sql

        for view in self.refresh:
            yield sql.SQL("REFRESH MATERIALIZED VIEW {};\n").format(sql.Identifier(*view))
        yield from map(_ended, self.lent.revoke())
        yield from map(_ended, self.lent.repeat_grants_of_dump())
        yield from self.defaults.after()
        yield from self.share.check_keys()
        yield from self.jobs.after()


def plan_clearing(
    connection: Connection,
    backup: Toc,
    present: Toc,
    expected: ExpectedDifferences,
    *,
    owner: str,
    superuser: bool,
    subscriptions: Collection[str] = (),
    share: PlatformObjects = NO_SHARE,
    calling: Forecast = NOTHING_FORESEEN,
) -> Clearing:
    """Find out what is in the way of a backup, in the database that *connection* leads to.

    :param present: what the database has.
    :param expected: what may be left out.
    :param owner: of the database.
    :param subscriptions: those that are there; no transaction can drop them.
    :param share: what is the platform's.
    :param calling: what calls out in the database.
    :raises PreflightError: something that can neither stay, nor be dropped, nor be made again; it is named.
    """
    found = CatalogState.read(connection, backup)
    stay = {f"SUBSCRIPTION {name}" for name in subscriptions}
    subscribed = {one.dump_id for one in backup.entries if object_name(one) in stay}
    unwanted = [one.dump_id for one in backup.entries if expected(object_name(one))]
    left = found.left(backup, superuser=superuser) | reachable(backup, [*unwanted, *subscribed]) | share.left
    names = {object_name(entry) for entry in backup.entries if entry.dump_id in left}
    extra_objects = find_extra_objects(backup, present, names)
    restored_entries = [entry for entry in backup.entries if entry.dump_id not in left]
    schemas = [
        one
        for one in backup.entries
        if one.desc == "SCHEMA" and not expected(object_name(one)) and not share.has_schema(one.tag)
    ]
    kept_schemas = [one for one in schemas if one.tag in found.schemas]
    lent = NO_TEMPORARY_GRANTS
    if not superuser:
        _refuse_strange_owners(connection, present, restored_entries, extra_objects, share)
        made = [*schemas, *(one for one in restored_entries if one.desc != "SCHEMA"), *extra_objects.kept]
        made = [one for one in made if not share.has_schema(one.namespace) and not share.is_about(one)]
        lent = plan_temporary_grants(connection, made, owner, [one.tag for one in kept_schemas])
    filled = [(one.namespace, one.tag) for one in extra_objects.kept if one.oid in found.populated]
    return Clearing(
        left=frozenset(left),
        tables=tuple((one.namespace, one.tag) for one in restored_entries if one.desc in _TABLES),
        rows=tuple(one for one in found.rows if one.entry.dump_id not in left),
        locked=frozenset(name for one in found.locked_rows for name in _names_of(one)),
        jobs=found.jobs,
        schemas=tuple(KeptSchema(one.tag, one.owner, *found.schemas[one.tag]) for one in kept_schemas),
        extra_objects=extra_objects,
        refresh=tuple(view for view in filled if view not in calling.views),
        unfilled=tuple(calling.views[view] for view in filled if view in calling.views),
        lent=lent,
        share=share,
        defaults=plan_default_privileges(connection, restored_entries, present, share.is_about),
        warnings=(
            *share.warnings,
            *found.locked_row_warnings(),
            *_warnings(extra_objects),
            *_left_out(backup, unwanted),
        ),
    )


def _refuse_strange_owners(
    connection: Connection,
    present: Toc,
    restored_entries: Sequence[TocEntry],
    extra_objects: ExtraObjects,
    share: PlatformObjects,
) -> None:
    """Refuse where something that is in the way belongs to roles for which the session cannot act."""
    names = {object_name(entry) for entry in restored_entries}
    dropped = [entry for entry in present.entries if object_name(entry) in names]
    dropped += [*extra_objects.kept, *extra_objects.replaced, *extra_objects.lost]
    dropped = [one for one in dropped if not share.is_about(one)]
    owners = {entry.owner for entry in dropped if entry.desc not in ("DATABASE", "SCHEMA")} - {"", IMPLICIT}
    with connection.cursor() as cursor:
        refuse_strange_owners(cursor, STEP, owners, "what is in the database and gives way to the backup")


def _ended(statement: Composable) -> Composable:
    from psycopg2 import sql

    return sql.SQL("{};\n").format(statement)


def _warnings(extra_objects: ExtraObjects) -> Iterator[str]:
    if extra_objects.kept:
        yield f"not in the backup, and created again after the restore: {_named(extra_objects.kept)}"
    if gone := (*extra_objects.lost, *extra_objects.replaced):
        yield f"not in the backup, and dropped with the objects that they belong to: {_named(gone)}"


def _names_of(entry: TocEntry) -> tuple[str, str]:
    """The names of the rows and of their table, as differences name them."""
    return object_name(entry), f"TABLE {entry.namespace}.{entry.tag}"


def _left_out(backup: Toc, dump_ids: Sequence[int]) -> Iterator[str]:
    if dump_ids:
        names = _named([backup.by_id[dump_id] for dump_id in dump_ids])
        yield f"left out as expected_differences says, with all that depends on them: {names}"


def _named(entries: Sequence[TocEntry]) -> str:
    return bounded_list([object_name(entry) for entry in entries])
