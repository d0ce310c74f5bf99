"""The table that is to be restored, as the catalogue has it."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import PreflightError
from ...platforms.profile import Profile
from ...postgres.names import TableName, display_name
from ...postgres.tables import find_table, user_tables
from ...postgres.types import Composable
from .session import Session

STEP = "check the table"

_RELATION = """
SELECT c.oid, c.relkind, c.reltype, pg_catalog.pg_get_userbyid(c.relowner),
       pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attidentity,
       a.attgenerated, coalesce(t.typdefault IS NOT NULL, false), t.typtype = 'd' AND t.typnotnull
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY = """
SELECT a.attname FROM pg_catalog.pg_index i
JOIN LATERAL pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, place) ON k.place <= i.indnkeyatts
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = %s AND i.indisprimary ORDER BY k.place
"""
_PARENTS = """
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p'
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhrelid = %s ORDER BY i.inhseqno
"""
_CHILDREN = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = %s ORDER BY 1, 2
"""
_SEQUENCES = """
SELECT s.oid, n.nspname, s.relname, a.attname, d.deptype = 'i', q.seqincrement
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %s AND d.deptype IN ('a', 'i')
ORDER BY n.nspname, s.relname
"""


@dataclass(frozen=True)
class Column:
    """One column of the table.

    :param identity: ``a`` always, ``d`` by default, or empty.
    :param generated: whether its values are computed.
    :param optional: whether a row can be there without a value for it.
    """

    name: str
    type: str
    identity: str = ""
    generated: bool = False
    optional: bool = True


@dataclass(frozen=True)
class Sequence:
    """A sequence that is owned by a column.

    :param identity: whether it was made with the column, and is nothing without it.
    """

    oid: int
    name: TableName
    column: str
    identity: bool
    increment: int


@dataclass(frozen=True)
class Parent:
    """What the table inherits from or is a partition of."""

    oid: int
    name: TableName
    partitioned: bool


@dataclass(frozen=True)
class Target:
    """The table that is restored, as it is in the database.

    :param relkind: ``r`` table, ``p`` partitioned.
    :param key: columns of the primary key; empty without one.
    :param children: tables that inherit from it, or its partitions.
    :param owned: whether the role has its owner's rights; on a hosted database rows can be changed without.
    :param profile: of the platform that hosts the database.
    """

    oid: int
    table: TableName
    relkind: str
    type_oid: int
    owner: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    parents: tuple[Parent, ...]
    children: tuple[TableName, ...]
    sequences: tuple[Sequence, ...]
    owned: bool = True
    profile: Profile | None = None

    @property
    def name(self) -> str:
        """Schema and name as text, for messages."""
        return display_name(self.table)

    @property
    def identifier(self) -> Composable:
        """The quoted name with its schema, for SQL."""
        from psycopg2 import sql

        return sql.Identifier(*self.table)

    @property
    def scope(self) -> Composable:
        """For SQL that reads or writes its rows: without those of tables that inherit from it, with its partitions'."""
        from psycopg2 import sql

        return sql.SQL("{}{}").format(sql.SQL("" if self.relkind == "p" else "ONLY "), self.identifier)

    @property
    def partition_of(self) -> Parent | None:
        """The partitioned table above it; None if it is no partition."""
        return next((parent for parent in self.parents if parent.partitioned), None)


def read_target(session: Session, name: str, profile: Profile | None = None) -> Target:
    """Read the table with this name.

    :raises ConfigError: there is none (with the nearest names), or there are several.
    :raises PreflightError: the role may not change it.
    """
    return describe(session, find_table(name, user_tables(session.connection)).table, profile)


def describe(session: Session, table: TableName, profile: Profile | None = None) -> Target:
    """What the catalogue has of a table.

    :param profile: of the platform that hosts the database: its tables are nobody's of ours.
    """
    oid, relkind, type_oid, owner, may = session.rows(_RELATION, table)[0]
    if not may and not is_platforms(profile, table, owner):
        raise PreflightError(
            STEP,
            f"{display_name(table)} belongs to {owner}, whose rights the role {session.connection.info.user} has not",
            hint=f"connect as {owner}, or as a superuser",
        )
    columns = tuple(
        Column(name, kind, identity, bool(generated), not (not_null or of_domain) or default or bool(identity) or typed)
        for name, kind, not_null, default, identity, generated, typed, of_domain in session.rows(_COLUMNS, [oid])
    )
    return Target(
        oid=oid,
        table=table,
        relkind=relkind,
        type_oid=type_oid,
        owner=owner,
        columns=columns,
        key=tuple(column for (column,) in session.rows(_KEY, [oid])),
        parents=tuple(Parent(one, (schema, it), kind) for one, schema, it, kind in session.rows(_PARENTS, [oid])),
        children=tuple((schema, child) for schema, child in session.rows(_CHILDREN, [oid])),
        sequences=tuple(
            Sequence(one, (schema, it), column, identity, step)
            for one, schema, it, column, identity, step in session.rows(_SEQUENCES, [oid])
        ),
        owned=may,
        profile=profile,
    )


def is_platforms(profile: Profile | None, table: TableName, owner: str) -> bool:
    """Whether the table belongs to the platform."""
    return profile is not None and profile.has_schema(table[0]) and profile.owns(owner)
