"""The data of a dump in pg_dump's custom format, unpacked to their end and counted while they stream by.

A table's data are what COPY wrote: a line for each row, and the end that pg_dump writes behind them, ``\\.`` and three
line feeds (``dumpTableData_copy`` in PostgreSQL's ``src/bin/pg_dump/pg_dump.c``). No line feed within a value is one in
the file: COPY writes it as ``\\n``. A dump of INSERTs has no such end, and its rows are not counted.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator

from ..errors import FormatError
from ..postgres.archive import ArchiveWalker, TocEntry
from ..postgres.archive.toc import TABLE_DATA
from ..postgres.names import TableName
from ..stream.decompression import PIECE_BYTES, Decompressor, broken
from ..stream.zstd import Unzstd

_END = b"\\.\n\n\n"
_LINES_OF_END = 3


class _Inflate(Decompressor):
    """A zlib stream (RFC 1950), which is what pg_dump calls gzip inside of its archives."""

    name = "gzip"

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def _expand(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                raise broken("bytes follow the end of the gzip stream")
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise broken(f"this is no gzip, or it is damaged: {error}") from None
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            # What is inside although all input was taken comes with the next call, an empty one.
            if piece:
                yield piece
            if not data and len(piece) == PIECE_BYTES and not self._stream.eof:
                yield from self._rest()

    def _rest(self) -> Iterator[bytes]:
        while piece := self._stream.decompress(b"", PIECE_BYTES):
            yield piece

    def _complete(self) -> bool:
        return self._stream.eof


class _Plain(Decompressor):
    """The stage for data that are not compressed."""

    name = "plain"

    def _expand(self, data: bytes) -> Iterator[bytes]:
        yield data

    def _complete(self) -> bool:
        return True


_DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {"none": _Plain, "gzip": _Inflate, "zstd": Unzstd}


class Unpacker:
    """A pipeline's observer that reads every block of an archive to its end.

    :param max_toc: bytes of memory that the table of contents may take.
    :ivar rows: of each table whose data have passed by as a whole.
    :ivar packed: the compression that cannot be unpacked here; None where all was.
    :ivar objects: how many large objects have passed by.
    """

    name = "unpack"

    def __init__(self, max_toc: int) -> None:
        self.rows: Counter[TableName] = Counter()
        self.packed: str | None = None
        self.objects = 0
        self.walker = ArchiveWalker(data=self, max_toc=max_toc)
        self._stream: Decompressor | None = None
        self._lines = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the archive.

        :raises FormatError: they are none, or damaged.
        """
        self.walker.update(chunk)

    def finish(self) -> None:
        """Raise :class:`FormatError` unless the archive may end here."""
        self.walker.finalize()

    def update(self, entry: TocEntry, data: bytes) -> None:
        """See :class:`archive.DataObserver`."""
        if self._stream is None:
            make = _DECOMPRESSORS.get(self.walker.toc.compression)
            if make is None:
                self.packed = self.walker.toc.compression
                return
            self._stream = make()
        try:
            for piece in self._stream.pieces(data):
                self._count(piece)
        except FormatError as error:
            raise _named(entry, error) from None

    def end(self, entry: TocEntry) -> None:
        """See :class:`archive.DataObserver`."""
        stream, lines, tail = self._stream, self._lines, self._tail
        self._stream, self._lines, self._tail = None, 0, b""
        if stream is not None:
            try:
                stream.finalize()
            except FormatError as error:
                raise _named(entry, error) from None
        if entry.desc != TABLE_DATA:
            self.objects += 1
        elif self.packed is None and entry.copy_stmt:
            if not tail.endswith(_END):
                raise _named(entry, broken("the rows have no end", hint="take another copy"))
            self.rows[entry.schema, entry.table] += lines - _LINES_OF_END

    def _count(self, piece: bytes) -> None:
        self._lines += piece.count(b"\n")
        self._tail = (self._tail + piece)[-len(_END) :] if len(piece) < len(_END) else piece[-len(_END) :]


def _named(entry: TocEntry, error: FormatError) -> FormatError:
    name = f"{entry.schema}.{entry.table}" if entry.schema else entry.tag
    return FormatError("read the data", f"{name}: {error.message}", hint=error.hint)
