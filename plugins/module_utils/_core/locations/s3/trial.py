"""A write that comes to nothing: whether objects can be made, found out before anything depends on it."""

from __future__ import annotations

import contextlib

from ...errors import BackupError
from .errors import DENIED_CODES, S3Error
from .multipart import MultipartUpload
from .parts import PartBuffer
from .store import Store

_PROBE = b"\0"
ACLS_BLOCKED = (
    "the bucket's public access block has BlockPublicAcls, which some stores (Ceph) take for a ban on every write: "
    "bucket_policy with block_public_access: false removes it"
)


def try_writing(store: Store, step: str, key: str) -> None:
    """Begin a multipart upload as a real one would, send a part of it, and abort it: nothing was ever visible.

    That leaves no version behind and no lock. The part is needed: a store may begin uploads where it takes no byte.

    :raises S3Error: objects cannot be made.
    """
    upload = MultipartUpload(store, key, {}, step=step)
    probe = PartBuffer()
    probe.fill(memoryview(_PROBE), len(_PROBE))
    try:
        upload.send(probe)
        upload.wait()
    except BackupError as error:
        with contextlib.suppress(BackupError):
            upload.abort()
        if isinstance(error, S3Error) and error.code in DENIED_CODES and acls_are_blocked(store, step):
            error.advise(ACLS_BLOCKED)
        raise
    upload.abort()


def acls_are_blocked(store: Store, step: str) -> bool:
    """Whether the bucket has BlockPublicAcls; False where that cannot be known."""
    with contextlib.suppress(S3Error):
        found = store.call(step, "get_public_access_block").get("PublicAccessBlockConfiguration") or {}
        return bool(found.get("BlockPublicAcls"))
    return False
