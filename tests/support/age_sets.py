"""Whole backup sets of a few bytes whose files are truly encrypted, made without a database."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.artifact import AgeHead
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import Encryptor, X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.ranges import head_size

from .manifests import make_dump, make_globals, make_manifest

DUMP = b"the dump of a small database\n" * 3000
GLOBALS = b"CREATE ROLE keeper;\n"


def encrypted(plain: bytes, identities: Sequence[X25519Identity]) -> bytes:
    """An age file for the recipients of *identities*."""
    stage = Encryptor([identity.recipient for identity in identities])
    return stage.update(plain) + stage.finalize()


def age_set(
    set_id: str, *identities: X25519Identity, label: str = "shop", key: SigningKey | None = None
) -> dict[str, bytes]:
    """The objects of one set by name, encrypted to the recipients of *identities*."""
    parsed = SetId.parse(set_id)
    files: dict[str, bytes] = {}
    artifacts = []
    for make, plain in ((make_dump, DUMP), (make_globals, GLOBALS)):
        stored = encrypted(plain, identities)
        size = head_size(stored)
        head = AgeHead(size, hashlib.sha256(stored[:size]).hexdigest()) if make is make_dump else None
        artifact = make(
            parsed,
            size=len(stored),
            sha256=hashlib.sha256(stored).hexdigest(),
            compression="none",
            plain_size=len(plain),
            recipients=tuple(str(identity.recipient) for identity in identities),
            age_head=head,
            index=None,
        )
        artifacts.append(artifact)
        files[artifact.name] = stored
    data = make_manifest(set_id, label, artifacts=tuple(artifacts)).to_bytes()
    if key is not None:
        files["manifest.json.sig"] = key.sign(data)
    return {**files, "manifest.json": data}
