"""Partitions that are loaded through their root: their rows may come to lie in others of them than they did."""

from __future__ import annotations

from collections.abc import Mapping

from ....errors import FormatError
from ....postgres.counting import ALGORITHM, fingerprints
from ....postgres.names import TableName, display_name
from ...database.expected_rows import add_fingerprints
from ..comparing import STEP
from ..session import Session
from .plan import RecreatePlan


def compare_trees(session: Session, plan: RecreatePlan, rows: Mapping[TableName, int]) -> None:
    """Compare each tree as a whole with what the manifest tells of its partitions.

    :param rows: how many came from each table.
    :raises FormatError: it is not the same.
    """
    trees: dict[TableName, list[TableName]] = {}
    for table, root in plan.through.items():
        if table != root:
            trees.setdefault(root, []).append(table)
    for root, tables in trees.items():
        expected = [one for table in tables if (one := plan.rows[table].expected) is not None]
        if len(expected) < len(tables):
            continue
        found = fingerprints(session.connection, tables)
        count = sum(one.rows for one in found.values())
        wanted = sum(one.rows for one in expected)
        same = count == wanted == sum(rows[table] for table in tables)
        recorded = [one.fingerprint[1] for one in expected if one.fingerprint and one.fingerprint[0] == ALGORITHM]
        if same and len(recorded) == len(tables):
            same = add_fingerprints([one.value for one in found.values()]) == add_fingerprints(recorded)
        if not same:
            raise FormatError(
                STEP,
                f"{display_name(root)} got {count} rows, which are not the {wanted} of {plan.set_name}",
                hint="nothing was changed; take another copy of the backup",
            )
