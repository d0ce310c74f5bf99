"""Small archives in pg_dump's custom format, of any version, for what no installed pg_dump writes.

That they are what PostgreSQL reads is shown against its own pg_restore in ``tests/integration/archive``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

POSITION_UNKNOWN, POSITION_SET, NO_DATA = 1, 2, 3
TABLE_BLOCK, BLOBS_BLOCK = 1, 3
SECTIONS = {"TABLE DATA": 3, "BLOBS": 3, "INDEX": 4, "CONSTRAINT": 4, "COMMENT": 1, "ACL": 1}


@dataclass(frozen=True)
class Entry:
    """One entry of a table of contents and, if it has *data* or *objects*, its block."""

    dump_id: int
    desc: str
    tag: str
    defn: str | None = ""
    namespace: str | None = "public"
    owner: str = "owner"
    copy_stmt: str | None = None
    tablespace: str | None = None
    tableam: str | None = None
    relkind: str = ""
    table_oid: int = 1259
    oid: int = 16384
    dependencies: Sequence[int] = ()
    data: Sequence[bytes] | None = None
    """The chunks of a table's block."""
    objects: dict[int, Sequence[bytes]] | None = None
    """OID -> chunks of a block of large objects."""

    @property
    def has_block(self) -> bool:
        return self.data is not None or self.objects is not None


@dataclass
class ArchiveBuilder:
    """Writes an archive as pg_dump does."""

    entries: Sequence[Entry]
    version: tuple[int, int, int] = (1, 16, 0)
    int_size: int = 4
    off_size: int = 8
    archive_format: int = 1
    compression: int = 0
    created: Sequence[int] = (5, 4, 3, 24, 10, 126, 0)
    database: str = "shop"
    encoding: str = "utf-8"
    offsets: dict[int, int] = field(default_factory=dict)
    """Dump id -> recorded position of its block."""

    def integer(self, value: int) -> bytes:
        return bytes([value < 0]) + abs(value).to_bytes(self.int_size, "little")

    def string(self, value: str | None) -> bytes:
        if value is None:
            return self.integer(-1)
        raw = value.encode(self.encoding, "surrogateescape")
        return self.integer(len(raw)) + raw

    def header(self) -> bytes:
        parts = [b"PGDMP", bytes([*self.version, self.int_size, self.off_size, self.archive_format])]
        is_new = self.version >= (1, 15, 0)
        parts.append(bytes([self.compression]) if is_new else self.integer(self.compression))
        parts += [self.integer(number) for number in self.created]
        parts += [self.string(text) for text in (self.database, "17.10", "17.10")]
        return b"".join(parts)

    def entry(self, entry: Entry) -> bytes:
        parts = [self.integer(entry.dump_id), self.integer(int(entry.has_block))]
        parts += [self.string(str(entry.table_oid)), self.string(str(entry.oid))]
        parts += [self.string(entry.tag), self.string(entry.desc), self.integer(SECTIONS.get(entry.desc, 2))]
        parts += [self.string(text) for text in (entry.defn, "", entry.copy_stmt, entry.namespace, entry.tablespace)]
        if self.version >= (1, 14, 0):
            parts.append(self.string(entry.tableam))
        if self.version >= (1, 16, 0):
            parts.append(self.integer(ord(entry.relkind) if entry.relkind else 0))
        parts += [self.string(entry.owner), self.string("false")]
        parts += [self.string(str(number)) for number in entry.dependencies]
        parts += [self.string(None), self._offset(entry)]
        return b"".join(parts)

    def _offset(self, entry: Entry) -> bytes:
        flag = POSITION_UNKNOWN if entry.has_block else NO_DATA
        if entry.dump_id in self.offsets:
            flag = POSITION_SET
        return bytes([flag]) + self.offsets.get(entry.dump_id, 0).to_bytes(self.off_size, "little")

    def toc(self) -> bytes:
        return b"".join([self.header(), self.integer(len(self.entries)), *map(self.entry, self.entries)])

    def chunks(self, data: Sequence[bytes]) -> bytes:
        return b"".join(self.integer(len(chunk)) + chunk for chunk in data) + self.integer(0)

    def block(self, entry: Entry) -> bytes:
        if entry.objects is None:
            return bytes([TABLE_BLOCK]) + self.integer(entry.dump_id) + self.chunks(entry.data or [])
        objects = (self.integer(oid) + self.chunks(chunks) for oid, chunks in entry.objects.items())
        return bytes([BLOBS_BLOCK]) + self.integer(entry.dump_id) + b"".join(objects) + self.integer(0)

    def blocks(self) -> list[bytes]:
        return [self.block(entry) for entry in self.entries if entry.has_block]

    def build(self) -> bytes:
        return self.toc() + b"".join(self.blocks())


PREAMBLE = (
    Entry(1, "ENCODING", "ENCODING", "SET client_encoding = 'UTF8';\n", None, "", table_oid=0, oid=0),
    Entry(2, "STDSTRINGS", "STDSTRINGS", "SET standard_conforming_strings = 'on';\n", None, "", table_oid=0, oid=0),
    Entry(
        3,
        "SEARCHPATH",
        "SEARCHPATH",
        "SELECT pg_catalog.set_config('search_path', '', false);\n",
        None,
        "",
        table_oid=0,
        oid=0,
    ),
)

SMALL = (
    *PREAMBLE,
    Entry(10, "TABLE", "tall", "CREATE TABLE public.tall (n integer);\n", tableam="heap", relkind="r"),
    Entry(11, "TABLE", "empty", "CREATE TABLE public.empty ();\n", tableam="heap", relkind="r"),
    Entry(12, "SEQUENCE SET", "s", "SELECT pg_catalog.setval('public.s', 42, true);\n"),
    Entry(
        21,
        "TABLE DATA",
        "tall",
        None,
        copy_stmt="COPY public.tall (n) FROM stdin;\n",
        dependencies=[10],
        data=[b"1\n2\n", b"3\n", b"4\n" * 200, b"\\.\n"],
    ),
    Entry(20, "TABLE DATA", "empty", None, copy_stmt="COPY public.empty FROM stdin;\n", dependencies=[11], data=[]),
    Entry(22, "BLOBS", "100..200", None, None, objects={100: [b"large", b"object"], 200: []}),
    Entry(23, "BLOBS", "-5", None, None, objects={-5: [b"an OID above 2^31"]}),
    Entry(30, "INDEX", "tall_n", "CREATE INDEX tall_n ON public.tall (n);\n", dependencies=[10, 11]),
)
