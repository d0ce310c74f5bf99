"""A foreign key that the restored rows break: which rows are missing where, and what to do about it."""

from __future__ import annotations

from ....errors import PreflightError
from ....postgres.names import display_name
from ....postgres.types import Composable
from ..session import BrokenKey, Session
from ..target import Target

STEP = "check the foreign keys"
_KEY = """
SELECT f.conrelid = %(oid)s, f.confrelid = %(oid)s, pn.nspname, p.relname,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k (num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k (num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num ORDER BY k.place),
       (SELECT pg_catalog.bool_and(t.typcategory IN ('N', 'D', 'B') OR t.oid = 'pg_catalog.uuid'::pg_catalog.regtype)
        FROM pg_catalog.unnest(f.conkey) AS k (num)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid)
FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = f.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
WHERE f.contype = 'f' AND n.nspname = %(schema)s AND c.relname = %(table)s AND f.conname = %(name)s
"""
_SHOWN = 3


def explain_key(session: Session, target: Target, rows: Composable, error: BrokenKey) -> PreflightError | BrokenKey:
    """The same error by its key, its tables, and the values that are missing where these are numbers, dates or UUIDs.

    :param session: in which the exchange was undone.
    :param rows: the table with the restored rows.
    """
    from psycopg2 import sql

    values = {"oid": target.oid, "schema": error.table[0], "table": error.table[1], "name": error.constraint}
    found = session.rows(_KEY, values)
    if not found:
        return error
    ours, of_ours, schema, parent, columns, referenced, plain = found[0]
    child_rows = rows if ours else sql.Identifier(*error.table)
    parent_rows = rows if of_ours else sql.Identifier(schema, parent)
    pairs = sql.SQL(" AND ").join(
        sql.SQL("c.{} = p.{}").format(sql.Identifier(one), sql.Identifier(other))
        for one, other in zip(columns, referenced, strict=True)
    )
    key = sql.SQL(", ").join(sql.Identifier("c", column) for column in columns)
    given = sql.SQL(" AND ").join(sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(column)) for column in columns)
    missing = session.rows(
        sql.SQL(
            "SELECT DISTINCT {}, pg_catalog.count(*) OVER () FROM {} AS c "
            "WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {}) ORDER BY {} LIMIT {}"
        ).format(key, child_rows, given, parent_rows, pairs, key, sql.Literal(_SHOWN))
    )
    if not missing:
        return error
    child, other = display_name(error.table), display_name((schema, parent))
    shown = "; ".join(f"({', '.join(columns)}) = ({', '.join(map(str, row[:-1]))})" for row in missing)
    which = shown if plain else f"({', '.join(columns)})"
    message = (
        f"{missing[0][-1]} rows of {child} refer to rows that {other} does not have, by {error.constraint}: {which}"
    )
    hint = f"restore {other} first" if ours else f"restore {child} first, or remove those rows"
    return PreflightError(STEP, message, hint=f"{hint}; or use strategy: merge; nothing was changed")
