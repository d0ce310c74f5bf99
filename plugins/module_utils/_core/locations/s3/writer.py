"""One new object of a bucket: a single request if it is small, otherwise a multipart upload."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from ...errors import BackupError
from ..base import Receipt, Writer
from .checksums import Digests, Mismatch, bare_etag, checksum_parameters, prove, prove_assembly, weakest
from .errors import DAMAGED_CODES, S3Error
from .locks import confirm_lock
from .multipart import MultipartUpload, damaged
from .parts import BLOCK_BYTES, PartBody, base_part_size, part_size
from .store import Store

UPLOAD_NAME = "mobul-upload"
"""The name in an object's metadata under which it carries the identity of its upload.

When the answer to the last request of an upload is lost, this tells our object from anybody else's, whatever the
store makes its ETags of.
"""

_ABORT_SECONDS = 15.0
_CONFLICT_ATTEMPTS = 4
_CONFLICT_SECONDS = 0.25
_CONFLICT_CODES = ("ConditionalRequestConflict", "OperationAborted", *DAMAGED_CODES)
_AMBIGUOUS_CODES = ("PreconditionFailed", "412", "NoSuchUpload", "NoSuchKey", "404")
_CONDITION_REFUSALS = ("NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedHeader", "BadRequest")

Send = Callable[[Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True)
class ObjectDetails:
    """The tags, metadata and encryption settings of a new object.

    :param metadata: names and values; the names reach the store in lower case or worse.
    :param tags: names and values.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None

    def parameters(self, token: str) -> dict[str, Any]:
        """As parameters of a request, with the identity of the upload."""
        given: dict[str, Any] = {"Metadata": {**self.metadata, UPLOAD_NAME: token}}
        if self.tags:
            given["Tagging"] = urlencode(self.tags)
        if self.content_type:
            given["ContentType"] = self.content_type
        return given


@dataclass(frozen=True)
class S3Receipt(Receipt):
    """A :class:`Receipt` with the store's own names of what was written."""

    etag: str | None = None
    version_id: str | None = None


class S3Writer(Writer):
    """See :class:`Writer`.

    :param replaces: the ETag (quotes included) of the object that this one takes the place of; by default there
        may be none.
    """

    receipt: S3Receipt | None

    def __init__(
        self,
        store: Store,
        key: str,
        *,
        size_hint: int | None = None,
        details: ObjectDetails | None = None,
        replaces: str | None = None,
    ) -> None:
        self.name = store.settings.name or store.settings.bucket
        self._store = store
        self._key = key
        self._step = f"write {key}"
        self._token = uuid4().hex
        self._parameters = (details or ObjectDetails()).parameters(self._token)
        self._replaces = replaces
        self._base = base_part_size(size_hint, store.part_bytes)
        self._limit = self._base
        self._buffer = store.spare.take(self._limit)
        self._number = 1
        self._size = 0
        self._upload: MultipartUpload | None = None
        self._finishing = False
        self._aborted = False

    def write(self, chunk: bytes) -> None:
        """Take *chunk*; waits while too much is on its way, and raises what went wrong with earlier parts."""
        if self._upload is not None:
            self._upload.check()
        self._size += len(chunk)
        pending = memoryview(chunk)
        while pending:
            # A full part waits for the next byte: what fits into one part needs no multipart upload.
            if self._buffer.size == self._limit:
                self._send_part()
            pending = pending[self._buffer.fill(pending, self._limit) :]

    def commit(self) -> None:
        """Finish the object; returns once the store has proven what it holds."""
        if self._upload is None:
            reply, proof = self._put()
        else:
            reply, proof = self._complete(self._upload)
        try:
            notice = confirm_lock(self._store, self._step, self._key)
        except S3Error:
            self._delete(reply)
            raise
        self.receipt = S3Receipt(
            self._key,
            self._size,
            proof or "size",
            notice,
            etag=reply.get("ETag"),
            version_id=reply.get("VersionId"),
        )

    def abort(self) -> None:
        """Remove what is there; what the store does not let go within 15 s is a leftover."""
        self._aborted = True
        cleaner = threading.Thread(target=self._clean_up, name="S3 abort", daemon=True)
        cleaner.start()
        cleaner.join(_ABORT_SECONDS)

    def _clean_up(self) -> None:
        if self._upload is not None:
            with contextlib.suppress(BackupError):
                self._upload.abort()
                self._store.drop_empty_directory(f"give up {self._key}", self._key)
        if self._finishing:
            with contextlib.suppress(BackupError):
                if found := self._find_ours():
                    self._delete(found)

    def _send_part(self) -> None:
        if self._upload is None:
            self._refuse_others()
            self._upload = MultipartUpload(self._store, self._key, self._parameters)
        self._upload.send(self._buffer)
        self._number += 1
        self._limit = part_size(self._number, self._base)
        self._buffer = self._store.spare.take(self._limit)

    def _put(self) -> tuple[dict[str, Any], str | None]:
        data = self._buffer.view()
        digests = Digests(data)
        checksum = checksum_parameters(digests, crc32=self._store.echoes_checksums)
        # A file-like body makes the client ask for leave first, a round trip that a small object can do without.
        small = len(data) <= BLOCK_BYTES

        def send(conditions: Mapping[str, str]) -> dict[str, Any]:
            return self._store.call(
                self._step,
                "put_object",
                self._key,
                Body=bytearray(data) if small else PartBody(data, lambda: self._aborted),
                **self._store.creation(),
                **self._parameters,
                **checksum,
                **conditions,
            )

        reply = self._finish("put_object", send)
        try:
            proof = prove(digests, reply)
        except Mismatch as mismatch:
            self._delete(reply)
            raise damaged(self._store, self._key, str(mismatch)) from None
        if proof is None:
            self._compare_size(reply)
        return reply, proof

    def _complete(self, upload: MultipartUpload) -> tuple[dict[str, Any], str | None]:
        upload.send(self._buffer)
        parts = upload.wait()
        reply = self._finish("complete_multipart_upload", lambda conditions: upload.complete(parts, conditions))
        try:
            assembled = prove_assembly(parts, reply)
        except Mismatch as mismatch:
            self._delete(reply)
            raise damaged(self._store, self._key, str(mismatch)) from None
        if not assembled:
            self._compare_size(reply)
        return reply, weakest(part.proof for part in parts)

    def _finish(self, operation: str, send: Send) -> dict[str, Any]:
        """Make the object visible unless there is one, and find out whether it is, should the answer be lost."""
        with self._store.commit_lock(self._key):
            self._refuse_others()
            self._finishing = True
            try:
                return self._send_conditioned(operation, send)
            except S3Error as error:
                if not error.transient and error.code not in _AMBIGUOUS_CODES:
                    raise
                with contextlib.suppress(S3Error):
                    if found := self._find_ours():
                        return found
                if error.status == 412:
                    raise self._taken() from error
                raise

    def _send_conditioned(self, operation: str, send: Send) -> dict[str, Any]:
        wanted = {"IfMatch": self._replaces} if self._replaces else {"IfNoneMatch": "*"}
        conditions = self._store.conditions(operation, **wanted)
        try:
            return self._send_again_on_conflict(send, conditions)
        except S3Error as error:
            refused = error.status == 501 or (error.status == 400 and error.code in _CONDITION_REFUSALS)
            if not conditions or not (refused or (error.status == 412 and self._still_replaceable())):
                raise
        reply = self._send_again_on_conflict(send, {})
        self._store.knows_conditions = False
        return reply

    def _still_replaceable(self) -> bool:
        """Whether the object to replace is there under the very ETag that the store did not hold its condition to."""
        if not self._replaces:
            return False
        found = self._store.head(self._step, self._key)
        return found is not None and bare_etag(found) == bare_etag({"ETag": self._replaces})

    def _send_again_on_conflict(self, send: Send, conditions: Mapping[str, str]) -> dict[str, Any]:
        for attempt in range(1, _CONFLICT_ATTEMPTS):
            try:
                return send(conditions)
            except S3Error as error:
                if error.code not in _CONFLICT_CODES:
                    raise
            time.sleep(_CONFLICT_SECONDS * attempt)
        return send(conditions)

    def _refuse_others(self) -> None:
        """A guard for stores that ignore conditions; with credentials that may not look, the condition must do."""
        try:
            found = self._store.head(self._step, self._key)
        except S3Error as error:
            if error.status == 403:
                return
            raise
        if found is not None and (self._replaces is None or found.get("ETag") != self._replaces):
            raise self._taken()

    def _taken(self) -> S3Error:
        if self._replaces:
            return self._store.error(self._step, f"{self._key!r} was changed by somebody else meanwhile")
        return self._store.exists_already(self._key)

    def _find_ours(self) -> dict[str, Any] | None:
        """What the store says of the object if this very upload made it."""
        found = self._store.head(self._step, self._key)
        if found is None or not _carries(found, self._token) or found.get("ContentLength") != self._size:
            return None
        # Some stores repeat here what they were sent without ever having looked at it.
        return {name: value for name, value in found.items() if not name.startswith("Checksum")}

    def _compare_size(self, reply: Mapping[str, Any]) -> None:
        """The least that can be asked for where the store's answers prove nothing more."""
        size = reply.get("ContentLength")
        if size is None:
            found = self._store.head(self._step, self._key)
            size = found.get("ContentLength") if found else None
        if size != self._size:
            self._delete(reply)
            raise damaged(self._store, self._key, f"{size} bytes instead of {self._size}")

    def _delete(self, reply: Mapping[str, Any]) -> None:
        version = {"VersionId": reply["VersionId"]} if reply.get("VersionId") else {}
        with contextlib.suppress(BackupError):
            self._store.call(self._step, "delete_object", self._key, **version)


def _carries(found: Mapping[str, Any], token: str) -> bool:
    metadata = found.get("Metadata") or {}
    return any(name.lower() == UPLOAD_NAME and value == token for name, value in metadata.items())
