"""Reading an object or a range of it, over a connection that may break."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..stall_limit import Rate, Stalled
from .checksums import bare_etag
from .errors import S3Error, explain
from .store import Store

READ_BYTES = 1024 * 1024
_ATTEMPTS = 5


def read_object(store: Store, key: str, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
    """The bytes of an object from *offset*, at most *length*; none when it ends before *offset*.

    When the connection breaks, reading goes on where it ended, as long as the object is the same; five breaks
    without a byte in between are the end.

    :param tag: the ETag that the object must have; "" for any.
    :raises S3Error: there is no such object, or it cannot be read to its end.
    """
    step = f"read {key}"
    if length == 0:
        if store.head(step, key) is None:
            raise store.error(step, f"there is no object {key!r}")
        return
    end = None if length is None else offset + length
    asked, etag = bare_etag({"ETag": tag}), ""
    # Over all connections: a store may trickle, break off, and trickle again.
    rate = Rate(store.stall_limit)
    failures = 0
    while True:
        store.refuse_stalled(step)
        reply = _open(store, step, key, offset, end)
        if reply is None:
            return
        found = bare_etag(reply)
        if found and not (found == etag if etag else _is_asked_for(store, step, key, found, asked)):
            reply["Body"].close()
            raise store.error(step, f"{key!r} was replaced while it was read", transient=True)
        etag = found
        body = reply["Body"]
        try:
            while chunk := _next(body, READ_BYTES if end is None else min(READ_BYTES, end - offset), rate):
                offset += len(chunk)
                failures = 0
                yield chunk
            return
        except Stalled as stalled:
            # The connection may have died; whether the store has, the next request shows.
            failures = max(failures + 1, _ATTEMPTS - 1)
            if failures == _ATTEMPTS or not stalled.silent:
                raise store.stalled(step, stalled) from None
        except Exception as error:
            failures += 1
            explained = explain(error, store.settings, step, key)
            if not explained.transient or failures == _ATTEMPTS:
                raise explained from error
        finally:
            body.close()


def _next(body: Any, count: int, rate: Rate) -> bytes:
    """The next piece of a body, and whether the store is quick enough with it."""
    began = time.monotonic()
    chunk: bytes = body.read(count)
    rate.waited(time.monotonic() - began)
    return chunk


def _open(store: Store, step: str, key: str, offset: int, end: int | None) -> dict[str, Any] | None:
    """Ask for the bytes from *offset* to before *end*; None when the object ends before *offset*."""
    ranged = offset > 0 or end is not None
    range_header = {"Range": f"bytes={offset}-{'' if end is None else end - 1}"} if ranged else {}
    try:
        reply = store.call(step, "get_object", key, **range_header)
    except S3Error as error:
        if ranged and (error.code == "InvalidRange" or error.status == 416):
            return None
        raise
    if offset > 0 and not reply.get("ContentRange"):
        reply["Body"].close()
        if reply.get("ContentLength", offset + 1) <= offset:
            return None
        raise store.error(step, "the store sends whole objects where a range was asked for")
    return reply


def _is_asked_for(store: Store, step: str, key: str, found: str, asked: str) -> bool:
    """Whether the object that comes with the ETag *found* is the one with the tag *asked*; "" is any.

    Some stores send another ETag with an object than they tell of it: there the object may not have changed.
    """
    return asked in ("", found) or bare_etag(store.head(step, key) or {}) == asked
