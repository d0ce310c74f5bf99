"""The index of a dump in pg_dump's custom format, made while the dump streams by.

Layout of the data, as written by PostgreSQL's ``src/bin/pg_dump/pg_backup_custom.c``: a block is a type byte (1 for
a table, 3 for large objects), the entry's dump id, and chunks, each an integer length and that many bytes, up to a
length of zero. A block of large objects has, for each of them, its OID and such chunks, up to an OID of zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from .toc import BLOBS, Toc, TocEntry
from .toc_reader import INTEGERS, TocReader, broken

MAX_CHUNK_BYTES = 2**31 - 1
"""pg_dump counts a chunk with a C int."""

_CUT_OFF = "the dump was cut off: make it again, or take another copy"


@dataclass(frozen=True, slots=True)
class Block:
    """Where the data of one entry lie in the archive, from the type byte to the last zero, inclusive.

    Offset and length are bytes of the archive itself, before any compression or encryption around it.
    """

    dump_id: int
    kind: str
    """``table`` or ``blobs``."""
    schema: str
    """Empty for large objects."""
    table: str
    """The name of the batch for large objects."""
    offset: int
    length: int


class DataObserver(Protocol):
    """Is told the data of the blocks, as they are stored: compressed as the table of contents says.

    Every table and every large object is a stream of its own, with an end.
    """

    def update(self, entry: TocEntry, data: bytes) -> None:
        """Take the next bytes of the entry's data."""

    def end(self, entry: TocEntry) -> None:
        """Called when all data of the entry have passed."""


class _Kind(Enum):
    TABLE = "table"
    BLOBS = "blobs"


_KINDS = {1: _Kind.TABLE, 3: _Kind.BLOBS}


class _Expect(Enum):
    """What the walker expects next."""

    BLOCK = auto()
    OID = auto()
    CHUNK = auto()


class ArchiveWalker:
    """Observer of a pipeline: passes a dump on as it came and knows its index at the end.

    :param on_toc: told the table of contents as soon as it has passed by.
    :param on_block: told the entry whose data begin.
    :param data: told the data themselves.
    :param max_toc: bytes of memory that the table of contents may take; None for a dump that is being made here.
    :param keep_raw: whether to keep its bytes, for :attr:`reader`'s users.
    """

    name = "archive"

    def __init__(
        self,
        *,
        on_toc: Callable[[Toc], None] | None = None,
        on_block: Callable[[TocEntry], None] | None = None,
        data: DataObserver | None = None,
        max_toc: int | None = None,
        keep_raw: bool = False,
    ) -> None:
        self._on_toc = on_toc
        self._on_block = on_block
        self._data = data
        self.reader = TocReader(max_toc, keep_raw=keep_raw)
        self._blocks: _BlockWalker | None = None
        self._size = 0

    @property
    def has_toc(self) -> bool:
        """Whether the whole table of contents has passed by."""
        return self.reader.toc is not None

    @property
    def toc(self) -> Toc:
        """The table of contents; :class:`FormatError` as long as it has not passed by."""
        if self.reader.toc is None:
            raise broken("the archive ends before its table of contents does", hint=_CUT_OFF)
        return self.reader.toc

    @property
    def index(self) -> tuple[Block, ...]:
        """Every block that has passed by as a whole, in the archive's order."""
        return tuple(self._blocks.done) if self._blocks is not None else ()

    @property
    def size(self) -> int:
        """How many bytes of the archive have passed by."""
        return self._size

    def update(self, chunk: bytes) -> bytes:
        """Look at the next bytes and return them; :class:`FormatError` when they are no such archive."""
        start: int | None = 0
        if self._blocks is None:
            start = self.reader.feed(chunk)
            if self.reader.toc is not None:
                if self._on_toc is not None:
                    self._on_toc(self.reader.toc)
                self._blocks = _BlockWalker(self.reader.toc, self._on_block, self._data)
        if self._blocks is not None and start is not None:
            self._blocks.feed(chunk, start, self._size)
        self._size += len(chunk)
        return chunk

    def finalize(self) -> bytes:
        """Nothing is held back; :class:`FormatError` when the archive may not end here."""
        if self._size == 0:
            raise broken("the archive is empty", hint=_CUT_OFF)
        if self._blocks is None:
            raise broken("the archive ends before its table of contents does", hint=_CUT_OFF)
        self._blocks.finish()
        return b""


class _BlockWalker:
    """Goes from length to length through the data; all between is skipped, or passed on as it is."""

    def __init__(self, toc: Toc, on_block: Callable[[TocEntry], None] | None, data: DataObserver | None) -> None:
        self.done: list[Block] = []
        self._on_block = on_block
        self._data = data
        self._missing = {entry.dump_id: entry for entry in toc.entries if entry.had_dumper}
        self._integer = INTEGERS[toc.int_size]
        self._expect = _Expect.BLOCK
        self._partial = b""
        self._skip = 0
        self._entry: TocEntry | None = None
        self._kind = _Kind.TABLE
        self._begin = 0

    def feed(self, chunk: bytes, position: int, base: int) -> None:
        """Walk through *chunk* from *position* on; *base* is where the chunk itself lies in the archive."""
        end = len(chunk)
        while position < end:
            if self._skip:
                step = min(self._skip, end - position)
                self._skip -= step
                self._pass_on(chunk, position, position + step)
                position += step
            elif self._expect is _Expect.CHUNK and not self._partial and end - position >= self._integer.size:
                position = self._chunks(chunk, position)
                if self._expect is not _Expect.CHUNK:
                    self._close(base + position)
            else:
                position = self._header(chunk, position, base)

    def finish(self) -> None:
        """Raise an error if the stream may not end here."""
        if self._entry is not None:
            raise broken(f"the archive ends within the data of {_block_title(self._entry)}", hint=_CUT_OFF)
        if self._partial:
            raise broken("the archive ends within the beginning of a block", hint=_CUT_OFF)
        if self._missing:
            first = next(iter(self._missing.values()))
            raise broken(
                f"the archive ends before the data of {_block_title(first)}, {len(self._missing)} blocks are missing",
                hint=_CUT_OFF,
            )

    def _chunks(self, chunk: bytes, position: int) -> int:
        # The one loop that runs for every few bytes of an uncompressed dump.
        unpack, size = self._integer.unpack_from, self._integer.size
        last = len(chunk) - size
        while position <= last:
            sign, length = unpack(chunk, position)
            position += size
            if sign or length > MAX_CHUNK_BYTES:
                raise self._bad(f"a chunk of {'-' if sign else ''}{length} bytes")
            if not length:
                self._expect = _Expect.OID if self._kind is _Kind.BLOBS else _Expect.BLOCK
                if self._data is not None and self._entry is not None:
                    self._data.end(self._entry)
                return position
            self._pass_on(chunk, position, min(position + length, len(chunk)))
            position += length
        if position > len(chunk):
            self._skip = position - len(chunk)
            return len(chunk)
        return position

    def _pass_on(self, chunk: bytes, begin: int, end: int) -> None:
        if self._data is not None and self._entry is not None and begin < end:
            self._data.update(self._entry, chunk[begin:end])

    def _header(self, chunk: bytes, position: int, base: int) -> int:
        """Take what is there of a short header, and act on it once it is complete."""
        wanted = self._integer.size + (self._expect is _Expect.BLOCK)
        end = min(position + wanted - len(self._partial), len(chunk))
        header = self._partial + chunk[position:end]
        if len(header) < wanted:
            self._partial = header
            return end
        self._partial = b""
        if self._expect is _Expect.BLOCK:
            self._open(header, base + end - wanted)
        elif self._expect is _Expect.OID:
            self._object(header, base + end)
        else:
            self._chunks(header, 0)
            if self._expect is not _Expect.CHUNK:
                self._close(base + end)
        return end

    def _open(self, header: bytes, begin: int) -> None:
        sign, dump_id = self._integer.unpack_from(header, 1)
        kind = _KINDS.get(header[0])
        entry = self._missing.pop(dump_id, None)
        if sign or kind is None or entry is None:
            raise broken(
                f"at byte {begin} of the archive, where a block should begin, is none that belongs there",
                hint="the archive is damaged, or bytes follow its end",
            )
        if (kind is _Kind.BLOBS) is not (entry.desc == BLOBS):
            raise broken(f"the block of {_block_title(entry)} at byte {begin} is of the wrong kind")
        if entry.data_offset is not None and entry.data_offset != begin:
            raise broken(
                f"the data of {_block_title(entry)} are at byte {begin}, not at {entry.data_offset} as recorded"
            )
        self._entry, self._kind, self._begin = entry, kind, begin
        self._expect = _Expect.OID if kind is _Kind.BLOBS else _Expect.CHUNK
        if self._on_block is not None:
            self._on_block(entry)

    def _object(self, header: bytes, end: int) -> None:
        sign, oid = self._integer.unpack(header)
        # An OID above 2^31 passes through a C int and comes out negative.
        if sign > 1 or oid > MAX_CHUNK_BYTES + sign or (sign and not oid):
            raise self._bad("a large object without a valid OID")
        if oid:
            self._expect = _Expect.CHUNK
        else:
            self._expect = _Expect.BLOCK
            self._close(end)

    def _close(self, end: int) -> None:
        if self._expect is not _Expect.BLOCK:
            return
        entry = self._entry
        if entry is None:
            raise AssertionError("no block is open")
        length = end - self._begin
        self.done.append(Block(entry.dump_id, self._kind.value, entry.schema, entry.table, self._begin, length))
        self._entry = None

    def _bad(self, what: str) -> Exception:
        if self._entry is None:
            raise AssertionError("no block is open")
        return broken(f"the data of {_block_title(self._entry)} have {what}")


def _block_title(entry: TocEntry) -> str:
    return f"{entry.schema}.{entry.table}" if entry.schema else entry.table
