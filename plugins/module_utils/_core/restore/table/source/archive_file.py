"""The rows of a table in a file of pg_dump's custom format."""

from __future__ import annotations

from collections.abc import Iterator

from ....postgres.archive import ArchiveWalker, Toc
from ....postgres.archive.toc import TABLE_DATA
from ....postgres.environment import private_file
from ....postgres.names import TableName, display_name, identifier
from ....postgres.programs import Program
from .copy_statement import copy_of_entry
from .plain_file import PlainFile
from .rows import CopiedRows, copy_data, restored_text
from .sources import find_in_backup


def rows_of_archive(plain: PlainFile, table: TableName, wanted: str | None, pg_restore: Program) -> CopiedRows:
    """The rows of *wanted*, or else of the table that is called like the one to restore."""
    toc = _read_toc(plain)
    entries = {(entry.schema, entry.table): entry for entry in toc.entries if entry.desc == TABLE_DATA}
    name = find_in_backup(wanted or identifier(*table), list(entries))
    copy = copy_of_entry(entries[name], toc)
    shown = display_name(name)
    text = _listed(pg_restore, plain, entries[name].dump_id)
    return CopiedRows(shown, copy.columns, copy_data(text, copy.statement, shown), copy.options)


def _read_toc(plain: PlainFile) -> Toc:
    walker = ArchiveWalker(max_toc=plain.max_toc)
    for piece in plain.pieces():
        walker.update(piece)
        if walker.has_toc:
            break
    return walker.toc


def _listed(pg_restore: Program, plain: PlainFile, dump_id: int) -> Iterator[bytes]:
    # A list names what to restore by its number at the line's beginning.
    with private_file(f"{dump_id}; 0 0 TABLE DATA\n") as path:
        yield from restored_text(pg_restore, plain.source(), [f"--use-list={path}"])
