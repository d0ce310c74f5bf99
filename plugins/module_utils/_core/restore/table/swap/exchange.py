"""The short end of a swap: the new table takes the place of the old one, and everything around it is made again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ....errors import FormatError
from ....postgres.archive import TocEntry
from ....postgres.names import IDENTIFIER
from ....postgres.types import Composable
from ..kept_versions import Note, old_name
from ..sequences import advance
from ..session import Session
from ..target import Parent, Target
from ..waiting import in_turns
from .dependents import Dependents
from .drift import STEP, Watch
from .lock_holders import describe_holders
from .privileges import Granted, revoke_all
from .shadow import Shadow

_WITHOUT_DROP = ("ACL", "COMMENT", "INDEX ATTACH", "ROW SECURITY", "SECURITY LABEL")
_PUBLISHED = re.compile(rf"ALTER PUBLICATION ({IDENTIFIER}) ADD TABLE ONLY ({IDENTIFIER}\.{IDENTIFIER})")
_ATTACHED = re.compile(rf"ALTER TABLE ONLY ({IDENTIFIER}\.{IDENTIFIER}) ATTACH PARTITION ({IDENTIFIER}\.{IDENTIFIER}) ")
_PARTS = """
SELECT c.oid, c.relname, 'INDEX' FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %(oid)s
UNION ALL
SELECT c.oid, c.relname, 'SEQUENCE' FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
WHERE d.refobjid = %(oid)s AND d.deptype = 'i' AND c.relkind = 'S'
  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
"""
_TAKEN = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s
UNION SELECT t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = %s
"""
_COUNTERPARTS = """
SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_class c ON c.oid IN (f.conrelid, f.confrelid)
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND (f.conrelid = %(oid)s OR f.confrelid = %(oid)s) AND c.oid <> %(oid)s ORDER BY 1, 2
"""
# The server takes a check of an heir for an inherited one when its parent has one of that name that is not inherited
# (NO INHERIT), and fails; so that one has another name meanwhile.
_NOT_INHERITED = """
SELECT p.conname FROM pg_catalog.pg_constraint p
JOIN pg_catalog.pg_constraint h ON h.conrelid = %s AND h.conname = p.conname
WHERE p.conrelid = %s AND p.contype = 'c' AND p.connoinherit ORDER BY 1
"""
_FOREIGN_KEYS = "SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = %s AND contype = 'f' ORDER BY conname"


@dataclass
class Exchange:
    """The exchange of *target* for *shadow*.

    :param scripts: SQL that makes what is carried over: without grants, and the grants.
    :param lock_timeout: seconds to wait for the exclusive locks altogether.
    """

    session: Session
    target: Target
    shadow: Shadow
    plan: Dependents
    watch: Watch
    scripts: tuple[str, str]
    note: Note
    restore_id: str
    lock_timeout: int

    def run(self) -> str:
        """Try as often as *lock_timeout* allows; what fails is undone and leaves the tables unlocked.

        :return: the name that the old table has now.
        :raises LockedError: somebody kept holding what is needed; names who.
        """
        with self.session.at(STEP):
            return in_turns(
                self.session,
                self._exchange,
                what=self.target.name,
                lock_timeout=self.lock_timeout,
                holders=lambda: describe_holders(self.session, self.target.oid),
            )

    def _exchange(self) -> str:
        self._lock()
        self.watch.check()
        granted = Granted(self.session)
        for statement in self._drops():
            self.session.execute(statement)
        old = self._move_away()
        self._move_in()
        for entry in self.plan.kept:
            self.session.execute(entry.defn)
        for entry in self.plan.rebound:
            self.session.execute(entry.defn.replace("CREATE ", "CREATE OR REPLACE ", 1))
        self._make(self.scripts[0])
        granted.reset_new()
        self._make(self.scripts[1])
        self._refresh()
        advance(self.session, self.target)
        self._label(old)
        self.session.execute(f"DROP SCHEMA {self.shadow.schema}")
        return old

    def _lock(self) -> None:
        from psycopg2 import sql

        tables = [self.target.table]
        tables += [parent.name for parent in self.target.parents]
        tables += [(row[0], row[1]) for row in self.session.rows(_COUNTERPARTS, {"oid": self.target.oid})]
        for table in dict.fromkeys(tables):
            self.session.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(*table)))

    def _refresh(self) -> None:
        """Fill the materialized views as anybody would who refreshes them: policies decide what their owners see."""
        self.session.execute("SELECT pg_catalog.set_config('row_security', 'on', true)")
        for view in self.plan.refresh:
            self.session.execute(f"REFRESH MATERIALIZED VIEW {view}")
        self.session.execute("SELECT pg_catalog.set_config('row_security', 'off', true)")

    def _make(self, script: str) -> None:
        if script:
            self.session.execute(script)

    def _drops(self) -> Iterator[str | Composable]:
        """What takes everything off the old table, the last first."""
        from psycopg2 import sql

        for entry in reversed(self.plan.carried):
            if entry.desc not in _WITHOUT_DROP and entry.dump_id not in self.plan.undroppable:
                yield _drop_statement(entry)
        for parent in self.target.parents:
            if not parent.partitioned:
                yield from self._leave(parent)
        for (name,) in self.session.rows(_FOREIGN_KEYS, [self.target.oid]):
            yield sql.SQL("ALTER TABLE ONLY {} DROP CONSTRAINT IF EXISTS {}").format(
                self.target.identifier, sql.Identifier(name)
            )

    def _leave(self, parent: Parent) -> Iterator[Composable]:
        """Let the old table inherit nothing any more from *parent*."""
        from psycopg2 import sql

        above = sql.Identifier(*parent.name)
        rename = sql.SQL("ALTER TABLE ONLY {} RENAME CONSTRAINT {} TO {}")
        rows = self.session.rows(_NOT_INHERITED, [self.target.oid, parent.oid])
        own = [(sql.Identifier(name), sql.Identifier(f"mobul_own_{number}")) for number, (name,) in enumerate(rows)]
        yield from (rename.format(above, name, passing) for name, passing in own)
        yield sql.SQL("ALTER TABLE ONLY {} NO INHERIT {}").format(self.target.identifier, above)
        yield from (rename.format(above, passing, name) for name, passing in own)

    def _move_away(self) -> str:
        """Give the old table and its parts other names, and nobody any right on it."""
        from psycopg2 import sql

        schema, table = self.target.table
        taken = {name for (name,) in self.session.rows(_TAKEN, [schema, schema])}
        for _oid, name, kind in self.session.rows(_PARTS, {"oid": self.target.oid}):
            other = old_name(name, self.restore_id, taken)
            taken.add(other)
            self.session.execute(
                sql.SQL("ALTER {} {} RENAME TO {}").format(
                    sql.SQL(kind), sql.Identifier(schema, name), sql.Identifier(other)
                )
            )
        old = old_name(table, self.restore_id, taken)
        self.session.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(self.target.identifier, sql.Identifier(old)))
        revoke_all(self.session, self.target.oid)
        return old

    def _move_in(self) -> None:
        """Move the new table into the schema of the old one.

        It goes there under a passing name: only a renaming finds a free name for the type of arrays of its rows.
        """
        from psycopg2 import sql

        schema, table = self.target.table
        passing = self.shadow.schema
        for statement in (
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(self.shadow.identifier, sql.Identifier(passing)),
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                sql.Identifier(self.shadow.schema, passing), sql.Identifier(schema)
            ),
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(schema, passing), sql.Identifier(table)),
        ):
            self.session.execute(statement)

    def _label(self, old: str) -> None:
        from psycopg2 import sql

        self.session.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(
                sql.Identifier(self.target.table[0], old), sql.Literal(self.note.to_text())
            )
        )


def _drop_statement(entry: TocEntry) -> str:
    if entry.desc == "PUBLICATION TABLE" and (match := _PUBLISHED.match(entry.defn)):
        return f"ALTER PUBLICATION {match[1]} DROP TABLE ONLY {match[2]}"
    if entry.desc == "TABLE ATTACH" and (match := _ATTACHED.match(entry.defn)):
        return f"ALTER TABLE {match[1]} DETACH PARTITION {match[2]}"
    if not entry.drop_stmt:
        raise FormatError(STEP, f"pg_dump does not tell how to drop {entry.desc.lower()} {entry.tag}")
    return entry.drop_stmt
