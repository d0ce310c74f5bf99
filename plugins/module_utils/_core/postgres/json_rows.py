"""Rows as JSON, made by the server without the casts of its users.

``row_to_json`` looks for a cast to json of each type that is not PostgreSQL's own, and calls its function. Such values
are given to it as the text that their output functions make instead, which is what it would write without a cast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .tables import FIRST_USER_OID
from .types import Composable, Connection, Cursor

_RECORDS = (2249, 2287)
"""OIDs of record and record[], whose members are known only when they are there."""
# JSON text holds no control characters but white space between its tokens, which a column of type json may have
# kept from its input.
_ROWS = """SELECT pg_catalog.replace(pg_catalog.replace(
  pg_catalog.row_to_json(r.*)::text, E'\\n', ' '), E'\\r', ' ') FROM (SELECT {} FROM (
"""
_TYPES = """
SELECT t.oid::bigint, t.typtype, t.typbasetype::bigint,
       CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
       (SELECT pg_catalog.array_agg(a.atttypid::bigint ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_catalog.pg_type t WHERE t.oid = ANY (%s)
"""


@dataclass(frozen=True)
class _Type:
    """A type that is not built into PostgreSQL.

    :param base: of a domain.
    :param element: of an array.
    :param attributes: name and type of each member of a row.
    """

    base: int
    element: int
    attributes: tuple[tuple[str, int], ...] | None


def json_rows(connection: Connection, select: str) -> str:
    """A query that gives the rows of *select* as JSON objects, one text without line breaks each.

    :param connection: in a transaction; its relations are locked until that ends, so that types stay what they are.
    """
    from psycopg2 import sql

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM (\n{select}\n) AS q LIMIT 0")  # noqa: S608 - the operator's own, checked
        columns = [(column.name, column.type_code) for column in cursor.description or ()]
        types = _Types(cursor, [oid for _name, oid in columns])
    # Two columns of a query may have the same name.
    names = [f"c{number}" for number in range(1, len(columns) + 1)]
    values = [
        sql.SQL("{} AS {}").format(types.value(sql.Identifier("q", own), oid), sql.Identifier(name))
        for own, (name, oid) in zip(names, columns, strict=True)
    ]
    rows = sql.SQL(_ROWS).format(sql.SQL(", ").join(values))
    aliases = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, names))) if names else sql.SQL("")
    return f"{rows.as_string(connection)}{select}\n) AS q{aliases.as_string(connection)}) AS r"


class _Types:
    """All types of a query's columns, with the types that those consist of."""

    def __init__(self, cursor: Cursor, oids: Sequence[int]) -> None:
        self._known: dict[int, _Type] = {}
        wanted = set(oids)
        while missing := sorted(oid for oid in wanted if oid >= FIRST_USER_OID and oid not in self._known):
            cursor.execute(_TYPES, [missing])
            for oid, kind, base, element, names, members in cursor.fetchall():
                attributes = tuple(zip(names or (), members or (), strict=True)) if kind == "c" else None
                self._known[oid] = _Type(base if kind == "d" else 0, element, attributes)
                wanted |= {base, element, *(members or ())} - {0}

    def value(self, expression: Composable, oid: int) -> Composable:
        """The expression that row_to_json gets for a column of that type."""
        from psycopg2 import sql

        if self._is_plain(oid):
            return expression
        known = self._known.get(oid)
        if known is not None and known.base:
            return self.value(expression, known.base)
        given = sql.SQL("CASE WHEN {} IS DISTINCT FROM NULL THEN {} END")
        if known is not None and known.attributes:
            members = sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(
                    self.value(sql.SQL("({}).{}").format(expression, sql.Identifier(name)), member),
                    sql.Identifier(name),
                )
                for name, member in known.attributes
            )
            row = sql.SQL("(SELECT pg_catalog.row_to_json(m.*) FROM (SELECT {}) AS m)").format(members)
            return given.format(expression, row)
        text = sql.SQL("pg_catalog.format('%s', {})").format(expression)
        if known is not None and known.element:
            text += sql.SQL("::pg_catalog.text[]")
        return given.format(expression, text)

    def _is_plain(self, oid: int, seen: frozenset[int] = frozenset()) -> bool:
        """Whether a type is made of nothing but PostgreSQL's own."""
        if oid < FIRST_USER_OID:
            return oid not in _RECORDS
        known = self._known.get(oid)
        if known is None or oid in seen:
            return False
        if known.base or known.element:
            return self._is_plain(known.base or known.element, seen | {oid})
        return known.attributes is not None and all(
            self._is_plain(member, seen | {oid}) for _name, member in known.attributes
        )
