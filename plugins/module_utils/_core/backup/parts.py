"""How the tables are spread over several pg_dump processes that share one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..postgres.names import TableName

_SMALLEST_SHARE = 0.01
"""Tables below this share of the whole stay in the first part: naming them one by one gains nothing."""


@dataclass(frozen=True)
class Part:
    """The tables that one pg_dump process dumps into one artifact.

    :param number: 1 for the part that holds the schema and every table that no other part holds.
    :param tables: the tables whose data this part holds; empty for the first part.
    :param elsewhere: the tables whose data other parts hold; empty for all but the first part.
    :param left_out: the tables whose data no part holds; empty for all but the first part.
    :param size: bytes of its tables in the database.
    """

    number: int
    tables: tuple[TableName, ...] = ()
    elsewhere: tuple[TableName, ...] = ()
    left_out: tuple[TableName, ...] = ()
    size: int = 0


def plan_parts(
    sizes: Sequence[tuple[TableName, int]], jobs: int, left_out: Sequence[TableName] = ()
) -> tuple[Part, ...]:
    """Spread the tables over at most *jobs* parts of about equal size: largest first, to the emptiest part.

    :param sizes: every table with its size in bytes.
    :param left_out: those of them whose data is in no part.
    """
    excluded = frozenset(left_out)
    sizes = [item for item in sizes if item[0] not in excluded]
    total = sum(size for _name, size in sizes)
    floor = max(1, int(total * _SMALLEST_SHARE))
    big = sorted((item for item in sizes if item[1] >= floor), key=lambda item: (-item[1], item[0]))
    loads = [0] * jobs
    loads[0] = total - sum(size for _name, size in big)
    held: list[list[TableName]] = [[] for _job in range(jobs)]
    for table, size in big:
        emptiest = min(range(jobs), key=loads.__getitem__)
        loads[emptiest] += size
        held[emptiest].append(table)
    others = [(tuple(tables), load) for tables, load in zip(held[1:], loads[1:], strict=True) if tables]
    elsewhere = tuple(table for tables, _load in others for table in tables)
    first = Part(1, elsewhere=elsewhere, left_out=tuple(left_out), size=loads[0])
    return (first, *(Part(number, tables, size=load) for number, (tables, load) in enumerate(others, start=2)))
