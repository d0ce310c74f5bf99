"""What a manifest's values must be to each other: rules that no single value shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .documents.values import Mismatch

if TYPE_CHECKING:
    from .backupset.manifest import Artifact, Export, Index, Manifest

_RESERVED = (
    r"(?:manifest\.json|manifest\.json\.sig|hold\.json|hold\.next\.json|released\.json"
    r"|verified_[0-9]{8}_[0-9]{4,6}\.json)"
)
ARTIFACT_NAME = rf"(?!.*\.\.)(?!{_RESERVED}$)[A-Za-z0-9][A-Za-z0-9._-]{{0,126}}"
"""A file name for every store, that is none of the names a set uses for itself."""

_FORMATS = {"dump": ("pg_custom",), "globals": ("sql",), "export": ("csv", "json")}


def check_artifact_name(name: str) -> str:
    """Return *name* if an artifact may have it; raise ValueError (no ``/``, ``..``, NUL; no name of the set's own)."""
    if not re.fullmatch(ARTIFACT_NAME, name):
        raise ValueError(f"{name!r} is not usable as the name of an artifact")
    return name


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


def check_index(index: Index) -> None:
    """Blocks follow the table of contents and each other without overlapping; every dump id occurs once."""
    end = index.toc_length
    for number, block in enumerate(index.blocks):
        if block.offset < end:
            raise Mismatch(
                f"an offset from {end} on, behind what comes before", block.offset, path=["blocks", number, 3]
            )
        end = block.offset + block.length
    _check_unique((block.dump_id for block in index.blocks), "dump id", ["blocks"])


def check_export(export: Export) -> None:
    """It is of a table or of a query; a query has its condition in itself."""
    if (export.table is None) == (export.query is None):
        raise Mismatch("either table or query must be given")
    if (export.schema is None) != (export.table is None):
        raise Mismatch("a schema with a table and null with a query", export.schema, path=["schema"])
    if export.query is not None and export.where is not None:
        raise Mismatch("null, as there is a query", export.where, path=["where"])


def check_manifest(manifest: Manifest) -> None:
    """The id's kind is the manifest's; artifacts and tables are there once; a dump's parts are all there."""
    if manifest.kind != manifest.id.kind:
        raise Mismatch(f"{manifest.id.kind!r}, as its id says", manifest.kind, path=["kind"])
    _check_unique((artifact.name for artifact in manifest.artifacts), "name", ["artifacts"])
    _check_unique(((table.schema, table.name) for table in manifest.tables), "table", ["tables"])
    parts = sorted(artifact.part for artifact in manifest.artifacts if artifact.part is not None)
    if parts != list(range(1, len(parts) + 1)):
        raise Mismatch(f"the parts of a dump numbered 1, 2, ..., each once; found {parts[:20]}", path=["artifacts"])
    if manifest.previous is not None and manifest.previous.id == manifest.id:
        raise Mismatch("another set than this one", str(manifest.id), path=["previous", "id"])


def _check_unique(values: Iterable[object], what: str, path: Sequence[str | int]) -> None:
    seen: set[object] = set()
    for number, value in enumerate(values):
        if value in seen:
            raise Mismatch(f"a {what} that did not come before", value, path=[*path, number])
        seen.add(value)
