"""What a file is, told by its first bytes."""

from __future__ import annotations

from .cipher import Format
from .ciphers import CIPHERS

HEAD_BYTES = 4096
"""How many first bytes :func:`detect` wants; fewer only where the file is shorter."""

PGDUMP = Format("pg_dump custom format")
GZIP = Format("gzip", weak=True)
ZSTD = Format("zstd")
XZ = Format("xz")
BZIP2 = Format("bzip2", weak=True)
LZ4 = Format("lz4")
EMPTY = Format("empty")
UNKNOWN = Format("unknown", known=False)

_MAGIC = (
    (b"PGDMP", PGDUMP),
    (b"\x1f\x8b", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"\xfd7zXZ\x00", XZ),
    (b"BZh", BZIP2),
    (b"\x04\x22\x4d\x18", LZ4),
)


def detect(head: bytes) -> Format:
    """What a file beginning with *head* (:data:`HEAD_BYTES`, or all of a shorter file) is.

    Everything without a mark of its own (SQL, CSV, JSON, anything) is :data:`UNKNOWN`.
    """
    if not head:
        return EMPTY
    marked = (found for magic, found in _MAGIC if head.startswith(magic))
    encrypted = (found for cipher in CIPHERS.values() if (found := cipher.detect(head)))
    return next(marked, None) or next(encrypted, UNKNOWN)
