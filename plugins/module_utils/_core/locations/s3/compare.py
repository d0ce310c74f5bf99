"""Whether an object of a bucket has the bytes of a local file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ...stream.files import FileSource, RegularFile
from ...stream.transforms import Sha256
from .checksums import bare_etag, encode, is_encrypted, is_md5, multipart_etag
from .reader import read_object
from .store import Store

SHA256_NAME = "sha256"
"""The name in an object's metadata under which its SHA-256 is kept, in hexadecimal."""


def same_bytes(
    store: Store, key: str, found: Mapping[str, Any], file: RegularFile, sha256: str, *, step: str
) -> tuple[bool, str]:
    """Whether the object *key*, of which a HEAD request says *found*, has the bytes of *file*; and how that is known.

    The cheapest certain answer is taken: another size; the SHA-256 in the object's metadata; an ETag that is an MD5,
    also one of parts; the store's own SHA-256. If none of them tells, the object is read.

    :param sha256: the file's, in hexadecimal.
    :return: the answer, and one of ``size``, ``sha256``, ``md5`` or ``contents``.
    """
    if found["ContentLength"] != file.size:
        return False, "size"
    recorded = recorded_sha256(found)
    if recorded is not None:
        return recorded == sha256, "sha256"
    if is_md5(found):
        return bare_etag(found) == _md5s(file, file.size)[0].hex(), "md5"
    if _has_parts_of(store, key, found, file, step):
        return True, "md5"
    known = store.head(step, key, ChecksumMode="ENABLED") if store.settings.checksums else None
    whole = (known or {}).get("ChecksumSHA256")
    # That of an object in parts is a checksum of checksums, and has their number at its end.
    if whole and "-" not in whole:
        return whole == encode(bytes.fromhex(sha256)), "sha256"
    digest = Sha256()
    for chunk in read_object(store, key):
        digest.update(chunk)
    return digest.hexdigest() == sha256, "contents"


def recorded_sha256(found: Mapping[str, Any]) -> str | None:
    """The SHA-256 that whoever uploaded the object wrote into its metadata."""
    for name, value in (found.get("Metadata") or {}).items():
        if name.lower() == SHA256_NAME and len(value) == hashlib.sha256().digest_size * 2:
            return str(value).lower()
    return None


def _has_parts_of(store: Store, key: str, found: Mapping[str, Any], file: RegularFile, step: str) -> bool:
    """Whether the ETag is that of the file in parts of one size; False also says that this cannot be known."""
    count = bare_etag(found).partition("-")[2]
    if is_encrypted(found) or not count.isdigit():
        return False
    first = store.head(step, key, PartNumber=1) or {}
    size = first.get("ContentLength") or 0
    if first.get("PartsCount") != int(count) or not size or -(-file.size // size) != int(count):
        return False
    return multipart_etag(_md5s(file, size)) == bare_etag(found)


def _md5s(file: RegularFile, part_bytes: int) -> list[bytes]:
    """The MD5 of each part of *part_bytes*; of the whole, if that is its size."""
    digests = [hashlib.md5(usedforsecurity=False)]
    room = part_bytes

    def take(chunk: bytes) -> None:
        nonlocal room
        pending = memoryview(chunk)
        while pending:
            if room == 0:
                digests.append(hashlib.md5(usedforsecurity=False))
                room = part_bytes
            piece = pending[:room]
            digests[-1].update(piece)
            room -= len(piece)
            pending = pending[len(piece) :]

    FileSource(file).run(take)
    return [digest.digest() for digest in digests]
