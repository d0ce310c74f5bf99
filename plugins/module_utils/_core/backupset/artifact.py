"""An artifact: one file of a set, how to read it, and where in it each table lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from ..documents.records import ListOf, Nullable, Record, Row
from ..documents.values import Choice, Integer, Mismatch, Parsed, Text
from .fields import COUNT, NAMED, SHA256, check_unique

_RESERVED = (
    r"(?:manifest|hold|hold\.next|released|skipped|verified_[0-9]{8}_[0-9]{4,6}(?:_[0-9]+)?|rekeyed_[0-9]{8}_[0-9]{6})"
    r"\.json(?:\.sig)?"
)
ARTIFACT_NAME = rf"(?!.*\.\.)(?!{_RESERVED}$)[A-Za-z0-9][A-Za-z0-9._-]{{0,126}}"
"""A file name for every store, that is none of the names a set uses for itself."""

_FORMATS = {"dump": ("pg_custom",), "globals": ("sql",), "export": ("csv", "json"), "attachment": ("file",)}


def check_artifact_name(name: str) -> str:
    """Return *name* if an artifact may have it; raise ValueError (no ``/``, ``..``, NUL; no name of the set's own)."""
    if not re.fullmatch(ARTIFACT_NAME, name):
        raise ValueError(f"{name!r} is not usable as the name of an artifact")
    return name


_ARTIFACT_NAME = Parsed(check_artifact_name, ARTIFACT_NAME, "a plain file name")


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
class Index:
    """Where each table lies in a dump: byte ranges of the custom-format archive, after decryption and unwrapping."""

    toc_length: Annotated[int, COUNT, "Bytes of the header and table of contents, before the first block."]
    blocks: Annotated[
        tuple[IndexBlock, ...],
        ListOf(Row(IndexBlock, Integer(1), Nullable(NAMED), Nullable(NAMED), COUNT, COUNT)),
        "[dump id, schema, table, offset, length]; schema and table are null for large objects.",
    ]


def check_index(index: Index) -> None:
    """Blocks follow the table of contents and each other without overlapping; every dump id occurs once."""
    end = index.toc_length
    for number, block in enumerate(index.blocks):
        if block.offset < end:
            raise Mismatch(
                f"an offset from {end} on, behind what comes before", block.offset, path=["blocks", number, 3]
            )
        end = block.offset + block.length
    check_unique((block.dump_id for block in index.blocks), "dump id", ["blocks"])


@dataclass(frozen=True, kw_only=True)
class Export:
    """What a table export holds: a table, or a query's result."""

    schema: Annotated[str | None, Nullable(NAMED)]
    table: Annotated[str | None, Nullable(NAMED)]
    columns: Annotated[
        tuple[str, ...] | None, Nullable(ListOf(NAMED)), "Columns in the order of the file, if they are known."
    ]
    where: Annotated[str | None, Nullable(Text())]
    query: Annotated[str | None, Nullable(Text())]
    rows: Annotated[int, COUNT]


def check_export(export: Export) -> None:
    """It is of a table or of a query; a query has its condition in itself."""
    if (export.table is None) == (export.query is None):
        raise Mismatch("either table or query must be given")
    if (export.schema is None) != (export.table is None):
        raise Mismatch("a schema with a table and null with a query", export.schema, path=["schema"])
    if export.query is not None and export.where is not None:
        raise Mismatch("null, as there is a query", export.where, path=["where"])


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file of the set. Read it in this order: decrypt, unwrap the compression, then it is of its format."""

    name: Annotated[str, _ARTIFACT_NAME, "The file's name in the set's directory."]
    role: Annotated[str, Choice("dump", "globals", "export", "attachment")]
    part: Annotated[int | None, Nullable(Integer(1)), "1, 2, ... for a dump; all parts together are the database."] = (
        None
    )
    format: Annotated[
        str, Choice("pg_custom", "sql", "csv", "json", "file"), "What the file contains; its name says more."
    ]
    compression: Annotated[str, Choice("none", "gzip", "zstd", "lz4"), "Compression around the format."]
    inner_compression: Annotated[str | None, Nullable(NAMED), "Compression inside the format, as given to pg_dump."] = (
        None
    )
    encryption: Annotated[str, Choice("age", "gpg", "none")]
    recipients: Annotated[tuple[str, ...], ListOf(NAMED), "Public keys or fingerprints of who can decrypt it."] = ()
    size: Annotated[int, COUNT, "Bytes of the file as it is stored."]
    sha256: Annotated[str, SHA256, "SHA-256 of the file as it is stored."]
    plain_size: Annotated[int | None, Nullable(COUNT), "Bytes before compression and encryption."] = None
    frames: Annotated[
        tuple[Frame, ...] | None,
        Nullable(ListOf(Row(Frame, COUNT, COUNT))),
        "[plain offset, compressed offset] of each zstd frame, so that reading can begin at any of them.",
    ] = None
    age_head: Annotated[
        AgeHead | None,
        Nullable(Row(AgeHead, Integer(1), SHA256)),
        "[bytes, SHA-256] of the header and the nonce of an age file: with it a part can be trusted by itself.",
    ] = None
    index: Annotated[Index | None, Nullable(Record(Index, rule=check_index))] = None
    export: Annotated[Export | None, Nullable(Record(Export, rule=check_export))] = None

    @property
    def is_age(self) -> bool:
        """Whether it is an age file: its header can be proven by itself and be exchanged, and it can be read in parts.

        Nothing of that can be done with the files of other ciphers.
        """
        return self.encryption == "age"


def _when(role: str, then: dict[str, Any]) -> dict[str, Any]:
    return {
        "if": {"properties": {"role": {"const": role}}},
        "then": {"properties": {"format": {"enum": list(_FORMATS[role])}, **then}},
    }


_NULL = {"type": "null"}
ARTIFACT_CONDITIONS: dict[str, Any] = {
    "allOf": [
        _when("dump", {"part": {"type": "integer"}, "export": _NULL}),
        _when("globals", {"part": _NULL, "index": _NULL, "export": _NULL}),
        _when("attachment", {"part": _NULL, "index": _NULL, "export": _NULL}),
        _when("export", {"part": _NULL, "index": _NULL, "export": {"type": "object"}}),
        {
            "if": {"properties": {"encryption": {"const": "none"}}},
            "then": {"properties": {"recipients": {"maxItems": 0}}},
        },
        {"if": {"properties": {"compression": {"not": {"const": "zstd"}}}}, "then": {"properties": {"frames": _NULL}}},
    ]
}
"""The part of :func:`check_artifact` that JSON Schema can say."""


def check_artifact(artifact: Artifact) -> None:
    """Which members go with which role, compression and encryption; ranges inside the file's plain bytes."""
    dump, export = artifact.role == "dump", artifact.role == "export"
    if artifact.format not in _FORMATS[artifact.role]:
        expected = " or ".join(map(repr, _FORMATS[artifact.role]))
        raise Mismatch(f"{expected}, as its role is {artifact.role!r}", artifact.format, path=["format"])
    if (artifact.part is not None) != dump:
        raise Mismatch("a number for a dump and null for others", artifact.part, path=["part"])
    if (artifact.export is not None) != export:
        raise Mismatch("an object for an export and null for others", artifact.export, path=["export"])
    if artifact.index is not None and not dump:
        raise Mismatch("null, as it is no dump", path=["index"])
    if artifact.encryption == "none" and artifact.recipients:
        raise Mismatch("an empty list, as it is not encrypted", artifact.recipients, path=["recipients"])
    if artifact.frames is not None:
        _check_frames(artifact)
    if artifact.index is not None and artifact.plain_size is not None:
        blocks = artifact.index.blocks
        end = max((block.offset + block.length for block in blocks), default=artifact.index.toc_length)
        if end > artifact.plain_size:
            raise Mismatch(f"ranges inside the {artifact.plain_size} bytes of the archive", end, path=["index"])


def _check_frames(artifact: Artifact) -> None:
    frames = artifact.frames or ()
    if artifact.compression != "zstd":
        raise Mismatch("null, as the compression is not zstd", path=["frames"])
    if frames and frames[0] != (0, 0):
        raise Mismatch("[0, 0], where the first frame begins", list(frames[0]), path=["frames", 0])
    for number in range(1, len(frames)):
        before, this = frames[number - 1], frames[number]
        if this.plain_offset <= before.plain_offset or this.compressed_offset <= before.compressed_offset:
            raise Mismatch(f"offsets above {list(before)}", list(this), path=["frames", number])
    if frames and artifact.plain_size is not None and frames[-1].plain_offset > artifact.plain_size:
        raise Mismatch(f"offsets up to {artifact.plain_size}", list(frames[-1]), path=["frames", len(frames) - 1])
