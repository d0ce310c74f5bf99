"""Whole backup sets of a few bytes, made without a database: what replication and clean-up are tried on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey

from .manifests import make_dump, make_export, make_globals, make_manifest

DUMP = b"the dump of a small database\n" * 3000
GLOBALS = b"its roles\n"


def small_set(
    set_id: str, *, label: str = "shop", key: SigningKey | None = None, dump: bytes = DUMP, **changes: Any
) -> dict[str, bytes]:
    """The objects of one set by name; *changes* are of its manifest."""
    parsed = SetId.parse(set_id)
    artifacts = []
    files: dict[str, bytes] = {}
    whole = ((make_dump, dump), (make_globals, GLOBALS))
    for make, content in whole if parsed.is_backup else ((make_export, GLOBALS),):
        artifact = make(parsed, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        artifacts.append(artifact)
        files[artifact.name] = content
    data = make_manifest(set_id, label, artifacts=tuple(artifacts), **changes).to_bytes()
    if key is not None:
        files["manifest.json.sig"] = key.sign(data)
    return {**files, "manifest.json": data}


def directory_of(root: Path, set_id: str, label: str = "shop") -> Path:
    """Where a set lies below the root of a location."""
    return root / SetId.parse(set_id).directory(label)


def lay(root: Path, set_id: str, files: dict[str, bytes], label: str = "shop") -> Path:
    """Write a set's objects into a directory; return the set's own."""
    place = directory_of(root, set_id, label)
    place.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (place / name).write_bytes(data)
    return place


def contents(place: Path) -> dict[str, bytes]:
    """The objects in a set's directory by name; empty where there is none."""
    return {path.name: path.read_bytes() for path in sorted(place.glob("[!.]*"))}
