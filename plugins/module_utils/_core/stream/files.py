"""Local files as ends of a pipeline: a regular file to read, and one that appears only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from .. import progress
from ..errors import BackupError, ConfigError, PreflightError, SourceError
from .partial import partial_name
from .pipeline import Emit
from .transforms import Sha256

READ_BYTES = 256 * 1024
PRIVATE_MODE = 0o600
_SPARE_BYTES = 1024 * 1024


class RegularFile:
    """A regular file, opened for reading; never waits on a FIFO and never reads a device.

    :param path: symbolic links are followed: they are the user's own.
    :param step: named in errors.
    """

    def __init__(self, path: str, *, step: str) -> None:
        self.path = path
        self._step = step
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ConfigError(step, f"cannot read {path}: {error.strerror}") from error
        self.status = os.fstat(self._descriptor)
        if not stat.S_ISREG(self.status.st_mode):
            self.close()
            raise ConfigError(step, f"{path} is not a regular file")

    def __enter__(self) -> RegularFile:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """The size in bytes at the time when the file was opened."""
        return self.status.st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to *length* bytes from position *offset*."""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise SourceError(self._step, f"cannot read {self.path}: {error.strerror}") from error

    def check_unchanged(self) -> None:
        """Raise :class:`SourceError` when somebody wrote to the file since it was opened.

        Who writes can set the time of that back, but not the time at which they did so.
        """
        if _version(os.fstat(self._descriptor)) != _version(self.status):
            raise SourceError(self._step, f"{self.path} changed while it was read", hint="run again once it is at rest")

    def close(self) -> None:
        """Release the file; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


class FileSource:
    """A regular file from its beginning to its end, as the source of a pipeline."""

    def __init__(self, file: RegularFile) -> None:
        self.name = os.path.basename(file.path)
        self._file = file
        self._cancelled = False

    def run(self, emit: Emit) -> None:
        """Emit everything; raise when the file changed meanwhile."""
        offset = 0
        while not self._cancelled and (chunk := self._file.read_at(offset, READ_BYTES)):
            offset += len(chunk)
            emit(chunk)
        self._file.check_unchanged()

    def cancel(self) -> None:
        """Stop after the current chunk."""
        self._cancelled = True


class ReplacingFileSink:
    """Makes one file, or replaces one, all or nothing: written aside, fsynced, renamed.

    Where the system can (Linux, most file systems) the file has no name at all until then, so that not even a
    killed process leaves a part of it behind.

    :param path: its directory exists; what is replaced is a regular file.
    :param mode: permission bits, whatever the umask.
    """

    def __init__(self, path: str, *, mode: int = PRIVATE_MODE, step: str) -> None:
        self.name = os.path.basename(path)
        self._path = path
        self._mode = mode
        self._step = step
        self._temporary: str | None = None
        self._descriptor = -1
        self._directory = -1
        try:
            self._directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._descriptor = self._open()
        except OSError as error:
            self.abort()
            raise PreflightError(step, f"cannot write {path}: {error.strerror}") from error

    def write(self, chunk: bytes) -> None:
        """Append *chunk* to the temporary file."""
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise self._failed(error) from error

    def commit(self) -> None:
        """Flush the temporary file to the disk and rename it to its final name."""
        try:
            os.fchmod(self._descriptor, self._mode)
            os.fsync(self._descriptor)
            if self._temporary is None:
                name = partial_name(self.name)
                os.link(f"/proc/self/fd/{self._descriptor}", name, dst_dir_fd=self._directory, follow_symlinks=True)
                self._temporary = name
            os.rename(self._temporary, self.name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            self._temporary = None
            os.fsync(self._directory)
        except OSError as error:
            raise self._failed(error) from error
        self._close()

    def abort(self) -> None:
        """Remove the temporary file."""
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._directory)
            self._temporary = None
        self._close()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CLOEXEC
        unnamed = getattr(os, "O_TMPFILE", None)
        if unnamed is not None and os.path.isdir("/proc/self/fd"):
            try:
                return os.open(".", flags | unnamed, PRIVATE_MODE, dir_fd=self._directory)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
                    raise
        name = partial_name(self.name)
        descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_MODE, dir_fd=self._directory)
        self._temporary = name
        return descriptor

    def _close(self) -> None:
        for descriptor in (self._descriptor, self._directory):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._directory = -1

    def _failed(self, error: OSError) -> BackupError:
        hint = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        return BackupError(self._step, f"cannot write {self._path}: {error.strerror}", hint=hint)


def check_space(path: str, size: int, *, step: str) -> None:
    """Raise :class:`PreflightError` unless *size* more bytes fit into the file system of *path*'s directory."""
    directory = os.path.dirname(path) or "."
    try:
        system = os.statvfs(directory)
    except OSError as error:
        raise PreflightError(step, f"cannot write to {directory}: {error.strerror}") from error
    free = system.f_bavail * system.f_frsize
    if size + _SPARE_BYTES > free:
        raise PreflightError(
            step, f"{directory} has room for {free} bytes, and about {size} are needed", hint="free some space"
        )


def file_digest(file: RegularFile) -> str:
    """The SHA-256 of a whole file, in hexadecimal."""
    digest = Sha256()

    def take(chunk: bytes) -> None:
        digest.update(chunk)
        progress.advance(len(chunk))

    FileSource(file).run(take)
    return digest.hexdigest()
