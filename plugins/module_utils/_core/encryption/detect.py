"""What a file is, told by its first bytes."""

from __future__ import annotations

import enum
import re

from .gpg import openpgp

HEAD_BYTES = 4096
"""How many first bytes :func:`detect` wants; fewer only where the file is shorter."""


class Format(enum.Enum):
    """Kinds of file; the value is what a person calls it."""

    AGE = "age"
    AGE_ARMOR = "age (armored)"
    GPG = "gpg"
    GPG_ARMOR = "gpg (armored)"
    OPENSSL = "openssl enc"
    OPENSSL_BASE64 = "openssl enc (base64)"
    ENVELOPE = "AES-256-GCM envelope"
    PGDUMP = "pg_dump custom format"
    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"
    BZIP2 = "bzip2"
    LZ4 = "lz4"
    EMPTY = "empty"
    UNKNOWN = "unknown"

    @property
    def scheme(self) -> str | None:
        """How it is encrypted: ``age``, ``gpg``, ``openssl`` or ``envelope``; None when it is not."""
        return _SCHEMES.get(self)

    @property
    def armored(self) -> bool:
        """Whether it is text for the sake of channels that take nothing else."""
        return self in (Format.AGE_ARMOR, Format.GPG_ARMOR, Format.OPENSSL_BASE64)


_SCHEMES = {
    Format.AGE: "age",
    Format.AGE_ARMOR: "age",
    Format.GPG: "gpg",
    Format.GPG_ARMOR: "gpg",
    Format.OPENSSL: "openssl",
    Format.OPENSSL_BASE64: "openssl",
    Format.ENVELOPE: "envelope",
}

_MAGIC = (
    (b"age-encryption.org/", Format.AGE),
    (b"Salted__", Format.OPENSSL),
    # The base64 of "Salted__": `openssl enc -a`.
    (b"U2FsdGVkX1", Format.OPENSSL_BASE64),
    (b"PGDMP", Format.PGDUMP),
    (b"\x1f\x8b", Format.GZIP),
    (b"\x28\xb5\x2f\xfd", Format.ZSTD),
    (b"\xfd7zXZ\x00", Format.XZ),
    (b"BZh", Format.BZIP2),
    (b"\x04\x22\x4d\x18", Format.LZ4),
)
_ARMOR = (
    (b"-----BEGIN AGE ENCRYPTED FILE-----", Format.AGE_ARMOR),
    (b"-----BEGIN PGP MESSAGE-----", Format.GPG_ARMOR),
)
# Some other JSON may well begin with a field "data": its value must be nothing but hexadecimal digits.
_ENVELOPE = re.compile(
    rb"\s*\{\s*(?:"
    rb'"(?:iv|authTag)"\s*:\s*"[0-9a-fA-F]{2,64}"\s*,\s*"(?:iv|authTag|data)"\s*:\s*"'
    rb'|"data"\s*:\s*"[0-9a-fA-F]*(?:\Z|"\s*,\s*"(?:iv|authTag)"\s*:\s*"))'
)


def detect(head: bytes) -> Format:
    """What a file beginning with *head* (:data:`HEAD_BYTES`, or all of a shorter file) is.

    Everything without a mark of its own (SQL, CSV, JSON, anything) is :attr:`Format.UNKNOWN`.
    """
    if not head:
        return Format.EMPTY
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    text = head.lstrip()
    for magic, found in _ARMOR:
        if text.startswith(magic):
            return found
    if _ENVELOPE.match(head):
        return Format.ENVELOPE
    return Format.GPG if openpgp.begins_message(head) else Format.UNKNOWN
