"""Rows elsewhere that refer to the table: none of them may lose what it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import PreflightError
from ....postgres.names import TableName, display_name
from ....postgres.types import Composable
from ..session import Session
from ..target import Target

STEP = "check the foreign keys"
_INCOMING = """
SELECT f.conname, n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k (num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k (num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num ORDER BY k.place),
       f.confupdtype IN ('c', 'n', 'd')
FROM pg_catalog.pg_constraint f
JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE f.contype = 'f' AND f.confrelid = %(oid)s AND f.conrelid <> %(oid)s
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p WHERE p.oid = f.conparentid AND p.confrelid = f.confrelid)
ORDER BY 1, 2, 3
"""
_LOST = """
SELECT pg_catalog.count(*) FROM {r} AS r
WHERE EXISTS (SELECT FROM {t} AS t WHERE {r_is_of_t}) AND NOT EXISTS (SELECT FROM {s} AS s WHERE {r_is_of_s})"""
_NOT_KEPT = """
AND NOT EXISTS (SELECT FROM {t} AS t WHERE {r_is_of_t} AND NOT EXISTS (SELECT FROM {s} AS s WHERE {t_becomes_s}))"""
# What refers to values of rows that are updated would be changed in another table: its triggers would act.
_FOLLOWING = """
SELECT pg_catalog.count(*) FROM {r} AS r JOIN {t} AS t ON {r_is_of_t} JOIN {s} AS s ON {t_becomes_s}
WHERE NOT ({same_in_both})"""


@dataclass(frozen=True)
class Reference:
    """A foreign key of another table.

    :param columns: of that table.
    :param referenced: of ours, in the same order.
    :param follows: whether its rows change with what they refer to.
    """

    name: str
    table: TableName
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    follows: bool


def incoming(session: Session, target: Target) -> list[Reference]:
    """The foreign keys of other tables that refer to this table."""
    return [
        Reference(name, (schema, table), tuple(columns), tuple(referenced), follows)
        for name, schema, table, columns, referenced, follows in session.rows(_INCOMING, {"oid": target.oid})
    ]


def refuse_lost(
    session: Session, target: Target, references: Sequence[Reference], staging: Composable, *, keeps_others: bool
) -> None:
    """Refuse when rows elsewhere refer to something that will not be there.

    :param staging: the rows that will be there.
    :param keeps_others: whether rows of the table that are not in *staging* stay.
    :raises PreflightError: naming each such key, its table and how many rows.
    """
    lost = []
    for one in references:
        if keeps_others and set(one.referenced) <= set(target.key):
            continue
        lost += _counted(session, target, one, staging, f"{_LOST} {_NOT_KEPT}" if keeps_others else _LOST)
    if lost:
        raise PreflightError(
            STEP,
            f"rows elsewhere refer to rows of {target.name} that the backup does not have: {'; '.join(lost)}",
            hint="restore by strategy: merge without delete_extra, or remove those rows first; nothing was changed",
        )
    following = []
    for one in references:
        if one.follows and not set(one.referenced) <= set(target.key):
            following += _counted(session, target, one, staging, _FOLLOWING)
    if following:
        raise PreflightError(
            STEP,
            f"rows elsewhere would be changed with rows of {target.name} (ON UPDATE): {'; '.join(following)}",
            hint="restore by strategy: swap, or remove those rows first; nothing was changed",
        )


def _counted(session: Session, target: Target, one: Reference, staging: Composable, query: str) -> list[str]:
    """What to say of the rows that *query* counts for a reference; nothing where there are none.

    :param query: SQL with the rows elsewhere, r; of the table, t; and those that will be there, s; and what makes them
        belong together.
    """
    from psycopg2 import sql

    rows = session.value(
        sql.SQL(query).format(
            r=sql.Identifier(*one.table),
            t=target.scope,
            s=staging,
            r_is_of_t=_pairs("r", one.columns, "t", one.referenced),
            r_is_of_s=_pairs("r", one.columns, "s", one.referenced),
            t_becomes_s=_pairs("t", target.key, "s", target.key),
            same_in_both=_pairs("t", one.referenced, "s", one.referenced),
        )
    )
    return [f"constraint {one.name} of {display_name(one.table)}: {rows} rows"] if rows else []


def _pairs(left: str, columns: Sequence[str], right: str, others: Sequence[str]) -> Composable:
    from psycopg2 import sql

    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, one), sql.Identifier(right, other))
        for one, other in zip(columns, others, strict=True)
    )
