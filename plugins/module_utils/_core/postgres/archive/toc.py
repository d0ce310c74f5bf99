"""The table of contents of a dump in pg_dump's custom format, archive versions 1.12 to 1.16 (pg_dump 9.0 to 18).

Layout, as written by ``WriteHead`` and ``WriteToc`` in PostgreSQL's ``src/bin/pg_dump/pg_backup_archiver.c``:
``PGDMP``, three version bytes, the sizes of integers and of file offsets, the format (1 is custom), the
compression (a byte since 1.15, an integer before), seven integers of local time, three strings, then the number
of entries and the entries. An integer is a sign byte (1 is negative) and its magnitude, little-endian. A string is
an integer length, -1 for none, and its bytes in the dump's encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from .encodings import DEFAULT, codec_of

Version = tuple[int, int, int]


class Section(IntEnum):
    """The part of a dump that an entry belongs to."""

    NONE = 1
    PRE_DATA = 2
    DATA = 3
    POST_DATA = 4


LONG_TEXT_BYTES = 1024 * 1024


class LongText(Protocol):
    """What is left of a definition of more than :data:`LONG_TEXT_BYTES`: the digest that begins with it."""

    def copy(self) -> Any:
        """A hash object of :mod:`hashlib` that has taken in the definition."""


class TableData(NamedTuple):
    """A table whose rows are in the dump."""

    dump_id: int
    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class TocEntry:
    """One object of the dump. A string that the dump leaves out is empty here."""

    dump_id: int
    had_dumper: bool
    """Whether a block of data belongs to it."""
    table_oid: int
    """OID of the catalog that the object is in."""
    oid: int
    tag: str
    """The object's name, sometimes with more: ``table constraint``, ``function(arguments)``."""
    desc: str
    """The kind of the object: ``TABLE``, ``TABLE DATA``, ``FK CONSTRAINT``."""
    section: Section
    defn: str
    """Empty where it is too long to be kept; see :attr:`long`."""
    drop_stmt: str
    copy_stmt: str
    namespace: str
    tablespace: str
    tableam: str
    """Table access method; only since 1.14."""
    relkind: str
    """A letter as in ``pg_class.relkind``, or empty; only since 1.16."""
    owner: str
    dependencies: tuple[int, ...]
    data_offset: int | None
    """Where its block begins, in bytes from the archive's start, if pg_dump could seek in its output."""
    position: int
    """Where the entry itself begins, in bytes from the archive's start."""
    size: int
    """How many bytes the entry itself takes in the archive."""
    long: LongText | None = field(default=None, compare=False)
    """Instead of a definition that is too long to be kept."""

    @property
    def schema(self) -> str:
        """The schema of the table that a TABLE DATA entry is about; empty for anything else."""
        return self.namespace if self.desc == TABLE_DATA else ""

    @property
    def table(self) -> str:
        """The table that a TABLE DATA entry is about, the name of the batch for large objects."""
        return self.tag


TABLE_DATA = "TABLE DATA"
BLOBS = "BLOBS"


@dataclass(frozen=True)
class Toc:
    """The header and the table of contents of a dump."""

    version: Version
    """Of the archive format: ``(1, 16, 0)``."""
    int_size: int
    """Bytes of an integer, without its sign byte."""
    off_size: int
    """Bytes of a file offset."""
    compression: str
    """Of the data blocks: ``none``, ``gzip``, ``lz4`` or ``zstd``."""
    compression_level: int | None
    """Only before 1.15; -1 is zlib's default."""
    created: datetime | None
    """Local time of the machine that dumped, so without a zone; None when it is no date."""
    database: str
    server_version: str
    """As the server says it: ``15.18 (Debian 15.18-0+deb12u1)``."""
    pg_dump_version: str
    header_length: int
    """How many bytes come before the number of entries."""
    length: int
    """How many bytes header and table of contents take: where the data blocks begin."""
    entries: tuple[TocEntry, ...]
    uncompared: tuple[str, ...] = ()
    """The objects, called as in a manifest, whose definitions are too long to be compared with others."""

    @cached_property
    def tables(self) -> tuple[TableData, ...]:
        """Every table whose rows are in the dump, in the order of their blocks."""
        data = (entry for entry in self.entries if entry.desc == TABLE_DATA)
        return tuple(TableData(entry.dump_id, entry.namespace, entry.tag) for entry in data)

    @cached_property
    def codec(self) -> str:
        """The name of Python's codec for the dump's encoding."""
        return next((codec_of(entry.defn) for entry in self.entries if entry.desc == "ENCODING"), DEFAULT)

    @cached_property
    def by_id(self) -> Mapping[int, TocEntry]:
        """Dump id -> entry."""
        return {entry.dump_id: entry for entry in self.entries}

    @cached_property
    def dependents(self) -> Mapping[int, Sequence[int]]:
        """Dump id -> dump ids of the entries that depend on it, if there are any."""
        found: dict[int, list[int]] = {}
        for entry in self.entries:
            for dump_id in entry.dependencies:
                found.setdefault(dump_id, []).append(entry.dump_id)
        return found
