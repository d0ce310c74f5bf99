"""Sets in a directory that somebody has damaged or forged."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey


def dump_of(directory: Path) -> Path:
    """The encrypted dump of a set that has one."""
    (path,) = directory.glob("*.dump.age")
    return path


def flip(path: Path, offset: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def replace_dump(directory: Path) -> None:
    """Put another file of the same size in the dump's place, one that any recipient can decrypt."""
    (other,) = directory.glob("globals*.age")
    size, data = dump_of(directory).stat().st_size, other.read_bytes()
    dump_of(directory).write_bytes((data * (size // len(data) + 1))[:size])


def forge_manifest(directory: Path) -> None:
    """Change the environment and a number of rows in the manifest without signing it again."""
    path = directory / "manifest.json"
    document = json.loads(path.read_text())
    document["environment"] = "production"
    document["tables"][0]["rows"] = 3
    path.write_text(json.dumps(document))


def forge_and_sign(directory: Path) -> None:
    """Change the manifest as :func:`forge_manifest` does, and sign it with a new key."""
    forge_manifest(directory)
    signature = SigningKey.generate().sign((directory / "manifest.json").read_bytes())
    (directory / "manifest.json.sig").write_bytes(signature)
