"""What proves that a store holds our bytes: its echo of a checksum, or an ETag that is an MD5.

Checksums as https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html has them:
big-endian CRC-32 in base64; of a multipart upload, the checksum of the parts' checksums, ``-`` and their number.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_MD5_ETAG = re.compile(r"[0-9a-f]{32}")


class Mismatch(Exception):
    """The store received other bytes than were sent."""


class Digests:
    """The checksums of one part or small object, each computed when first asked for."""

    def __init__(self, data: memoryview | bytes | bytearray) -> None:
        self._data = data

    @cached_property
    def crc32(self) -> bytes:
        """CRC-32 (ISO-HDLC, zlib's), 4 bytes."""
        return zlib.crc32(self._data).to_bytes(4, "big")

    @cached_property
    def md5(self) -> bytes:
        """MD5, 16 bytes; against accidents only."""
        return hashlib.md5(self._data, usedforsecurity=False).digest()


@dataclass(frozen=True)
class PartProof:
    """The number, tag and checksums of one part that the store has.

    :param etag: as the store gave it, quotes included.
    :param proof: ``crc32``, ``md5`` or None, see :func:`prove`.
    :param crc32: ours, if it was sent.
    :param md5: ours, if it was compared or sent.
    """

    number: int
    etag: str
    proof: str | None
    crc32: bytes | None
    md5: bytes | None


def encode(digest: bytes) -> str:
    """The digest in base64, as S3's headers carry it."""
    return base64.b64encode(digest).decode("ascii")


def checksum_parameters(digests: Digests, *, crc32: bool) -> dict[str, str]:
    """The headers by which the store can tell whether the bytes arrived as they were."""
    if crc32:
        return {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": encode(digests.crc32)}
    return {"ContentMD5": encode(digests.md5)}


def bare_etag(reply: Mapping[str, Any]) -> str:
    """The ETag of *reply* without quotes and in lower case, be it a weak one; "" if there is none."""
    return str(reply.get("ETag") or "").removeprefix("W/").strip('"').lower()


def is_encrypted(reply: Mapping[str, Any]) -> bool:
    """Whether the object is encrypted with a key of KMS or of the customer, so that its ETag is no MD5."""
    return reply.get("ServerSideEncryption") not in (None, "", "AES256") or bool(reply.get("SSECustomerAlgorithm"))


def is_md5(reply: Mapping[str, Any]) -> bool:
    """Whether the ETag of *reply* has the form of an MD5 and nothing says that it is something else."""
    return not is_encrypted(reply) and bool(_MD5_ETAG.fullmatch(bare_etag(reply)))


def prove(digests: Digests, reply: Mapping[str, Any]) -> str | None:
    """How *reply* to an upload proves what the store holds: ``crc32``, ``md5``, or None if it does not.

    :raises Mismatch: it proves that the store holds something else.
    """
    if echo := reply.get("ChecksumCRC32"):
        if echo != encode(digests.crc32):
            raise Mismatch(f"the store's CRC-32 is {echo}, ours {encode(digests.crc32)}")
        return "crc32"
    if is_md5(reply):
        if bare_etag(reply) != digests.md5.hex():
            raise Mismatch(f"the store's MD5 is {bare_etag(reply)}, ours {digests.md5.hex()}")
        return "md5"
    return None


def weakest(proofs: Iterable[str | None]) -> str | None:
    """What a whole is proven by whose pieces are proven by *proofs*."""
    found = set(proofs)
    if not found or None in found:
        return None
    return "md5" if "md5" in found else "crc32"


def prove_assembly(parts: Sequence[PartProof], reply: Mapping[str, Any]) -> bool:
    """Whether the *reply* to the completion of an upload proves that it was assembled of all *parts*, in order.

    :raises Mismatch: it proves the contrary.
    """
    crcs = [part.crc32 for part in parts if part.crc32 is not None]
    md5s = [part.md5 for part in parts if part.md5 is not None]
    count = f"-{len(parts)}"
    echo = str(reply.get("ChecksumCRC32") or "")
    if len(crcs) == len(parts) and echo.endswith(count):
        wanted = encode(Digests(b"".join(crcs)).crc32) + count
        if echo != wanted:
            raise Mismatch(f"the store's CRC-32 of all parts is {echo}, ours {wanted}")
        return True
    # Only equality says something: a store may make the ETags of whole objects of anything.
    return len(md5s) == len(parts) and bare_etag(reply) == multipart_etag(md5s)


def multipart_etag(md5s: Sequence[bytes]) -> str:
    """The ETag that most stores give an object of parts with these MD5s."""
    return f"{Digests(b''.join(md5s)).md5.hex()}-{len(md5s)}"
