"""A whole set as one archive in pg_dump's custom format, from which smaller ones are made.

A set of several parts has a table of contents in each; here they are one. Whoever restores takes of it what is wanted,
and only that is read from the location.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ..backupset.artifact import Artifact
from ..catalogue.good_set import GoodSet
from ..encryption.identities import Decryption
from ..errors import Cancelled, FormatError
from ..postgres.archive import ArchiveWalker, Toc, TocEntry
from ..postgres.archive.copy_statement import CopyStatement
from ..postgres.archive.extract import TocText, block_header_length, renumber_block
from ..postgres.archive.toc import TABLE_DATA
from ..postgres.names import TableName
from ..stream.pipeline import Emit
from .plain import PlainReader, open_plain

STEP = "read the backup"


@dataclass(frozen=True)
class _Block:
    """The position and size of one entry's data.

    :param part: number of the reader, from 0.
    :param stored_id: the entry's number within its part.
    """

    part: int
    stored_id: int
    offset: int
    length: int


class SetArchive:
    """The dump of a set, proven; see :func:`open_set_archive`."""

    def __init__(self, text: TocText, blocks: dict[int, _Block], readers: Sequence[PlainReader]) -> None:
        self._text = text
        self._blocks = blocks
        self._readers = readers

    @property
    def toc(self) -> Toc:
        """The table of contents of the whole set; its dump ids are those of the archives that are made of it."""
        return self._text.toc

    @property
    def stored_size(self) -> int:
        """The size of all artifacts of the dump, in bytes."""
        return sum(reader.artifact.size for reader in self._readers)

    @property
    def data_sizes(self) -> dict[int, int]:
        """Dump id -> size of the entry's data, in bytes."""
        return {dump_id: block.length for dump_id, block in self._blocks.items()}

    def tables(self) -> dict[TableName, TocEntry]:
        """Table -> the entry with its rows."""
        return {(entry.schema, entry.table): entry for entry in self.toc.entries if entry.desc == TABLE_DATA}

    def copy(self, dump_id: int) -> CopyStatement:
        """How the rows of a TABLE DATA entry are to be read.

        :raises FormatError: its COPY statement is none that pg_dump writes.
        """
        entry = self.toc.by_id[dump_id]
        found = CopyStatement.parse(entry.copy_stmt)
        if found is None:
            raise FormatError(STEP, f"the data of {entry.schema}.{entry.table} are no output of COPY")
        return found

    def source(
        self,
        keep: Collection[int] | None = None,
        *,
        data: bool = True,
        search_path: str = "",
        owners: Mapping[int, str] | None = None,
        definitions: Mapping[int, str] | None = None,
    ) -> ArchiveSource:
        """An archive with these entries (by dump id; None is all of them) and their data, as a source.

        :param data: whether entries that have data are in it.
        :param search_path: see :meth:`TocText.only`.
        :param owners: likewise.
        :param definitions: likewise.
        """
        entries = [entry for entry in self.toc.entries if keep is None or entry.dump_id in keep]
        if not data:
            entries = [entry for entry in entries if not entry.had_dumper]
        kept = {entry.dump_id for entry in entries}
        head = self._text.only(kept, search_path=search_path, owners=owners, definitions=definitions)
        wanted = [entry.dump_id for entry in entries if entry.had_dumper]
        return ArchiveSource(head, self._pieces(wanted))

    def _pieces(self, wanted: Sequence[int]) -> Iterator[bytes]:
        """The blocks of these entries; those of one part that follow each other come with one request."""
        run: list[_Block] = []
        for dump_id in wanted:
            block = self._blocks[dump_id]
            if run and (block.part != run[-1].part or block.stored_id != dump_id or block.offset < run[-1].offset):
                yield from self._run(run)
                run = []
            if block.stored_id == dump_id:
                run.append(block)
            else:
                yield from self._renumbered(block, dump_id)
        if run:
            yield from self._run(run)

    def _run(self, blocks: Sequence[_Block]) -> Iterator[bytes]:
        return self._readers[blocks[0].part].ranges([(block.offset, block.length) for block in blocks])

    def _renumbered(self, block: _Block, dump_id: int) -> Iterator[bytes]:
        pieces = self._readers[block.part].ranges([(block.offset, block.length)])
        length = block_header_length(self.toc.int_size)
        header = b""
        for piece in pieces:
            header += piece
            if len(header) >= length:
                break
        yield renumber_block(header[:length], dump_id, self.toc.int_size) + header[length:]
        yield from pieces


class ArchiveSource:
    """An archive as the source of a pipeline; an object is used once."""

    name = "archive"

    def __init__(self, head: Iterator[bytes], pieces: Iterator[bytes]) -> None:
        self._head = head
        self._pieces = pieces
        self._cancelled = False

    def run(self, emit: Emit) -> None:
        """See :class:`pipeline.Source`."""
        for piece in chain(self._head, self._pieces):
            if self._cancelled:
                raise Cancelled(STEP)
            if piece:
                emit(piece)

    def cancel(self) -> None:
        """See :class:`pipeline.Source`."""
        self._cancelled = True


def open_set_archive(good: GoodSet, decryption: Decryption) -> SetArchive:
    """Open the verified dump of a set and read its table of contents.

    :raises CryptoError: a part is not the file that the manifest tells of, or no key fits.
    :raises FormatError: the set has no dump, or its index is not that of its dump.
    """
    artifacts = good.dumps()
    if not artifacts:
        hint = (
            None
            if good.manifest.id.is_backup
            else "it is an export: restore_table takes rows from it, and needs its id"
        )
        raise FormatError(STEP, f"{good.manifest.id} has no dump", hint=hint)
    readers = [open_plain(good, artifact, decryption) for artifact in artifacts]
    texts = [_read_toc(reader, decryption.max_toc) for reader in readers]
    text, numbers = texts[0].with_data(texts[1:])
    blocks = dict(_blocks(artifacts[0], texts[0].toc, 0))
    for part, renumbered in enumerate(numbers, start=1):
        found = _blocks(artifacts[part], texts[part].toc, part)
        blocks |= {renumbered[dump_id]: block for dump_id, block in found}
    return SetArchive(text, blocks, readers)


def _read_toc(reader: PlainReader, max_toc: int) -> TocText:
    index = reader.artifact.index
    if index is None:
        raise FormatError(STEP, f"the manifest has no index of {reader.artifact.name}")
    walker = ArchiveWalker(max_toc=max_toc, keep_raw=True)
    for piece in reader.ranges([(0, index.toc_length)]):
        walker.update(piece)
    if walker.toc.length != index.toc_length:
        raise FormatError(STEP, f"the table of contents of {reader.artifact.name} is not as long as the manifest says")

    def fetch(offset: int, length: int) -> Iterator[bytes]:
        return reader.ranges([(offset, length)])

    return TocText(walker.toc, walker.reader.header, walker.reader.raw, fetch)


def _blocks(artifact: Artifact, toc: Toc, part: int) -> Iterator[tuple[int, _Block]]:
    """The block of every entry that has one, by the number of the entry within its part."""
    with_data = {entry.dump_id for entry in toc.entries if entry.had_dumper}
    indexed = () if artifact.index is None else artifact.index.blocks
    if with_data != {block.dump_id for block in indexed}:
        raise FormatError(STEP, f"the index of {artifact.name} in the manifest is not that of its table of contents")
    for block in indexed:
        yield block.dump_id, _Block(part, block.dump_id, block.offset, block.length)
