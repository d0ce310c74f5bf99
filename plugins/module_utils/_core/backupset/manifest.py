"""The manifest: what a backup set holds, from which database and snapshot, and how to read it.

It is the last object of a set to be written and the first to be read. ``docs/manifest.schema.json`` is made from
the classes below, and ``docs/backup-set.md`` explains it to people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple

from .. import manifest_rules as rules
from ..documents.document import read_document, write_document
from ..documents.records import ListOf, MapOf, Nullable, Record, Row
from ..documents.values import Choice, Flag, Integer, Parsed, Text, Time
from .naming import KINDS, SetId, check_name

FORMAT = "mobul.backup/manifest"
VERSION = 1

_NAMED = Text(empty=False)
_COUNT = Integer()
_SHA256 = Text(r"[0-9a-f]{64}", "a SHA-256, 64 hexadecimal digits in lower case")
_SHORT_HASH = Text(r"[0-9a-f]{16}", "16 hexadecimal digits in lower case")
_LSN = Text(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}", "a WAL position like '1F/2B003C40'")
_ID = Parsed(SetId.parse, rf"({'|'.join(KINDS)})_[0-9]{{8}}_[0-9]{{6}}", "the id of a backup")
_NAME_PATTERN = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_LABEL = Parsed(lambda text: check_name(text, "label"), _NAME_PATTERN, "a name of letters, digits, '.', '_' and '-'")
_ARTIFACT_NAME = Parsed(rules.check_artifact_name, rules.ARTIFACT_NAME, "a plain file name")


class Frame(NamedTuple):
    """Where a zstd frame begins: in the artifact's plain bytes, and in the compressed stream (before encryption)."""

    plain_offset: int
    compressed_offset: int


class AgeHead(NamedTuple):
    """How many bytes an age file's header and nonce take, and their SHA-256.

    They fix the key of every chunk: who knows them to be genuine can trust any part of the file that decrypts, without
    reading the whole. To forge one takes a private key of a recipient.
    """

    size: int
    sha256: str


class IndexBlock(NamedTuple):
    """Where one table's data lies in a custom-format archive. Schema and table are None for large objects."""

    dump_id: int
    schema: str | None
    table: str | None
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The one moment of the database that everything in the set shows."""

    id: Annotated[str, _NAMED, "As pg_export_snapshot() named it."]
    time: Annotated[datetime, Time(), "The server's time when the snapshot was taken."]
    wal_lsn: Annotated[str | None, Nullable(_LSN), "WAL position at that time, where the server tells it."]


@dataclass(frozen=True, kw_only=True)
class Database:
    """The database that was backed up."""

    name: Annotated[str, _NAMED]
    system_identifier: Annotated[
        str | None, Nullable(Text(r"[0-9]{1,20}", "a number in digits")), "The cluster's, where the role may read it."
    ]
    server_version: Annotated[str, _NAMED, "As the server writes it."]
    server_version_num: Annotated[int, _COUNT, "170010 for 17.10."]
    encoding: Annotated[str, _NAMED]
    size: Annotated[int, _COUNT, "pg_database_size(), in bytes."]
    snapshot: Annotated[Snapshot, Record(Snapshot)]


@dataclass(frozen=True, kw_only=True)
class Index:
    """Where each table lies in a dump: byte ranges of the custom-format archive, after decryption and unwrapping."""

    toc_length: Annotated[int, _COUNT, "Bytes of the header and table of contents, before the first block."]
    blocks: Annotated[
        tuple[IndexBlock, ...],
        ListOf(Row(IndexBlock, Integer(1), Nullable(_NAMED), Nullable(_NAMED), _COUNT, _COUNT)),
        "[dump id, schema, table, offset, length]; schema and table are null for large objects.",
    ]


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a table export holds: a table, or a query's result."""

    schema: Annotated[str | None, Nullable(_NAMED)]
    table: Annotated[str | None, Nullable(_NAMED)]
    columns: Annotated[tuple[str, ...] | None, Nullable(ListOf(_NAMED)), "In the file's order, where they are known."]
    where: Annotated[str | None, Nullable(Text())]
    query: Annotated[str | None, Nullable(Text())]
    rows: Annotated[int, _COUNT]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file of the set. Read it in this order: decrypt, unwrap the compression, then it is of its format."""

    name: Annotated[str, _ARTIFACT_NAME, "The file's name in the set's directory."]
    role: Annotated[str, Choice("dump", "globals", "export")]
    part: Annotated[int | None, Nullable(Integer(1)), "1, 2, ... for a dump; all parts together are the database."] = (
        None
    )
    format: Annotated[str, Choice("pg_custom", "sql", "csv", "json")]
    compression: Annotated[str, Choice("none", "gzip", "zstd", "lz4"), "Around the format."]
    inner_compression: Annotated[str | None, Nullable(_NAMED), "Inside the format, as pg_dump was told it."] = None
    encryption: Annotated[str, Choice("age", "gpg", "none")]
    recipients: Annotated[tuple[str, ...], ListOf(_NAMED), "Public keys or fingerprints of who can decrypt it."] = ()
    size: Annotated[int, _COUNT, "Bytes of the file as it is stored."]
    sha256: Annotated[str, _SHA256, "Of the file as it is stored."]
    plain_size: Annotated[int | None, Nullable(_COUNT), "Bytes before compression and encryption."] = None
    frames: Annotated[
        tuple[Frame, ...] | None,
        Nullable(ListOf(Row(Frame, _COUNT, _COUNT))),
        "[plain offset, compressed offset] of each zstd frame, so that reading can begin at any of them.",
    ] = None
    age_head: Annotated[
        AgeHead | None,
        Nullable(Row(AgeHead, Integer(1), _SHA256)),
        "[bytes, SHA-256] of the header and the nonce of an age file: with it a part can be trusted by itself.",
    ] = None
    index: Annotated[Index | None, Nullable(Record(Index, rule=rules.check_index))] = None
    export: Annotated[Export | None, Nullable(Record(Export, rule=rules.check_export))] = None


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A digest of a table's contents that does not depend on the order of its rows."""

    algorithm: Annotated[str, _NAMED]
    value: Annotated[str, _NAMED]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was in the snapshot."""

    schema: Annotated[str, _NAMED]
    name: Annotated[str, _NAMED]
    priority: Annotated[int | None, Nullable(Integer(1, 3)), "1 is critical, 3 can be made again."] = None
    personal_data: Annotated[bool, Flag()] = False
    rows: Annotated[int, _COUNT]
    fingerprint: Annotated[Fingerprint | None, Nullable(Record(Fingerprint))] = None


@dataclass(frozen=True, kw_only=True)
class SchemaFingerprint:
    """A digest of the schema, and one of each of its objects, so that a difference can be named."""

    algorithm: Annotated[str, _NAMED]
    fingerprint: Annotated[str, _SHA256]
    objects: Annotated[Mapping[str, str], MapOf(_NAMED, _SHORT_HASH)]


@dataclass(frozen=True, kw_only=True)
class PreviousSet:
    """The set of the same label that came before, so that a missing or replayed set shows."""

    id: Annotated[SetId, _ID]
    sha256: Annotated[str, _SHA256, "Of that set's manifest.json."]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that is known of one backup set."""

    format: Annotated[str, Choice(FORMAT)] = FORMAT
    version: Annotated[int, Integer(VERSION, VERSION)] = VERSION
    id: Annotated[SetId, _ID, "Kind and time of the set; also the name of its directory."]
    kind: Annotated[str, Choice(*KINDS)]
    label: Annotated[str, _LABEL, "The database's name in the catalogue."]
    environment: Annotated[str | None, Nullable(_NAMED)] = None
    labels: Annotated[Mapping[str, str], MapOf(_NAMED, Text()), "The user's own marks: a deployment's id, say."]
    started: Annotated[datetime, Time()]
    finished: Annotated[datetime, Time()]
    database: Annotated[Database, Record(Database)]
    tools: Annotated[Mapping[str, str], MapOf(_NAMED, _NAMED), "Program -> version."]
    artifacts: Annotated[
        tuple[Artifact, ...],
        ListOf(Record(Artifact, rule=rules.check_artifact, conditions=rules.ARTIFACT_CONDITIONS)),
    ]
    tables: Annotated[tuple[Table, ...], ListOf(Record(Table))]
    schema: Annotated[SchemaFingerprint, Record(SchemaFingerprint)]
    large_objects: Annotated[int, _COUNT, "How many the database has."]
    previous: Annotated[PreviousSet | None, Nullable(Record(PreviousSet))] = None
    warnings: Annotated[tuple[str, ...], ListOf(Text())] = ()

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read the bytes of a ``manifest.json``, trusting nothing in them.

        :raises FormatError: naming the path of what is wrong and what was expected.
        """
        return read_document(SHAPE, data, what="manifest", kind=FORMAT, version=VERSION)

    def to_bytes(self) -> bytes:
        """The manifest as it is stored: equal manifests have equal bytes.

        :raises FormatError: it is not one that :meth:`parse` would accept.
        """
        return write_document(SHAPE, self, what="manifest")


SHAPE = Record(Manifest, rule=rules.check_manifest)
"""How a manifest is read, written and described."""


def digest(data: bytes) -> str:
    """SHA-256 of a manifest's stored bytes, as the next set's ``previous`` holds it."""
    return hashlib.sha256(data).hexdigest()
