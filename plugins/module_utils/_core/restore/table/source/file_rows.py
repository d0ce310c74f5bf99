"""The rows of a file, by its format."""

from __future__ import annotations

from ....encryption.identities import Decryption
from ....postgres.programs import Program
from ....stream.files import RegularFile
from ..request import TableRequest
from ..target import Target
from .archive_file import rows_of_archive
from .json_file import DocumentRows, first_columns
from .plain_file import PlainFile, csv_header, json_rows, without_mark
from .rows import CSV_OPTIONS, CopiedRows, RowSource
from .script_file import rows_of_script
from .sources import Backup


def open_file(
    file: RegularFile, decryption: Decryption, request: TableRequest, target: Target, pg_restore: Program
) -> Backup:
    """The rows of one table in a file.

    :raises BackupError: it cannot be read to its end, or has no rows of that table.
    """
    plain = PlainFile(file, decryption)
    wanted = request.source_table
    rows: RowSource
    if plain.format == "dump":
        rows = rows_of_archive(plain, target.table, wanted, pg_restore)
    elif plain.format == "sql":
        rows = rows_of_script(plain, target.table, wanted)
    elif plain.format == "json":
        longest = request.max_row_size * 1024**2
        columns = first_columns(json_rows(plain.pieces(), plain.name, longest), target)
        rows = DocumentRows(plain.name, columns, json_rows(plain.pieces(), plain.name, longest))
    else:
        columns = csv_header(plain.pieces(), plain.name)
        rows = CopiedRows(plain.name, columns, without_mark(plain.pieces()), CSV_OPTIONS)
    return Backup(plain.name, rows, warnings=tuple(plain.warnings))
