"""A directory of this machine (a disk, a mounted share) as a location."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

from ...backupset.naming import check_key
from ...stream.partial import finished_name, partial_name, refuse_partial
from ..base import Leftover, Location, ObjectInfo, check_prefix
from ..options import Options
from .directories import (
    FoundFile,
    create_file,
    directories,
    open_file,
    opened,
    publish,
    remove_empty,
    require_plain,
    walk,
)
from .root import LocalRoot
from .writer import LocalWriter

READ_BYTES = 1024 * 1024


class LocalLocation(Location):
    """A location whose objects are files below one directory.

    Files are 0600 and directories 0700. A symbolic link, FIFO, socket or device below the root is never followed
    or opened: whatever meets one fails and names it.

    :param path: the root, absolute. It may itself be reached through links.
    """

    type = "local"
    options = where = ("path",)
    size_proves = True

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._root = LocalRoot(name, path)

    @classmethod
    def create(cls, options: Mapping[str, object]) -> LocalLocation:
        given = Options(options, cls.options)
        path = given.required_text("path")
        if not path.startswith("/"):
            raise given.error(f"path {path!r} is not absolute", hint="begin it with '/'")
        if ".." in path.split("/") or not path.strip("/"):
            raise given.error(f"path {path!r} is not usable", hint="name a directory that is there for backups alone")
        return cls(given.name, path)

    @classmethod
    def place_of(cls, options: Mapping[str, object]) -> str:
        return super().place_of({**options, "path": os.path.normpath(str(options.get("path") or ""))})

    @classmethod
    def place_everywhere(cls, options: Mapping[str, object], runs_on: str) -> str:
        if not runs_on:
            path = os.path.expanduser(os.path.expandvars(str(options.get("path") or "")))
            options = {**options, "path": os.path.realpath(path)}
        return f"host: {runs_on}\n{cls.place_of(options)}"

    def check(self, *, trial: bool = False) -> bool:
        """Prove that files can be made below the root, which is made if its parent is there."""
        root = self._root
        with root.step("check the location", root.path):
            if not trial:
                root.make()
            elif root.could_be_made():
                return False
            with root.opened() as descriptor:
                mode = os.fstat(descriptor).st_mode
                if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                    raise root.error(
                        "check the location",
                        f"{root.path} is writable for everybody",
                        hint=f"chmod 0700 {root.path}, or choose a directory of your own",
                    )
                _probe(descriptor)
        return True

    def free_bytes(self) -> int:
        """Room for whom this process runs as, also where the root is still to be made."""
        with self._root.step("ask for free space", self._root.path):
            missing = not os.path.lexists(self._root.path)
            space = os.statvfs(os.path.dirname(self._root.path) if missing else self._root.path)
            return space.f_bavail * space.f_frsize

    def writer(self, key: str, *, size_hint: int | None = None) -> LocalWriter:
        """See :meth:`Location.writer`; refuses at once what exists already."""
        return LocalWriter(self._root, refuse_partial(check_key(key)))

    def read(self, key: str, *, offset: int = 0, length: int | None = None, tag: str = "") -> Iterator[bytes]:
        """See :meth:`Location.read`; chunks of 1 MiB."""
        step = f"read {key}"
        with self._root.step(step, key), self._opened(key) as file:
            if file is None:
                raise self._root.error(step, f"there is no object {key!r}")
            status = os.fstat(file)
            if tag and tag != _tag(status):
                raise self._root.error(step, f"{key!r} was replaced while it was read")
            left = max(0, status.st_size - offset)
            if length is not None:
                left = min(left, length)
            while left > 0:
                chunk = os.pread(file, min(left, READ_BYTES), offset)
                if not chunk:
                    raise self._root.error(step, f"{key!r} became shorter while it was read")
                offset += len(chunk)
                left -= len(chunk)
                yield chunk

    def stat(self, key: str) -> ObjectInfo | None:
        """See :meth:`Location.stat`."""
        with self._root.step(f"look at {key}", key), self._opened(key) as file:
            return None if file is None else _info(key, os.fstat(file))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See :meth:`Location.list`; a link or another special file below *prefix* is an error."""
        for found in self._walk(prefix, "list the objects"):
            if finished_name(found.parts[-1]) is None:
                yield _info(found.path, found.status)

    def list_directories(self, prefix: str) -> Iterator[str]:
        """See :meth:`Location.list_directories`."""
        with self._root.step("list the directories", prefix or self._root.path), self._directory(prefix) as directory:
            names = [] if directory is None else directories(directory, _parts(prefix))
        # What every ext4 file system has in its root is none of ours.
        yield from (name for name in names if prefix or name != "lost+found")

    def delete(self, key: str) -> None:
        """See :meth:`Location.delete`; directories that become empty go too."""
        self._remove(check_key(key).split("/"), f"delete {key}")

    def leftovers(self, prefix: str) -> Iterator[Leftover]:
        """Temporary files; their age begins with the last write to them."""
        for found in self._walk(prefix, "look for unfinished files"):
            if name := finished_name(found.parts[-1]):
                yield _leftover(found, name)

    def list_all(self, prefix: str) -> Iterator[ObjectInfo | Leftover]:
        """See :meth:`Location.list_all`; in one pass."""
        for found in self._walk(prefix, "list the objects"):
            name = finished_name(found.parts[-1])
            yield _info(found.path, found.status) if name is None else _leftover(found, name)

    def discard(self, leftover: Leftover) -> None:
        """Remove one temporary file."""
        parts = check_key(leftover.token).split("/")
        step = f"remove the unfinished {leftover.key}"
        if finished_name(parts[-1]) is None:
            raise self._root.error(step, f"{leftover.token!r} is not an unfinished file")
        self._remove(parts, step)

    def _walk(self, prefix: str, step: str) -> Iterator[FoundFile]:
        with self._root.step(step, prefix or self._root.path), self._directory(prefix) as directory:
            if directory is not None:
                yield from walk(directory, _parts(prefix))

    @contextlib.contextmanager
    def _directory(self, prefix: str) -> Iterator[int | None]:
        """The descriptor of the directory *prefix*; None if it does not exist."""
        parts = _parts(prefix)
        with self._root.opened() as root, contextlib.ExitStack() as stack:
            try:
                directory = stack.enter_context(opened(root, parts))
            except (FileNotFoundError, NotADirectoryError):
                directory = None
            yield directory

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[int | None]:
        """The descriptor of the file *key*, open for reading; None if it does not exist."""
        *parents, name = check_key(key).split("/")
        with self._root.opened() as root:
            try:
                with opened(root, parents) as directory:
                    file = open_file(directory, name, key)
            except (FileNotFoundError, NotADirectoryError):
                file = None
        try:
            yield file
        finally:
            if file is not None:
                os.close(file)

    def _remove(self, parts: Sequence[str], step: str) -> None:
        *parents, name = parts
        with self._root.step(step, "/".join(parts)), self._root.opened() as root:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), opened(root, parents) as directory:
                if stat.S_ISREG(require_plain(directory, name, "/".join(parts)).st_mode):
                    os.unlink(name, dir_fd=directory)
                    os.fsync(directory)
            remove_empty(root, parents)


def _probe(root: int) -> None:
    """Make, publish and remove a file, since only that proves that all of it works here."""
    temporary, final = partial_name("check"), partial_name("check")
    file = create_file(root, temporary)
    try:
        os.write(file, b"probe")
        os.fsync(file)
        publish(root, temporary, final)
    finally:
        os.close(file)
        for name in (temporary, final):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=root)


def _parts(prefix: str) -> tuple[str, ...]:
    return tuple(check_prefix(prefix).split("/")) if prefix else ()


def _leftover(found: FoundFile, name: str) -> Leftover:
    return Leftover("/".join((*found.parts[:-1], name)), _modified(found.status), found.path)


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, timezone.utc)


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, _modified(status), _tag(status))


def _tag(status: os.stat_result) -> str:
    # Not the inode or its change time: on mounted shares they change by themselves.
    return f"{status.st_size}-{status.st_mtime_ns}"
