"""Reads header and table of contents out of a stream that comes in pieces of any size."""

from __future__ import annotations

import re
import struct
import sys
from datetime import datetime
from typing import Any

from ...errors import FormatError
from . import encodings
from .long_definition import LongDefinition
from .schema import LONGEST_FORMED, ONLY_FORMED, VERBATIM, long_text, object_name
from .toc import LONG_TEXT_BYTES, LongText, Section, Toc, TocEntry, Version

STEP = "read the archive"
MAGIC = b"PGDMP"
OLDEST: Version = (1, 12, 0)
NEWEST: Version = (1, 16, 255)

INTEGERS = {4: struct.Struct("<BI"), 8: struct.Struct("<BQ")}
"""Sign and magnitude, by the size that the header tells."""
MAX_TOC_BYTES = 1024 * 1024 * 1024
"""But for definitions that are not kept. A million large objects dumped by PostgreSQL 16 or older take 300 MB.
"""
MAX_ENTRIES = 4_000_000
MAX_STRING_BYTES = 64 * 1024 * 1024
"""Of a string that is no definition: a name, or a statement made of names."""
MAX_DEFINITION_BYTES = 2**31 - 1
"""pg_dump counts a string with a C int."""

_CUSTOM = 1
_NUL = "the table of contents has a NUL inside a string"
_COMPRESSIONS = ("none", "gzip", "lz4", "zstd")
_BYTE_COMPRESSION: Version = (1, 15, 0)
_TABLE_ACCESS_METHODS: Version = (1, 14, 0)
_RELKINDS: Version = (1, 16, 0)
_POSITION_UNKNOWN, _POSITION_SET, _NO_DATA = 1, 2, 3
_NUMBER = re.compile(rb"[0-9]{1,10}")
_ENTRY_MEMORY, _DEPENDENCY_MEMORY = 600, 100
"""Bytes of an entry without its texts, and of the number of another one that it depends on."""


def broken(message: str, *, hint: str | None = None) -> FormatError:
    """The error for bytes that are not what the format asks for."""
    return FormatError(STEP, message, hint=hint)


class _Short(Exception):
    """What is read goes on behind the bytes at hand; at least *end* of them are needed."""

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


class _Long(Exception):
    """What comes next is a definition that is too long to be kept.

    :ivar begin: where its length stands.
    :ivar behind: where it begins itself.
    """

    def __init__(self, begin: int, end: int, definition: LongDefinition) -> None:
        super().__init__(begin)
        self.begin, self.end = begin, end
        self.definition = definition


class _Cursor:
    """Reads the format's bytes, integers and strings from *data*, one after the other."""

    __slots__ = ("_integer", "data", "off_size", "position")

    def __init__(self, data: bytes, int_size: int, off_size: int) -> None:
        self.data = data
        self.position = 0
        self.off_size = off_size
        self.set_int_size(int_size)

    def set_int_size(self, size: int) -> None:
        self._integer = INTEGERS[size]

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise _Short(end)
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        begin = self.position
        self.position = end = begin + self._integer.size
        if end > len(self.data):
            raise _Short(end)
        sign: int
        value: int
        sign, value = self._integer.unpack_from(self.data, begin)
        if sign > 1:
            raise broken(f"the table of contents has the sign {sign} in an integer")
        return -value if sign else value

    def string(self) -> bytes | None:
        length = self.integer()
        if length < 0:
            return None
        if length > MAX_STRING_BYTES:
            raise broken(f"the table of contents has a string of {length} bytes")
        raw = self.take(length)
        if b"\0" in raw:
            raise broken(_NUL)
        return raw

    def number(self) -> int | None:
        raw = self.string()
        if raw is None:
            return None
        if not _NUMBER.fullmatch(raw):
            raise broken("the table of contents has something else where an object's number belongs")
        return int(raw)

    def data_offset(self, had_dumper: bool) -> int | None:
        flag = self.byte()
        offset = int.from_bytes(self.take(self.off_size), "little")
        if flag not in (_POSITION_UNKNOWN, _POSITION_SET, _NO_DATA) or (flag == _NO_DATA) is had_dumper:
            raise broken(f"the table of contents has the offset flag {flag} where it cannot be")
        return offset if flag == _POSITION_SET else None


class _Header:
    """The fields of the archive before its first entry."""

    def __init__(self, data: bytes) -> None:
        cursor = _Cursor(data, 4, 8)
        for expected in MAGIC:
            if cursor.byte() != expected:
                raise broken(
                    "this is no dump in pg_dump's custom format",
                    hint="dumps of pg_dump --format=custom begin with PGDMP",
                )
        self.version = (cursor.byte(), cursor.byte(), cursor.byte())
        if not OLDEST <= self.version <= NEWEST:
            version = ".".join(map(str, self.version))
            raise broken(f"the archive is of version {version}", hint="known are 1.12 to 1.16, of pg_dump 9.0 to 18")
        self.int_size, self.off_size, archive_format = cursor.byte(), cursor.byte(), cursor.byte()
        if self.int_size not in INTEGERS or self.off_size not in INTEGERS:
            raise broken(f"the archive has integers of {self.int_size} and offsets of {self.off_size} bytes")
        if archive_format != _CUSTOM:
            raise broken(f"the archive is of the format {archive_format}, not of the custom format")
        cursor.set_int_size(self.int_size)
        self.compression, self.compression_level = self._compression(cursor)
        self.created = self._created(cursor)
        self.database, self.server_version, self.pg_dump_version = (cursor.string() or b"" for _field in range(3))
        self.length = cursor.position
        self.count = cursor.integer()
        if not 0 <= self.count <= MAX_ENTRIES:
            raise broken(f"the archive has {self.count} entries")
        self.end = cursor.position

    def _compression(self, cursor: _Cursor) -> tuple[str, int | None]:
        if self.version < _BYTE_COMPRESSION:
            level = cursor.integer()
            return ("gzip" if level else "none"), level
        algorithm = cursor.byte()
        if algorithm >= len(_COMPRESSIONS):
            raise broken(f"the archive is compressed by the unknown method {algorithm}")
        return _COMPRESSIONS[algorithm], None

    @staticmethod
    def _created(cursor: _Cursor) -> datetime | None:
        second, minute, hour, day, month, year, _is_dst = (cursor.integer() for _field in range(7))
        try:
            return datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))
        except (ValueError, OverflowError):
            return None


class TocReader:
    """Push-style reader: :meth:`feed` it until it has a :attr:`toc`.

    :param limit: bytes of memory that the entries may take; None for a dump that is being made here.
    :param keep_raw: whether to keep the entries as they stand in the archive, too.
    :ivar header: the bytes before the number of entries.
    :ivar raw: each entry as it stands in the archive, by dump id, but those with a text that is too long to be kept.
    """

    def __init__(self, limit: int | None = None, *, keep_raw: bool = False) -> None:
        self.toc: Toc | None = None
        self.header = b""
        self.raw: dict[int, bytes] = {}
        self._limit = limit
        self._memory = 0
        self._keep_raw = keep_raw
        self._parts: list[bytes] = []
        self._names: dict[bytes, str] = {}
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = 1
        self._base = 0
        self._header: _Header | None = None
        self._entries: list[TocEntry] = []
        self._ids: set[int] = set()
        self._draft: dict[str, Any] | None = None
        self._dependencies: list[int] = []
        self._codec = encodings.DEFAULT
        self._passing: LongDefinition | None = None
        self._passed: LongDefinition | None = None
        self._passed_bytes = self._all_passed = 0
        self._uncompared: list[str] = []

    def feed(self, chunk: bytes) -> int | None:
        """Take the next bytes; return where in *chunk* the data begin once the table is complete, else None."""
        if self._passing is not None:
            taken = self._passing.take(chunk)
            if chunk.find(b"\0", 0, taken) >= 0:
                raise broken(_NUL)
            if self._passing.left:
                return None
            self._passed, self._passing = self._passing, None
            end = self.feed(chunk[taken:])
            return None if end is None else taken + end
        self._pieces.append(chunk)
        self._held += len(chunk)
        if self._held < self._wanted:
            return None
        # Joined only once a string is there as a whole: a long one would else be copied with every piece.
        data, self._pieces = b"".join(self._pieces), []
        end = self._read(data)
        return None if end is None else end - (len(data) - len(chunk))

    def _read(self, data: bytes) -> int | None:
        done = 0
        try:
            if self._header is None:
                self._header = _Header(data)
                done = self._header.end
                self.header = data[: self._header.length]
            header = self._header
            cursor = _Cursor(data, header.int_size, header.off_size)
            cursor.position = done
            while len(self._entries) < header.count:
                if self._draft is None:
                    self._draft = self._fields(cursor, header.version)
                    done = self._take_over(data, done, cursor.position)
                # Kept one by one: a long list that comes in pieces would else be read again with each of them.
                while (number := cursor.number()) is not None:
                    self._dependencies.append(number)
                    self._spend(_DEPENDENCY_MEMORY)
                    done = self._take_over(data, done, cursor.position)
                self._entries.append(self._entry(cursor, self._draft))
                done = self._take_over(data, done, cursor.position)
                self._end_raw(self._entries[-1])
        except _Short as short:
            self._keep(data[done:], done, short.end - done)
            return None
        except _Long as long:
            return self._let_pass(data, done, long)
        self.toc = self._complete(header, self._base + done)
        return done

    def _let_pass(self, data: bytes, done: int, long: _Long) -> int | None:
        """Take a long definition out of its entry, of which the rest is read as if it had none."""
        self._keep(data[done : long.begin], done, 1)
        self._passing = long.definition
        self._passed_bytes = long.end - long.begin + long.definition.left
        end = self.feed(data[long.end :])
        return None if end is None else long.end + end

    def _take_over(self, data: bytes, begin: int, end: int) -> int:
        """Keep what was read of an entry; return *end*."""
        if self._keep_raw and (self._draft is None or self._draft["long"] is None):
            self._parts.append(data[begin:end])
            self._spend(end - begin)
        return end

    def _end_raw(self, entry: TocEntry) -> None:
        if self._keep_raw and entry.long is None:
            self.raw[entry.dump_id] = b"".join(self._parts)
        self._parts = []

    def _spend(self, memory: int, *, passing: int = 0) -> None:
        """Count what is kept, and refuse more than may be."""
        self._memory += memory
        if self._limit is not None and self._memory + passing > self._limit:
            raise broken(
                f"the table of contents takes more than {self._limit // 1024**2} MiB of memory",
                hint="if the dump is an honest one, raise max_toc_size",
            )

    def _keep(self, rest: bytes, done: int, wanted: int) -> None:
        self._base += done
        self._pieces, self._held, self._wanted = [rest], len(rest), wanted
        if self._base - self._all_passed + wanted > MAX_TOC_BYTES:
            raise broken(f"the table of contents is larger than {MAX_TOC_BYTES} bytes")

    def _text(self, raw: bytes | None) -> str:
        text = encodings.decode(raw, self._codec) if raw else ""
        self._spend(sys.getsizeof(text) if text else 0)
        return text

    def _definition(self, cursor: _Cursor, desc: str) -> tuple[str, LongText | None]:
        if self._passed is not None:
            return "", self._passed.text
        begin = cursor.position
        length = cursor.integer()
        if length > MAX_DEFINITION_BYTES:
            raise broken(f"the table of contents has a definition of {length} bytes")
        if length > (LONG_TEXT_BYTES if desc in VERBATIM else LONGEST_FORMED):
            definition = LongDefinition(length, self._codec, compared=desc not in ONLY_FORMED)
            raise _Long(begin, cursor.position, definition)
        cursor.position = begin
        raw = cursor.string() or b""
        if length <= LONG_TEXT_BYTES:
            return self._text(raw), None
        # In memory together while it is looked at: the bytes and the text.
        self._spend(0, passing=5 * length)
        return "", long_text(desc, encodings.decode(raw, self._codec))

    def _name(self, cursor: _Cursor) -> str:
        # Few different ones in thousands of entries.
        raw = cursor.string() or b""
        if raw not in self._names:
            self._names[raw] = self._text(raw)
        return self._names[raw]

    def _fields(self, cursor: _Cursor, version: Version) -> dict[str, Any]:
        """The fields of an entry before its dependencies."""
        fields: dict[str, Any] = {"position": self._base + cursor.position}
        fields["dump_id"] = dump_id = cursor.integer()
        if dump_id <= 0 or dump_id in self._ids:
            raise broken(f"entry {dump_id} of the table of contents is there twice or has no valid number")
        fields["had_dumper"] = cursor.integer() != 0
        fields["table_oid"], fields["oid"] = cursor.number() or 0, cursor.number() or 0
        fields["tag"], fields["desc"] = self._text(cursor.string()), self._name(cursor)
        section = cursor.integer()
        fields["defn"], fields["long"] = self._definition(cursor, fields["desc"])
        fields["drop_stmt"], fields["copy_stmt"] = (self._text(cursor.string()) for _field in range(2))
        fields["namespace"], fields["tablespace"] = self._name(cursor), self._name(cursor)
        fields["tableam"] = self._name(cursor) if version >= _TABLE_ACCESS_METHODS else ""
        relkind = cursor.integer() if version >= _RELKINDS else 0
        if not Section.NONE <= section <= Section.POST_DATA or not 0 <= relkind < 128:
            raise broken(f"entry {dump_id} of the table of contents has the section {section}, the kind {relkind}")
        fields["section"], fields["relkind"] = Section(section), chr(relkind) if relkind else ""
        fields["owner"] = self._name(cursor)
        cursor.string()  # "true" for a table WITH OIDS, which no server has had since 12
        return fields

    def _entry(self, cursor: _Cursor, fields: dict[str, Any]) -> TocEntry:
        """The entry of *fields* and of what comes behind its dependencies."""
        offset = cursor.data_offset(fields["had_dumper"])
        size = self._base + cursor.position + self._passed_bytes - fields["position"]
        entry = TocEntry(**fields, dependencies=tuple(self._dependencies), data_offset=offset, size=size)
        self._draft, self._dependencies = None, []
        self._spend(_ENTRY_MEMORY)
        self._ids.add(entry.dump_id)
        if self._passed is not None:
            self._base += self._passed_bytes
            self._all_passed += self._passed_bytes
            self._uncompared += [] if self._passed.compared else [object_name(entry)]
            self._passed, self._passed_bytes = None, 0
        if entry.desc == "ENCODING":
            self._codec = encodings.codec_of(entry.defn)
        return entry

    def _complete(self, header: _Header, length: int) -> Toc:
        return Toc(
            version=header.version,
            int_size=header.int_size,
            off_size=header.off_size,
            compression=header.compression,
            compression_level=header.compression_level,
            created=header.created,
            database=self._text(header.database),
            server_version=self._text(header.server_version),
            pg_dump_version=self._text(header.pg_dump_version),
            header_length=header.length,
            length=length,
            entries=tuple(self._entries),
            uncompared=tuple(self._uncompared),
        )
