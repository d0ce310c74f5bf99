"""One new file of a local location."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from ...errors import LocationError
from ...stream.partial import partial_name
from ..base import Receipt, Writer
from .directories import NotPlainError, create_file, opened, publish, remove_empty, require_plain
from .root import LocalRoot

_FLUSH_BYTES = 16 * 1024 * 1024
_ATTEMPTS = 100


class LocalWriter(Writer):
    """A file under a temporary name beside its final one, which it gets when it is whole and on the disk.

    :raises LocationError: the object exists, or the temporary file cannot be made.
    """

    def __init__(self, root: LocalRoot, key: str) -> None:
        self.name = root.name
        self._root = root
        self._key = key
        self._size = 0
        self._flushed = 0
        with root.step(f"write {key}", key), root.opened() as descriptor:
            self._directory, self._temporary, self._file = _begin(descriptor, key.split("/"), root)

    def write(self, chunk: bytes) -> None:
        """Append *chunk*."""
        with self._root.step(f"write {self._key}", self._key):
            pending = memoryview(chunk)
            while pending:
                pending = pending[os.write(self._file, pending) :]
            self._size += len(chunk)
            if self._size - self._flushed >= _FLUSH_BYTES:
                self._start_writeback()

    def commit(self) -> None:
        """Flush the file to the disk and give it its name."""
        with self._root.step(f"finish {self._key}", self._key):
            os.fsync(self._file)
            size = os.fstat(self._file).st_size
            if size != self._size:
                raise self._root.error(f"finish {self._key}", f"{size} of {self._size} bytes are on the disk")
            try:
                publish(self._directory, self._temporary, self._key.rpartition("/")[2])
            except FileExistsError:
                raise self._root.exists_already(self._key) from None
        self._close()
        self.receipt = Receipt(self._key, size, "size")

    def abort(self) -> None:
        """Remove the file, and its directories if nothing else is in them."""
        with contextlib.suppress(OSError, NotPlainError, LocationError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary, dir_fd=self._directory)
            with self._root.opened() as root:
                remove_empty(root, self._key.split("/")[:-1])
        self._close()

    def _start_writeback(self) -> None:
        """Let the disk begin with what is complete, so that the last fsync finds little left to do."""
        with contextlib.suppress(OSError):
            os.posix_fadvise(self._file, self._flushed, self._size - self._flushed, os.POSIX_FADV_DONTNEED)
        self._flushed = self._size

    def _close(self) -> None:
        for descriptor in (self._file, self._directory):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._file = self._directory = -1


def _begin(root: int, parts: Sequence[str], location: LocalRoot) -> tuple[int, str, int]:
    """The descriptor of the object's directory, the name of a new file in it, and that file's descriptor."""
    for _attempt in range(_ATTEMPTS):
        # A deletion next door may remove the directories, which are empty yet, as fast as they are made.
        with contextlib.suppress(FileNotFoundError):
            return _begin_once(root, parts, location)
    return _begin_once(root, parts, location)


def _begin_once(root: int, parts: Sequence[str], location: LocalRoot) -> tuple[int, str, int]:
    *parents, name = parts
    temporary = partial_name(name)
    with opened(root, parents, create=True) as directory:
        with contextlib.suppress(FileNotFoundError):
            require_plain(directory, name, "/".join(parts))
            raise location.exists_already("/".join(parts))
        file = create_file(directory, temporary)
        return os.dup(directory), temporary, file
