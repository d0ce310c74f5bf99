"""The manifest of a set, put together from what the dump, the counts and the exports found."""

from __future__ import annotations

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ..backupset.artifact import AgeHead, Artifact, Export, Frame, Index, IndexBlock
from ..backupset.manifest import Fingerprint as ManifestFingerprint
from ..backupset.manifest import Manifest, SchemaFingerprint, Table
from ..documents.strict_json import check_size
from ..encryption.cipher import Encryption
from ..errors import FormatError
from ..postgres.archive import schema_fingerprint, schema_objects
from ..postgres.archive.walker import Block
from ..postgres.counting import Fingerprint
from ..postgres.names import TableName
from .dumping import PartDump
from .request import TablePolicy
from .small_artifacts import SmallArtifact

SCHEMA_ALGORITHM = "toc-sha256-1"
_IN_SCHEMA = re.compile(r"[A-Z ]+ ([^.]+)\.")


def describe_dump(dump: PartDump, encryption: Encryption) -> Artifact:
    """The manifest's artifact entry for one part of the dump."""
    frames = None if dump.frames is None else tuple(Frame(*frame) for frame in dump.frames.frames)
    return Artifact(
        name=dump.name,
        role="dump",
        part=dump.part.number,
        format="pg_custom",
        compression="none" if dump.frames is None else "zstd",
        inner_compression=dump.compression.inner,
        encryption=encryption.scheme,
        recipients=encryption.recipients,
        size=dump.hash.size,
        sha256=dump.hash.hexdigest(),
        plain_size=dump.walker.size,
        frames=frames,
        age_head=_head(encryption, dump.head.data),
        index=Index(
            toc_length=dump.walker.toc.length,
            blocks=tuple(_index_block(block) for block in dump.walker.index),
        ),
    )


def _head(encryption: Encryption, beginning: bytes) -> AgeHead | None:
    size = encryption.head_size(beginning)
    return None if size is None else AgeHead(size, hashlib.sha256(beginning[:size]).hexdigest())


def _index_block(block: Block) -> IndexBlock:
    if block.kind == "table":
        return IndexBlock(block.dump_id, block.schema, block.table, block.offset, block.length)
    return IndexBlock(block.dump_id, None, None, block.offset, block.length)


def describe_small_artifact(artifact: SmallArtifact, encryption: Encryption) -> Artifact:
    """The manifest's entry of the globals, of an export or of an attachment."""
    return Artifact(
        name=artifact.name,
        role=artifact.role,
        format=artifact.format,
        compression=artifact.compression,
        encryption=encryption.scheme,
        recipients=encryption.recipients,
        size=artifact.hash.size,
        sha256=artifact.hash.hexdigest(),
        plain_size=None if artifact.sealed else artifact.plain.size,
        export=None if artifact.export is None else _describe_export(artifact),
    )


def _describe_export(artifact: SmallArtifact) -> Export:
    resolved = artifact.export
    if resolved is None:
        raise AssertionError("this is no export")
    schema, table = resolved.copy.table or (None, None)
    return Export(
        schema=schema,
        table=table,
        columns=resolved.spec.columns,
        where=resolved.spec.where,
        query=resolved.spec.query,
        rows=artifact.rows,
    )


def describe_tables(
    rows: Mapping[TableName, int],
    fingerprints: Mapping[TableName, Fingerprint],
    policies: Mapping[TableName, TablePolicy],
    left_out: Sequence[TableName] = (),
) -> tuple[Table, ...]:
    """The manifest's tables, ordered by name; a table that the inventory does not name has no priority.

    :param left_out: those whose rows are not in the set.
    """
    unnamed = TablePolicy("")
    absent = frozenset(left_out)
    return tuple(
        Table(
            schema=table[0],
            name=table[1],
            priority=policies.get(table, unnamed).priority,
            personal_data=policies.get(table, unnamed).personal_data,
            rows=rows.get(table, 0),
            fingerprint=_describe_fingerprint(fingerprints.get(table)),
            left_out=True if table in absent else None,
        )
        for table in sorted(absent | rows.keys())
    )


def _describe_fingerprint(fingerprint: Fingerprint | None) -> ManifestFingerprint | None:
    if fingerprint is None:
        return None
    return ManifestFingerprint(algorithm=fingerprint.algorithm, value=fingerprint.value)


def describe_schema(dumps: Sequence[PartDump]) -> SchemaFingerprint:
    """The digest of the schema, from the definitions in the first part's table of contents; without one, of nothing."""
    objects = schema_objects(dumps[0].walker.toc) if dumps else {}
    return SchemaFingerprint(algorithm=SCHEMA_ALGORITHM, fingerprint=schema_fingerprint(objects), objects=objects)


def manifest_within_limits(manifest: Manifest, *, signed: bool) -> tuple[Manifest, bytes]:
    """A manifest that readers accept, and its bytes: where there are too many objects, they have one digest together.

    :param signed: whether it will be; larger ones are read then.
    :raises FormatError: it is too large without them.
    """
    try:
        return manifest, _readable(manifest, signed=signed)
    except FormatError as error:
        objects = manifest.schema.objects
        schemas = Counter(found[1] for found in map(_IN_SCHEMA.match, objects) if found)
        largest = ", ".join(f"{name} ({count:,})" for name, count in schemas.most_common(3))
        message = (
            f"{len(objects):,} objects are not named in the manifest, which would be too large, and are compared as a "
            f"whole; most of them are in the schemas {largest}"
        )
        schema = replace(manifest.schema, objects={})
        smaller = replace(manifest, schema=schema, warnings=(*manifest.warnings, message))
        try:
            return smaller, _readable(smaller, signed=signed)
        except FormatError:
            hint = "move some of its schemas to a database of their own"
            if not signed:
                hint += ", or give a signing_key, and its public key as verify_key to whoever reads"
            message = f"the manifest of {len(manifest.tables):,} tables {error.message}"
            raise FormatError(error.step, message, hint=hint) from None


def _readable(manifest: Manifest, *, signed: bool) -> bytes:
    data = manifest.to_bytes()
    check_size(data, "write the manifest", proven=signed)
    return data


def describe_tools(versions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The versions of the programs that made the set, Python's among them."""
    return {"python": platform.python_version(), **dict(versions)}


def whole_seconds(time: datetime) -> datetime:
    """*time* without its microseconds, as the manifest stores it."""
    return time.replace(microsecond=0)
