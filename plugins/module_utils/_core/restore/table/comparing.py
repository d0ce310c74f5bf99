"""Whether the rows that were loaded are those of the backup."""

from __future__ import annotations

from ...errors import FormatError
from ...postgres.counting import ALGORITHM, fingerprints
from ...postgres.names import TableName, display_name
from .columns import Matching
from .session import Session
from .source.sources import Backup

STEP = "compare the rows"


def compare_rows(session: Session, table: TableName, rows: int, backup: Backup, matching: Matching) -> list[str]:
    """Compare with what the manifest tells; return what could not be compared.

    :param rows: how many were loaded.
    :raises FormatError: it is not the same.
    """
    expected = backup.expected
    if expected is None:
        return ["a file does not say how many rows it has, so they could not be compared"]
    if rows != expected.rows:
        raise FormatError(
            STEP,
            f"{display_name(table)} got {rows} rows, and the manifest of {backup.name} says {expected.rows}",
            hint="nothing was changed; take another copy of the backup",
        )
    if expected.fingerprint is None:
        return []
    algorithm, value = expected.fingerprint
    if not matching.same or algorithm != ALGORITHM:
        return ["the columns are not those of the backup: only the number of rows was compared"]
    found = fingerprints(session.connection, [table])[table]
    if found.value != value:
        raise FormatError(
            STEP,
            f"the contents of {display_name(table)} are not those that the manifest of {backup.name} records",
            hint="nothing was changed; take another copy of the backup",
        )
    return []
