"""One bucket: every request goes through here, and what was learned of the store is kept here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar
from uuid import uuid4

from ...errors import name_taken
from ..stall_limit import Stalled, StallLimit
from .client import LazyClient
from .errors import S3Error, explain
from .fetch import Fetcher, is_listing
from .parts import PART_BYTES, ByteBudget, PartBody, SpareBuffers
from .settings import S3Settings

PARTS_IN_FLIGHT = 4
_LOCKS = 32
_LISTINGS = ("list_objects_v2", "list_objects")
_STALLED = "look after the store and the network; a larger stall_timeout waits longer"
Result = TypeVar("Result")
# More connections than parts, for the small requests beside them.
_FURTHER_CONNECTIONS = 6


class Store:
    """The bucket of one location and the requests to it.

    :param part_bytes: size of the first parts of an object at least.
    :param concurrency: how many parts of this size may be on their way at once, in all objects together.
    """

    def __init__(
        self, settings: S3Settings, *, part_bytes: int = PART_BYTES, concurrency: int = PARTS_IN_FLIGHT
    ) -> None:
        self.settings = settings
        self.part_bytes = part_bytes
        self.budget = ByteBudget(part_bytes * concurrency)
        self.spare = SpareBuffers(PARTS_IN_FLIGHT + 1)
        self.knows_conditions = True
        self.echoes_checksums = settings.checksums
        self.stall_limit = StallLimit(settings.stall_timeout)
        self._client = LazyClient(settings, concurrency + _FURTHER_CONNECTIONS, self.stall_limit)
        self._locks = [threading.Lock() for _lock in range(_LOCKS)]
        self._answered = False
        self._fetcher: Fetcher | None = None
        self._fetcher_lock = threading.Lock()
        self._silent_until = 0.0

    def call(self, step: str, operation: str, key: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one request, with the client library's own retries; return its reply.

        :param operation: the client's method, for example ``put_object``.
        :param key: below the prefix; None for a request about the bucket.
        :raises S3Error: it failed for good.
        """
        if key is not None:
            parameters["Key"] = self.settings.object_key(key)
        body = parameters.get("Body")

        def ask() -> dict[str, Any]:
            if isinstance(body, PartBody):
                body.seek(0)
            reply: dict[str, Any] = getattr(self._client.get(), operation)(Bucket=self.settings.bucket, **parameters)
            return reply

        try:
            reply = self._retry_silent(step, ask)
        except Exception as error:
            raise explain(error, self.settings, step, key) from error
        if operation in _LISTINGS and not is_listing(reply, self.settings.bucket, parameters.get("Prefix", "")):
            raise self.error(
                step,
                "the answer is no listing of this bucket",
                hint="a proxy, or a page to log in, answers in the store's place: correct endpoint_url, or the network",
                transient=True,
            )
        self._answered = True
        return reply

    def _retry_silent(self, step: str, ask: Callable[[], Result]) -> Result:
        """What *ask* returns; once more where the store said nothing, since connections die of old age."""
        for last in (False, True):
            try:
                return ask()
            except Stalled as stalled:
                if last or not stalled.silent:
                    raise self.stalled(step, stalled) from None
        raise AssertionError("the last try returns or raises")

    def stalled(self, step: str, stalled: Stalled) -> S3Error:
        """The error of a store that is given up; for as long again nothing more is read from it."""
        self._silent_until = time.monotonic() + self.stall_limit.seconds
        return self.error(step, f"the store does not answer: {stalled}", hint=_STALLED, transient=True)

    def refuse_stalled(self, step: str) -> None:
        """Raise if the store was given up a moment ago: a hundred files shall not wait for it one after the other."""
        if time.monotonic() < self._silent_until:
            raise self.error(
                step, "the store was given up a moment ago: it did not answer", hint=_STALLED, transient=True
            )

    def head(self, step: str, key: str, **parameters: Any) -> dict[str, Any] | None:
        """What the store says of one object; None when it is not there."""
        try:
            return self.call(step, "head_object", key, **parameters)
        except S3Error as error:
            if error.missing:
                return None
            raise

    def fetch(self, key: str, limit: int) -> bytes | None:
        """A small object, whole, at little cost; None where the usual way should be taken, be it only for its error.

        :param limit: bytes that it may have.
        """
        step = f"read {key}"
        self.refuse_stalled(step)
        data = self._retry_silent(step, lambda: self._quick().fetch(key, limit))
        self._answered |= data is not None
        return data

    def listing(self, step: str, **parameters: str) -> dict[str, Any]:
        """One page of ListObjectsV2, at little cost where it goes well at the first try.

        :raises S3Error: it failed for good.
        """
        self.refuse_stalled(step)
        page = self._retry_silent(step, lambda: self._quick().listing(**parameters))
        self._answered |= page is not None
        return self.call(step, "list_objects_v2", **parameters) if page is None else page

    def _quick(self) -> Fetcher:
        with self._fetcher_lock:
            if self._fetcher is None:
                self._fetcher = Fetcher(self._client.get(), self.settings, self.stall_limit)
        return self._fetcher

    def require_bucket(self, step: str) -> None:
        """Raise if the bucket is missing, which the answer to a HEAD request does not tell from a missing object."""
        if not self._answered:
            self.call(step, "list_objects_v2", MaxKeys=1)

    def conditions(self, operation: str, **conditions: str) -> dict[str, str]:
        """Those of the *conditions* on a request that both the client library and the store know."""
        if not self.knows_conditions:
            return {}
        name = "".join(word.capitalize() for word in operation.split("_"))
        known = self._client.get().meta.service_model.operation_model(name).input_shape.members
        return {key: value for key, value in conditions.items() if key in known}

    def error(self, step: str, message: str, *, hint: str | None = None, transient: bool = False) -> S3Error:
        """An :class:`S3Error` that names this location."""
        return S3Error(self.settings, step, message, hint=hint, transient=transient)

    def exists_already(self, key: str) -> S3Error:
        """The error of a writer that finds its name taken."""
        return name_taken(self.error(f"write {key}", f"{key!r} exists already", hint="an object is never replaced"))

    def creation(self) -> dict[str, Any]:
        """The parameters that every new object gets, also at the start of a multipart upload."""
        settings, lock = self.settings, self.settings.object_lock
        wanted = {
            "ServerSideEncryption": settings.sse,
            "SSEKMSKeyId": settings.sse_kms_key_id,
            "StorageClass": settings.storage_class,
            "ObjectLockMode": lock.mode if lock else None,
            "ObjectLockRetainUntilDate": datetime.now(timezone.utc) + lock.period if lock else None,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def begin_upload(self, step: str, key: str, parameters: Mapping[str, Any]) -> str:
        """Start a multipart upload and return its id; learn whether the store knows additional checksums."""
        if self.echoes_checksums:
            parameters = {**parameters, "ChecksumAlgorithm": "CRC32"}
        reply = self.call(step, "create_multipart_upload", key, **self.creation(), **parameters)
        if not reply.get("UploadId"):
            hint = "is there a store that speaks S3 at endpoint_url?"
            raise self.error(step, "the store began no upload and did not say why", hint=hint, transient=True)
        if reply.get("ChecksumAlgorithm") != "CRC32":
            self.echoes_checksums = False
        return str(reply["UploadId"])

    def abort_upload(self, step: str, key: str, upload: str) -> None:
        """Remove a multipart upload with all its parts; no error when it is gone already."""
        try:
            self.call(step, "abort_multipart_upload", key, UploadId=upload)
        except S3Error as error:
            if error.code not in ("NoSuchUpload", "NoSuchKey", "404"):
                raise

    def drop_empty_directory(self, step: str, key: str) -> None:
        """Remove the directory of *key* where the store made one for an upload that came to nothing.

        Stores on top of files do that, and remove it when anything below it is deleted. Where directories are only
        parts of names there is nothing to do.
        """
        directory = self.settings.object_key(key).rpartition("/")[0]
        if not directory:
            return
        shown = self.call(step, "list_objects_v2", Prefix=directory, Delimiter="/").get("CommonPrefixes", ())
        if all(entry["Prefix"] != f"{directory}/" for entry in shown):
            return
        if not self.call(step, "list_objects_v2", Prefix=f"{directory}/", MaxKeys=1).get("Contents"):
            self.call(step, "delete_object", Key=f"{directory}/.{uuid4().hex}")

    def commit_lock(self, key: str) -> threading.Lock:
        """What keeps two writers of one key in this process apart where the store cannot."""
        return self._locks[hash(key) % _LOCKS]

    def close(self) -> None:
        """Release the connections; safe to call twice."""
        if self._fetcher is not None:
            self._fetcher.close()
        self._client.close()
