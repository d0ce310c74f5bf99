"""One multipart upload with its parts on their way at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

from ...errors import BackupError, Cancelled
from ...stream.pipeline import as_backup_error
from .checksums import Digests, Mismatch, PartProof, checksum_parameters, encode, prove
from .errors import DAMAGED_CODES, S3Error
from .parts import MAX_PARTS, PartBody, PartBuffer, SendingCancelled
from .store import Store

DAMAGED_ATTEMPTS = 3
_ABORT_SECONDS = 3.0


class DamagedPart(Exception):
    """A part did not arrive, or was not kept, as it was; another try may help.

    :param error: what to say if it does not.
    """

    def __init__(self, error: S3Error) -> None:
        super().__init__(error)
        self.error = error


class MultipartUpload:
    """An upload that has begun; used by one thread, while its parts travel in threads of their own.

    :param parameters: what the object shall get beside :meth:`Store.creation`.
    :param step: named in errors; the writing of the object by default.
    :raises S3Error: the upload cannot be started.
    """

    def __init__(self, store: Store, key: str, parameters: Mapping[str, Any], *, step: str = "") -> None:
        self._store = store
        self._key = key
        self._step = step or f"write {key}"
        self._id = store.begin_upload(self._step, key, parameters)
        self._crc32 = store.echoes_checksums
        self._parts: dict[int, PartProof] = {}
        self._sent = 0
        self._running = 0
        self._failure: BackupError | None = None
        self._aborted = False
        self._condition = threading.Condition()

    def send(self, buffer: PartBuffer) -> None:
        """Send the next part as soon as there is room; raise what went wrong with those before."""
        self._sent += 1
        if self._sent > MAX_PARTS:
            hint = "give a better idea of its size, or larger parts"
            raise self._store.error(self._step, f"{self._key!r} needs more than {MAX_PARTS} parts", hint=hint)
        if not self._store.budget.acquire(buffer.size, self._is_over):
            raise self._failure or Cancelled(self._step)
        with self._condition:
            self._running += 1
        threading.Thread(target=self._run, args=(self._sent, buffer), name="S3 part", daemon=True).start()

    def wait(self) -> list[PartProof]:
        """Wait for all parts and return them in order; raise what went wrong."""
        with self._condition:
            self._condition.wait_for(lambda: not self._running or self._failure is not None)
        self.check()
        return [self._parts[number] for number in sorted(self._parts)]

    def check(self) -> None:
        """Raise the first error of any part so far."""
        if self._failure is not None:
            raise self._failure

    def complete(self, parts: list[PartProof], conditions: Mapping[str, str]) -> dict[str, Any]:
        """Put the object together from its parts; return the store's reply."""
        listed = [self._listed(part) for part in parts]
        return self._store.call(
            self._step,
            "complete_multipart_upload",
            self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": listed},
            **conditions,
        )

    def abort(self) -> None:
        """Cancel all parts and remove the upload.

        S3 may keep a part that arrives while an upload is removed, so whatever ends later removes it again.
        """
        with self._condition:
            self._aborted = True
            self._condition.wait_for(lambda: not self._running, timeout=_ABORT_SECONDS)
        self._store.abort_upload(f"give up {self._key}", self._key, self._id)

    def _is_over(self) -> bool:
        return self._aborted or self._failure is not None

    def _listed(self, part: PartProof) -> dict[str, Any]:
        listed: dict[str, Any] = {"PartNumber": part.number, "ETag": part.etag}
        if self._crc32 and part.crc32 is not None:
            listed["ChecksumCRC32"] = encode(part.crc32)
        return listed

    def _run(self, number: int, buffer: PartBuffer) -> None:
        failure: BackupError | None = None
        try:
            proof = self._upload(number, buffer)
            self._store.spare.give_back(buffer)
        except SendingCancelled:
            failure = Cancelled(self._step)
        except BaseException as error:
            failure = as_backup_error(error, self._step)
        self._store.budget.release(buffer.size)
        with self._condition:
            self._running -= 1
            if failure is None:
                self._parts[number] = proof
            else:
                self._failure = self._failure or failure
            self._condition.notify_all()
        if self._aborted:
            with contextlib.suppress(BackupError):
                self._store.abort_upload(self._step, self._key, self._id)

    def _upload(self, number: int, buffer: PartBuffer) -> PartProof:
        digests = Digests(buffer.view())
        failure: DamagedPart | None = None
        for _attempt in range(DAMAGED_ATTEMPTS):
            try:
                return self._try(number, buffer, digests)
            except DamagedPart as error:
                failure = failure or error
            except S3Error:
                if failure is None:
                    raise
                # Not every store takes a part a second time.
                break
        if failure is None:
            raise AssertionError("no attempt was made")
        raise failure.error

    def _try(self, number: int, buffer: PartBuffer, digests: Digests) -> PartProof:
        try:
            reply = self._store.call(
                self._step,
                "upload_part",
                self._key,
                UploadId=self._id,
                PartNumber=number,
                Body=PartBody(buffer.view(), self._is_over),
                **self._checksum(digests),
            )
            proof = prove(digests, reply)
        except S3Error as error:
            if error.code in DAMAGED_CODES:
                raise DamagedPart(error) from error
            raise
        except Mismatch as mismatch:
            raise DamagedPart(damaged(self._store, self._key, f"part {number}: {mismatch}")) from None
        if proof != "crc32":
            self._store.echoes_checksums = False
        return PartProof(
            number=number,
            etag=str(reply.get("ETag") or ""),
            proof=proof,
            crc32=digests.crc32 if self._crc32 else None,
            md5=digests.md5 if proof == "md5" else None,
        )

    def _checksum(self, digests: Digests) -> dict[str, str]:
        # Where the store echoes no checksum, its ETag of a part is compared with the MD5 afterwards; to have it
        # check the MD5 by itself would cost it as much again. Encrypted parts may have another ETag, and locked
        # ones must have a checksum.
        settings = self._store.settings
        if self._crc32 or settings.sse or settings.object_lock:
            return checksum_parameters(digests, crc32=self._crc32)
        return {}


def damaged(store: Store, key: str, what: str) -> S3Error:
    """The error of a store that holds other bytes than it was sent."""
    hint = "nothing of it is kept; look for a faulty disk, memory or proxy"
    return store.error(f"write {key}", f"{key!r} was not stored as it was sent, {what}", hint=hint, transient=True)
