"""A remote of rclone (Google Drive and some 70 other kinds of store) as a location."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Iterator, Mapping

from ...backupset.naming import check_key
from ...stream.partial import finished_name, partial_name, refuse_partial
from ..base import Leftover, Location, ObjectInfo, check_prefix
from ..options import Options
from ..stall_limit import STALL_SECONDS
from .daemon import RcloneError, refusal
from .folder import folder_could_be_made, make_folder
from .store import Entry, RcloneStore, parent_of
from .writer import RcloneWriter

READ_BYTES = 1024 * 1024

_REMOTE = re.compile(r"[\w.+@][\w.+@ -]*(,.+)?:.*")


class RcloneLocation(Location):
    """Objects are the files below one path of a remote; parameters as of :class:`RcloneStore`.

    A store with a server-side rename gets its objects under a temporary name first; the others (S3 and its like)
    show an upload when it is complete. rclone knows no "create only": a writer looks for the name right before it takes
    it, so two writers of one key are told apart within a process, and between processes unless they finish in the
    same moment.
    """

    type = "rclone"
    options = ("remote", "config", "rclone_path", "stall_timeout")
    where = ("config", "remote")

    def __init__(
        self, name: str, remote: str, *, config: str | None, program: str | None, stall_timeout: float = STALL_SECONDS
    ) -> None:
        self.name = name
        self._store = RcloneStore(name, remote, config, program, stall_timeout)

    @classmethod
    def create(cls, options: Mapping[str, object]) -> RcloneLocation:
        given = Options(options, cls.options)
        remote = given.required_text("remote")
        if not _REMOTE.fullmatch(remote):
            hint = "write it as name:path, like gdrive:Backups; a plain directory is a location of type local"
            raise given.error("remote does not begin with the name of a remote and a colon", hint=hint)
        path = remote.rpartition(":")[2]
        if ".." in path.split("/") or "]" in remote:
            raise given.error("remote contains '..' or ']'", hint="choose another folder")
        config = given.text("config")
        if config is not None and not config.startswith("/"):
            raise given.error(f"config {config!r} is not absolute", hint="begin it with '/'")
        stall_timeout = given.number("stall_timeout", STALL_SECONDS, minimum=1)
        program = given.text("rclone_path")
        return cls(given.name, remote, config=config, program=program, stall_timeout=stall_timeout)

    def check(self, *, trial: bool = False) -> bool:
        """Find rclone and the remote, make the folder where it is missing, and store and remove an object."""
        step = "check the location"
        store = self._store
        if store.traits().buckets:
            # Making a bucket that is missing would hide a misspelt name.
            store.listing(step, "", dirsOnly=True)
        elif not trial:
            make_folder(store)
        elif folder_could_be_made(store):
            return False
        key = partial_name("check")
        probe = RcloneWriter(store, key)
        try:
            probe.write(b"probe")
            probe.commit()
        except BaseException:
            probe.abort()
            raise
        store.remove(step, key)
        return True

    def free_bytes(self) -> int | None:
        """The free space in bytes; None where the remote does not report it."""
        store = self._store
        if not store.traits().reports_space:
            return None
        try:
            free = store.daemon.call("operations/about", fs=store.remote).get("free")
        except RcloneError:
            return None
        return free if isinstance(free, int) else None

    def writer(self, key: str, *, size_hint: int | None = None) -> RcloneWriter:
        """See :meth:`Location.writer`; refuses at once what exists already."""
        return RcloneWriter(self._store, refuse_partial(check_key(key)))

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        """See :meth:`Location.read`; chunks of 1 MiB at most."""
        store, step = self._store, f"read {check_key(key)}"
        if store.traits().doubles or length == 0:
            self._require(key)
        if length == 0:
            return
        until = "" if length is None else offset + length - 1
        target = urllib.parse.quote(f"/[{store.remote}]/{key}")
        with store.translated(step), store.daemon.answering(store.daemon.reading()) as connection:
            connection.request("GET", target, headers={"Range": f"bytes={offset}-{until}"})
            response = connection.getresponse()
            left = _range_size(response)
            if left is None:
                message = refusal(response)
                # Some stores refuse what lies behind the end in the words in which they refuse what is not there.
                if self._require(key).size > offset:
                    raise message
                return
            while left > 0:
                chunk = response.read(min(left, READ_BYTES))
                if not chunk:
                    raise RcloneError("unexpected EOF: the object ended before its recorded size")
                left -= len(chunk)
                yield chunk

    def stat(self, key: str) -> ObjectInfo | None:
        """See :meth:`Location.stat`; raises when two objects have the name."""
        found = self._store.find(f"look at {key}", check_key(key))
        return None if found is None else _info(found)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See :meth:`Location.list`; raises when two objects have one name."""
        step = "list the objects"
        entries = self._store.listing(step, check_prefix(prefix), recurse=True, filesOnly=True)
        self._store.refuse_doubles(step, entries)
        for entry in sorted(entries, key=lambda entry: entry.path):
            if finished_name(entry.name) is None:
                yield _info(entry)

    def list_directories(self, prefix: str) -> Iterator[str]:
        """See :meth:`Location.list_directories`."""
        entries = self._store.listing("list the directories", check_prefix(prefix), dirsOnly=True)
        yield from sorted({entry.name for entry in entries})

    def delete(self, key: str) -> None:
        """See :meth:`Location.delete`; every object of that name goes, and its directory when it becomes empty."""
        self._store.remove(f"delete {key}", check_key(key))

    def leftovers(self, prefix: str) -> Iterator[Leftover]:
        """Objects under temporary names; what a bucket keeps of broken uploads is reaped by its own lifecycle rule."""
        entries = self._store.listing("look for unfinished files", check_prefix(prefix), recurse=True, filesOnly=True)
        for entry in entries:
            if name := finished_name(entry.name):
                yield Leftover(f"{parent_of(entry.path)}/{name}".lstrip("/"), entry.modified, entry.path)

    def discard(self, leftover: Leftover) -> None:
        """Remove one object under a temporary name."""
        step = f"remove the unfinished {leftover.key}"
        if finished_name(check_key(leftover.token).rpartition("/")[2]) is None:
            raise self._store.error(step, f"{leftover.token!r} is not an unfinished object")
        self._store.remove(step, leftover.token)

    def close(self) -> None:
        """Stop the daemon; a later request starts it again."""
        self._store.close()

    def _require(self, key: str) -> ObjectInfo:
        found = self.stat(key)
        if found is None:
            raise self._store.error(f"read {key}", f"there is no object {key!r}")
        return found


def _range_size(response: http.client.HTTPResponse) -> int | None:
    """How many bytes follow (RFC 9110, 14.4: ``bytes first-last/size``); None if it is no answer to a range."""
    match = re.fullmatch(r"bytes (\d+)-(-?\d+)/\d+", response.getheader("Content-Range") or "")
    if response.status != http.client.PARTIAL_CONTENT or match is None:
        return None
    return max(0, int(match[2]) - int(match[1]) + 1)


def _info(entry: Entry) -> ObjectInfo:
    return ObjectInfo(entry.path, entry.size, entry.modified)
