"""Fingerprints that are sums: the two halves of a digest of 128 bits, each added up modulo 2**64."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal


def halves_as_text(halves: Iterable[int | Decimal | None]) -> str:
    """The fingerprint of such sums, 16 hexadecimal digits each; None is the sum of nothing."""
    return "".join(f"{int(half or 0) % 2**64:016x}" for half in halves)
