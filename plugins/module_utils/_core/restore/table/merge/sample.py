"""A few of the rows that a merge would change, fit to be shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ....postgres.types import Composable
from ....texts import page
from .merge import Merge

MAX_ROWS = 20
MASK = "***"
_MAX_VALUE = 80


def sample(merge: Merge, masked: Collection[str]) -> dict[str, str]:
    """A diff of at most :data:`MAX_ROWS` rows.

    :param masked: columns whose values are not shown.
    """
    before: list[str] = []
    after: list[str] = []
    for query, old, new in (
        (merge.extra(), "t", None),
        (merge.missing(), None, "s"),
        (merge.differing(), "t", "s"),
    ):
        if old and new and (merge.missing_only or not merge.compared):
            continue
        for row in _rows(merge, query, old, new, masked, MAX_ROWS - max(len(before), len(after))):
            half = len(merge.matching.names)
            if old:
                before.append(_line(merge, row[:half], masked))
            if new:
                after.append(_line(merge, row[half if old else 0 :], masked))
    return {"before": page(before), "after": page(after)}


def hidden_columns(merge: Merge, personal_data: bool, mask_columns: Collection[str]) -> set[str]:
    """Every column but the key where the rows are personal data, and those that were named."""
    return {*(merge.compared if personal_data else ()), *mask_columns}


def _rows(
    merge: Merge, query: Composable, old: str | None, new: str | None, masked: Collection[str], limit: int
) -> list[tuple[Any, ...]]:
    from psycopg2 import sql

    # Cut by the server: a value may be a gigabyte. What is masked does not even leave it. What the types' output
    # functions print: a cast to text may be a function of whoever made the type.
    columns = [
        sql.SQL("NULL")
        if name in masked
        else sql.SQL(
            "CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.left(pg_catalog.format('%s', {0}), {1}) END"
        ).format(sql.Identifier(side, name), sql.Literal(_MAX_VALUE))
        for side in (old, new)
        if side is not None
        for name in merge.matching.names
    ]
    order = sql.SQL(", ").join(sql.Identifier(old or new or "s", name) for name in merge.target.key)
    return merge.session.rows(
        sql.SQL("SELECT {} FROM {} ORDER BY {} LIMIT {}").format(
            sql.SQL(", ").join(columns), query, order, sql.Literal(max(0, limit))
        )
    )


def _line(merge: Merge, values: tuple[Any, ...], masked: Collection[str]) -> str:
    shown = []
    for name, value in zip(merge.matching.names, values, strict=True):
        text = MASK if name in masked else "NULL" if value is None else repr(value)
        shown.append(f"{name}={text}")
    return " ".join(shown)
