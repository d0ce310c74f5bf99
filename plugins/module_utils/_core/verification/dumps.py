"""The checks that sets and files have in common: the tables of a dump, its size, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ..findings import FAILED, PASSED, WARNING, joined
from ..postgres.archive import Toc
from ..postgres.archive.toc import TABLE_DATA
from ..postgres.names import TableName, display_name
from ..texts import readable_size
from .request import VerifyRequest

AddFinding = Callable[[str, str, str], None]
"""Takes a check, a status and a message of a finding."""


def tables_of(toc: Toc) -> set[TableName]:
    """The tables whose rows are in the dump."""
    return {(entry.schema, entry.table) for entry in toc.entries if entry.desc == TABLE_DATA}


def check_tables(there: Collection[TableName], request: VerifyRequest, add_finding: AddFinding, source: str) -> None:
    """Whether there are any, and the critical ones by their exact names.

    :param source: where they are told of.
    """
    add_finding("tables", PASSED if there else WARNING, f"{len(there):,} tables have rows in {source}")
    if not request.critical_tables:
        return
    missing = [text for text, table in request.critical_tables.items() if table not in there]
    if missing:
        add_finding("critical_tables", FAILED, f"missing in {source}: {joined(missing)}")
    else:
        add_finding("critical_tables", PASSED, f"all {len(request.critical_tables)} are in {source}")


def check_size(size: int, request: VerifyRequest, add_finding: AddFinding) -> None:
    """Add the finding whether the dump has the required number of bytes."""
    enough = size >= request.min_size
    limit = f", {readable_size(request.min_size)} are expected" if request.min_size else ""
    add_finding("min_size", PASSED if enough else FAILED, f"{readable_size(size)}{limit}")


def row_differences(rows: Mapping[TableName, int], wanted: Mapping[TableName, int]) -> Iterator[str]:
    """Tables that have another number of rows in the dump than the manifest says, or rows that are not in it."""
    for table, count in wanted.items():
        if table in rows and rows[table] != count:
            yield f"table {display_name(table)} has {rows[table]:,} rows in the dump, and the manifest says {count:,}"
        elif table not in rows and count:
            yield f"table {display_name(table)} has no rows in the dump, and the manifest says {count:,}"
