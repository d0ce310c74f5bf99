"""One new object of an rclone location, streamed into rclone's daemon while it comes."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from typing import Any

from ...errors import LocationError, name_taken
from ...stream.partial import partial_name
from ..base import Receipt, Writer
from .daemon import RcloneBrokenError, RcloneStalledError
from .store import Entry, RcloneStore, parent_of
from .upload import Upload

_KEPT_BYTES = 8 * 1024 * 1024
"""So much of an object is kept in memory, so that it can be sent again. Of what is larger rclone itself sends a chunk
again, on stores that take chunks; a stream that comes but once cannot begin anew."""
_SENT_AGAIN_BYTES = 100 * 1024
"""What rclone collects before it stores it, and stores again by itself."""
_TRY_PAUSES = (0.5, 1.0, 2.0, 4.0)
_PAUSES = (0.1, 0.3, 1.0, 2.0)


class RcloneWriter(Writer):
    """An object under a temporary name, or one that its store hides until it is complete.

    :raises LocationError: the object exists, or the store cannot be asked.
    """

    def __init__(self, store: RcloneStore, key: str) -> None:
        self.name = store.name
        self._store = store
        self._key = key
        self._traits = store.traits()
        self._path = self._hidden() if self._traits.moves else key
        self._upload: Upload | None = None
        self._touched = False
        self._size = 0
        self._kept: list[bytes] | None = []
        self._digest = hashlib.new(self._traits.digest, usedforsecurity=False) if self._traits.digest else None
        self._refuse_existing()

    def write(self, chunk: bytes) -> None:
        """Send *chunk* to the store."""
        if self._digest is not None:
            self._digest.update(chunk)
        self._size += len(chunk)
        if self._kept is not None:
            self._kept.append(chunk)
            if self._size > _KEPT_BYTES:
                self._kept = None
        self._trying(f"write {self._key}", lambda: self._started().send(chunk), self._send_kept)

    def commit(self) -> None:
        """Complete the upload, compare what arrived, and give it its name."""
        with self._store.publishing(self._key):
            if not self._traits.moves:
                # From here on the upload itself takes the name.
                self._refuse_existing()
            self._finish()
            proof = self._compare()
            if self._traits.moves:
                self._move()
        self._touched = False
        self.receipt = Receipt(self._key, self._size, proof)

    def abort(self) -> None:
        """Break the upload off and remove what may have arrived."""
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
        if self._touched:
            with contextlib.suppress(LocationError):
                self._store.remove(f"remove the unfinished {self._key}", self._path)

    def _hidden(self) -> str:
        directory, _slash, name = self._key.rpartition("/")
        return f"{directory}/{partial_name(name)}".lstrip("/")

    def _started(self) -> Upload:
        if self._upload is None:
            daemon = self._store.daemon
            # What has no temporary name must never be removed by abort(): it may be another writer's by then.
            self._touched = self._traits.moves
            self._upload = Upload(daemon, self._store.remote, self._path, buffered=self._traits.moves)
        return self._upload

    def _finish(self) -> None:
        def again() -> None:
            self._send_kept()
            self._started().finish()

        self._trying(f"finish {self._key}", lambda: self._started().finish(), again)
        self._upload = None

    def _trying(self, step: str, act: Callable[[], None], again: Callable[[], None]) -> None:
        """*act*; where that fails for a time, and all that was sent is still there, *again* after a pause."""
        for pause in (*_TRY_PAUSES, None):
            try:
                with self._store.translated(step):
                    act()
                return
            except LocationError as error:
                if pause is None or not error.transient or not self._may_try_again(error.__context__):
                    raise
            self.abort()
            time.sleep(pause)
            if self._traits.moves:
                self._path = self._hidden()
            elif self._has_arrived(step):
                return
            act = again

    def _may_try_again(self, cause: BaseException | None) -> bool:
        """Whether all that was sent is still there, and rclone has not tried again and again itself."""
        if self._kept is None or isinstance(cause, RcloneStalledError):
            return False
        tried = self._traits.buckets or self._size <= _SENT_AGAIN_BYTES
        return isinstance(cause, RcloneBrokenError) or not tried

    def _send_kept(self) -> None:
        upload = self._started()
        for chunk in self._kept or ():
            upload.send(chunk)

    def _has_arrived(self, step: str) -> bool:
        """Whether the store has the object after all; one that is not ours is an error."""
        found = _named(self._entries(step), self._key)
        if found and (self._difference(found[0]) or not found[0].hashes):
            raise self._store.exists_already(self._key)
        return bool(found)

    def _compare(self) -> str:
        """Hold what the store says about the object against what was sent; return the proof's name."""
        digest = self._traits.digest
        digests: dict[str, str] = {}

        def problem(entries: list[Entry]) -> str | None:
            if self._traits.moves and _named(entries, self._key):
                raise self._store.exists_already(self._key)
            found = _named(entries, self._path)
            self._store.refuse_doubles(step, found)
            if not found:
                return "the store took it and does not have it"
            # Whatever abort() finds under the name from here on came from this upload.
            self._touched = True
            digests.update(found[0].hashes)
            return self._difference(found[0])

        step = f"verify {self._key}"
        self._wait_until_fine(step, problem)
        return digest if digest in digests and digest is not None else "size"

    def _difference(self, entry: Entry) -> str | None:
        """What tells the stored object from what was sent."""
        if entry.size != self._size:
            return f"{entry.size} bytes arrived, {self._size} were sent"
        digest = entry.hashes.get(self._traits.digest or "")
        if digest and self._digest is not None and digest.lower() != self._digest.hexdigest():
            return f"its {self._traits.digest} in the store is not that of what was sent"
        return None

    def _move(self) -> None:
        step = f"finish {self._key}"
        remote = self._store.remote
        here, there = {"srcFs": remote, "srcRemote": self._path}, {"dstFs": remote, "dstRemote": self._key}
        try:
            self._store.ask(step, "operations/movefile", **here, **there)
            self._wait_until_fine(step, self._unlike_renamed)
        except LocationError as error:
            if not self._is_renamed(step, error):
                raise

    def _unlike_renamed(self, entries: list[Entry]) -> str | None:
        """What is wrong with the object after its renaming; None if nothing is."""
        found = _named(entries, self._key)
        if len(found) > 1:
            # One of them is somebody else's, and a store removes by name.
            try:
                self._store.refuse_doubles(f"finish {self._key}", found)
            except LocationError as error:
                raise name_taken(error) from None
        if _named(entries, self._path):
            return f"{self._key!r} exists already, since a moment ago" if found else "the store did not rename it"
        if not found:
            return "the store renamed it and does not have it under its name"
        return self._difference(found[0])

    def _is_renamed(self, step: str, error: LocationError) -> bool:
        """After *error*, look which name the object has: whether the final one, and as it was sent.

        The answer to a rename that was carried out may have been lost. What got its name and is not what was sent
        goes again, since nobody else would know it for ours.
        """
        if error.taken:
            return False
        with contextlib.suppress(LocationError):
            entries = self._entries(step)
            if self._unlike_renamed(entries) is None:
                return True
            if _named(entries, self._key):
                if _named(entries, self._path):
                    name_taken(error)
                else:
                    self._store.remove(f"remove the damaged {self._key}", self._key)
        return False

    def _entries(self, step: str) -> list[Entry]:
        digest = self._traits.digest
        options: dict[str, Any] = {"hashTypes": [digest]} if digest else {}
        return self._store.entries(step, parent_of(self._key), **options) or []

    def _wait_until_fine(self, step: str, problem: Callable[[list[Entry]], str | None]) -> None:
        """Look at the object's directory until *problem* finds none: some stores list what is new a little late."""
        for pause in (*_PAUSES, None):
            reason = problem(self._entries(step))
            if reason is None:
                return
            if pause is None:
                raise self._store.error(step, reason, hint="run it again; if it happens again, check the remote")
            time.sleep(pause)

    def _refuse_existing(self) -> None:
        step, directory = f"write {self._key}", parent_of(self._key)
        if self._traits.buckets:
            # rclone would make a bucket that is missing; this says that it is.
            entries = self._store.listing(step, directory)
        else:
            entries = self._store.entries(step, directory) or []
        if _named(entries, self._key):
            raise self._store.exists_already(self._key)


def _named(entries: list[Entry], path: str) -> list[Entry]:
    return [entry for entry in entries if entry.path == path]
