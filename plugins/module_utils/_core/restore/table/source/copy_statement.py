"""The rows of a dump: the COPY statement that they are for, and how their text is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import FormatError
from ....postgres.archive import Toc, TocEntry
from ....postgres.archive.copy_statement import CopyStatement
from ....postgres.archive.encodings import codec_of, encoding_of
from ....postgres.names import TableName

STEP = "read the backup"
OTHERWISE = (
    "restore it as a whole into a database of its own with psql or pg_restore, and restore the table from a CSV or a "
    "dump of that"
)
"""What to do with a file whose rows no COPY reads."""


@dataclass(frozen=True)
class Copy:
    """A COPY statement and the encoding of its rows.

    :param statement: as the script has it, in the dump's encoding.
    :param columns: as the catalogue has them; empty for a table without any.
    :param options: what a COPY of ours needs to read the same text.
    """

    table: TableName
    columns: tuple[str, ...]
    statement: bytes
    options: str


def copy_of(text: str, encoding_statement: str) -> Copy:
    """Read a COPY statement.

    :param encoding_statement: for example ``SET client_encoding = 'LATIN1';``.
    :raises FormatError: it is none that pg_dump writes.
    """
    found = CopyStatement.parse(text)
    if found is None:
        raise FormatError(STEP, "the rows are no output of COPY (was the dump made with --inserts?)", hint=OTHERWISE)
    return Copy(
        found.table,
        found.columns,
        text.encode(codec_of(encoding_statement), "surrogateescape"),
        f"(FORMAT text, ENCODING '{encoding_of(encoding_statement) or 'UTF8'}')",
    )


def copy_of_entry(entry: TocEntry, toc: Toc) -> Copy:
    """The COPY statement of a TABLE DATA entry."""
    encoding = next((one.defn for one in toc.entries if one.desc == "ENCODING"), "")
    return copy_of(entry.copy_stmt, encoding)
