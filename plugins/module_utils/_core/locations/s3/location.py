"""A bucket of Amazon S3, or of a store that speaks its protocol, as a location."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from ...backupset.naming import check_key
from ...documents.strict_json import MAX_BYTES
from ..base import Leftover, Location, LockState, ObjectInfo, Thaw, check_prefix
from .errors import S3Error
from .locks import read_legal_hold, read_lock_state, read_protection, require_lock, write_legal_hold
from .reader import read_object
from .settings import OPTIONS, S3Settings, parse_settings
from .store import Store
from .thaw import request_thaw, thaw_states
from .trial import try_writing
from .writer import S3Writer

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LISTINGS = 8
"""How many listings run at the same time at most."""


class S3Location(Location):
    """A location whose objects lie in one bucket below one prefix."""

    type = "s3"
    options = OPTIONS
    where = ("endpoint_url", "bucket", "prefix")

    def __init__(self, settings: S3Settings) -> None:
        self.name = settings.name
        self._store = Store(settings)

    @classmethod
    def create(cls, options: Mapping[str, object]) -> S3Location:
        # The client library, which takes a while, begins to load in the background.
        return cls(parse_settings(options))

    @classmethod
    def place_everywhere(cls, options: Mapping[str, object], runs_on: str) -> str:
        place = cls.place_of(options)
        behind_loopback = urlsplit(str(options.get("endpoint_url") or "")).hostname in _LOOPBACK
        return f"host: {runs_on}\n{place}" if behind_loopback else place

    def check(self, *, trial: bool = False) -> bool:
        """See :meth:`Location.check` and :func:`try_writing`."""
        require_lock(self._store, "check the location")
        try_writing(self._store, "check the location", f".check-{uuid4().hex}")
        return True

    def free_bytes(self) -> None:
        """None: S3 does not report free space."""
        return

    def writer(self, key: str, *, size_hint: int | None = None) -> S3Writer:
        """See :meth:`Location.writer`."""
        return S3Writer(self._store, check_key(key), size_hint=size_hint)

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        """See :meth:`Location.read`; a broken connection is taken up again where it broke."""
        return read_object(self._store, check_key(key), offset, length, tag)

    def get(self, key: str, *, limit: int = MAX_BYTES) -> bytes:
        """See :meth:`Location.get`."""
        data = self._store.fetch(check_key(key), limit)
        return super().get(key, limit=limit) if data is None else data

    def stat(self, key: str) -> ObjectInfo | None:
        """See :meth:`Location.stat`."""
        step = f"look at {key}"
        self._store.refuse_stalled(step)
        found = self._store.head(step, check_key(key))
        if found is None:
            self._store.require_bucket(step)
            return None
        return ObjectInfo(key, found["ContentLength"], _utc(found["LastModified"]), found.get("ETag", ""))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See :meth:`Location.list`."""
        found: dict[str, ObjectInfo] = {}
        for page in self._whole_listing("list the objects", self._start(prefix)):
            found.update(self._objects(page))
        # Not every store keeps to the order of keys.
        yield from (found[key] for key in sorted(found))

    def _objects(self, page: Mapping[str, Any]) -> Iterator[tuple[str, ObjectInfo]]:
        """The objects of one page of a listing, by key."""
        root = self._start("")
        for entry in page.get("Contents", ()):
            key = entry["Key"].removeprefix(root)
            # What ends with a slash stands for a directory in a store's own user interface.
            if entry["Key"].startswith(root) and not key.endswith("/"):
                yield key, ObjectInfo(key, entry["Size"], _utc(entry["LastModified"]), entry.get("ETag", ""))

    def _whole_listing(self, step: str, start: str) -> Iterator[dict[str, Any]]:
        """Pages that together have every object whose key begins with *start*.

        One page follows another, so that a long listing takes long. Where the first page is not all, the directories
        below are listed at the same time instead. Of what is one of several directories that fill more than a page,
        the first page is hardly ever all: those begin with their own directories.
        """
        with ThreadPoolExecutor(max_workers=_LISTINGS, thread_name_prefix="listing") as pool:
            pending = {pool.submit(self._listing, step, start): 0}
            while pending:
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    depth = pending.pop(future) + 1
                    pages, directories = future.result()
                    yield from pages
                    look = self._split if depth == 1 else self._listing
                    pending |= {pool.submit(look, step, directory): depth for directory in directories}

    def _listing(self, step: str, start: str) -> tuple[Sequence[dict[str, Any]], Sequence[str]]:
        """All pages, or those of the objects right below *start* and the directories that have the others."""
        pages = self._pages(step, "list_objects_v2", Prefix=start)
        first = next(pages)
        if not first.get("IsTruncated"):
            return (first,), ()
        return self._split(step, start)

    def _split(self, step: str, start: str) -> tuple[Sequence[dict[str, Any]], Sequence[str]]:
        """What lies right below *start*, and its directories; where there are not several, all pages and none."""
        level = tuple(self._pages(step, "list_objects_v2", Prefix=start, Delimiter="/"))
        directories = [found["Prefix"] for page in level for found in page.get("CommonPrefixes", ())]
        if len(directories) > 1 and all(name.startswith(start) and name != start for name in directories):
            return level, directories
        return tuple(self._pages(step, "list_objects_v2", Prefix=start)), ()

    def list_directories(self, prefix: str) -> Iterator[str]:
        """See :meth:`Location.list_directories`."""
        start = self._start(prefix)
        names: set[str] = set()
        for page in self._pages("list the directories", "list_objects_v2", Prefix=start, Delimiter="/"):
            names.update(found["Prefix"][len(start) :].rstrip("/") for found in page.get("CommonPrefixes", ()))
        yield from sorted(names - {""})

    def delete(self, key: str) -> None:
        """See :meth:`Location.delete`; in a bucket with versions the older ones stay."""
        try:
            self._store.call(f"delete {key}", "delete_object", check_key(key))
        except S3Error:
            # Some stores fail on what is not there, or is a directory to them.
            if self._store.head(f"delete {key}", key) is not None:
                raise

    def leftovers(self, prefix: str) -> Iterator[Leftover]:
        """Multipart uploads that were neither completed nor aborted."""
        start, root = self._start(prefix), len(self._start(""))
        step = "look for unfinished uploads"
        try:
            for page in self._pages(step, "list_multipart_uploads", Prefix=start):
                for found in page.get("Uploads", ()):
                    if found["Key"].startswith(start):
                        yield Leftover(found["Key"][root:], _utc(found["Initiated"]), found["UploadId"])
        except S3Error as error:
            # Some stores cannot list uploads, and some say this while there are none, or no such bucket.
            if error.status != 501 and error.code != "NoSuchUpload":
                raise
            self._store.require_bucket(step)

    def discard(self, leftover: Leftover) -> None:
        """Abort one multipart upload."""
        step = f"remove the unfinished {leftover.key}"
        self._store.abort_upload(step, leftover.key, leftover.token)
        self._store.drop_empty_directory(step, leftover.key)

    def lock_state(self) -> LockState:
        """See :meth:`Location.lock_state` and :func:`read_lock_state`."""
        return read_lock_state(self._store)

    def protection(self, key: str) -> str | None:
        """See :meth:`Location.protection`."""
        return read_protection(self._store, check_key(key))

    def legal_hold(self, key: str) -> bool:
        """See :meth:`Location.legal_hold`."""
        return read_legal_hold(self._store, check_key(key))

    def set_legal_hold(self, key: str, on: bool) -> None:
        """See :meth:`Location.set_legal_hold`."""
        write_legal_hold(self._store, check_key(key), on)

    def cold_objects(self, prefix: str) -> tuple[Thaw, ...]:
        """See :meth:`Location.cold_objects`."""
        return thaw_states(self._store, prefix)

    def thaw(self, prefix: str, days: int, *, tier: str) -> tuple[Thaw, ...]:
        """See :meth:`Location.thaw`."""
        return request_thaw(self._store, prefix, days, tier=tier)

    def close(self) -> None:
        """Release the connections; safe to call twice."""
        self._store.close()

    def _start(self, prefix: str) -> str:
        """What the keys below the directory *prefix* begin with in the bucket."""
        parts = [part for part in (self._store.settings.prefix, check_prefix(prefix)) if part]
        return "".join(f"{part}/" for part in parts)

    def _pages(self, step: str, operation: str, **parameters: str) -> Iterator[dict[str, Any]]:
        marks: dict[str, str] = {}
        while True:
            if operation == "list_objects_v2":
                page = self._store.listing(step, **parameters, **marks)
            else:
                page = self._store.call(step, operation, **parameters, **marks)
            yield page
            if not page.get("IsTruncated"):
                return
            following = _marks(page)
            if not following and (marker := _marker(page)):
                # The store knows the first version of this request only, and has answered that.
                operation, following = "list_objects", {"Marker": marker}
            if not following or following == marks:
                raise self._store.error(step, "the store says that the listing goes on, but not where")
            marks = following


def _marks(page: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of the request for the page after *page*."""
    marks = {
        "ContinuationToken": page.get("NextContinuationToken"),
        "KeyMarker": page.get("NextKeyMarker"),
        "UploadIdMarker": page.get("NextUploadIdMarker"),
    }
    return {name: value for name, value in marks.items() if value}


def _marker(page: Mapping[str, Any]) -> str:
    """Where the page behind *page* begins, as ListObjects has it; "" for a page of another request."""
    names = [entry["Key"] for entry in page.get("Contents", ())]
    names += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
    return page.get("NextMarker") or max(names, default="")


def _utc(time: datetime) -> datetime:
    # The answer to a HEAD request has whole seconds only, and both shall say the same of an object.
    if time.tzinfo is not timezone.utc:
        time = time.astimezone(timezone.utc)
    return time.replace(microsecond=0)
