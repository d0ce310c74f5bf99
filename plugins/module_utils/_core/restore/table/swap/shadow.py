"""The new table, built beside the old one in a schema of its own, so that everything in it has its real name."""

from __future__ import annotations

from collections.abc import Sequence

from ....postgres.archive import TocEntry
from ....postgres.types import Composable
from ..session import Session
from ..target import Target, describe
from .dependents import PG_CLASS, Dependents
from .privileges import reset_relations
from .statements import move_statements

STEP = "build the new table"
_EARLY = ("DEFAULT", "SEQUENCE")


class Shadow:
    """The new table.

    :param schema: a name that needs no quotes; the schema is made here and gone after the exchange.
    """

    def __init__(self, session: Session, target: Target, plan: Dependents, schema: str) -> None:
        self.schema = schema
        self.table = (schema, target.table[1])
        self._session = session
        self._target = target
        self._plan = plan

    @property
    def identifier(self) -> Composable:
        """The quoted name of the new table, for SQL."""
        from psycopg2 import sql

        return sql.Identifier(*self.table)

    def create(self) -> Target:
        """Make the table with its defaults and identity columns, empty and without indexes."""
        from psycopg2 import sql

        session = self._session
        with session.at(STEP):
            session.execute(f"CREATE SCHEMA {self.schema}")
            if self._target.owner != session.value("SELECT current_user"):
                owner = sql.Identifier(self._target.owner)
                session.execute(sql.SQL("GRANT ALL ON SCHEMA {} TO {}").format(sql.Identifier(self.schema), owner))
            self._make([self._plan.table])
            self._make([entry for entry in self._plan.built if entry.desc in _EARLY])
            owner = sql.Identifier(self._target.owner)
            session.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(self.identifier, owner))
            reset_relations(session, self.schema)
            self._settings(self._plan.table, before="")
        return describe(session, self.table)

    def complete(self) -> None:
        """Create indexes and constraints after the rows were loaded."""
        with self._session.at("build the indexes"):
            self._make([entry for entry in self._plan.built if entry.desc not in _EARLY])
            from psycopg2 import sql

            self._session.execute(sql.SQL("ANALYZE {}").format(self.identifier))

    def _make(self, entries: Sequence[TocEntry]) -> None:
        for entry in entries:
            self._settings(entry)
            for statement in move_statements(entry.defn, self._plan.name, self.schema):
                self._session.execute(statement)
        self._session.execute("SELECT pg_catalog.set_config('default_tablespace', '', true)")

    def _settings(self, entry: TocEntry, before: str | None = None) -> None:
        """Where pg_restore sets a tablespace and an access method before an entry."""
        tablespace = entry.tablespace if before is None else before
        self._session.execute("SELECT pg_catalog.set_config('default_tablespace', %s, true)", [tablespace])
        if entry.table_oid == PG_CLASS and entry.tableam:
            self._session.execute(
                "SELECT pg_catalog.set_config('default_table_access_method', %s, true)", [entry.tableam]
            )
