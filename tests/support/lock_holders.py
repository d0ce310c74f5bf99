"""Sessions that keep a lock for longer than whoever wants it is told to wait."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psycopg2.extensions

_LONG = 120.0
"""Seconds: a wait that does not end by itself ends by then, with the lock, which no test expects."""


@contextlib.contextmanager
def held_for_long(holder: psycopg2.extensions.connection) -> Iterator[None]:
    """A block in which *holder* keeps its locks; only one that waits for good gets them."""
    release = threading.Timer(_LONG, holder.close)
    release.start()
    try:
        yield
    finally:
        release.cancel()
