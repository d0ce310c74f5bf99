"""Directories and files below a root, reached one name at a time without following a symbolic link.

Every name is resolved relative to an open directory (``openat``), so that a link planted at any moment in any
place below the root is refused rather than followed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RENAME_NOREPLACE = 1
_ATTEMPTS = 8


class NotPlainError(Exception):
    """Something in the way is neither a plain file nor a plain directory; ``str()`` says what and where."""


@dataclass(frozen=True)
class FoundFile:
    """A file found by :func:`walk`: its path below the root and what ``lstat`` says."""

    parts: tuple[str, ...]
    status: os.stat_result

    @property
    def path(self) -> str:
        """The path below the root, with slashes."""
        return "/".join(self.parts)


@contextlib.contextmanager
def opened(root: int, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """Open the directory *parts* below the directory descriptor *root* and close it in the end.

    :param create: make what is missing, mode 0700 whatever the umask.
    :raises NotPlainError: a part is a symbolic link, a FIFO, a socket or a device.
    :raises OSError: anything else; NotADirectoryError where a part is a file.
    """
    descriptor = os.dup(root)
    try:
        for number, name in enumerate(parts):
            child = _open_child(descriptor, name, "/".join(parts[: number + 1]), create)
            os.close(descriptor)
            descriptor = child
        yield descriptor
    finally:
        os.close(descriptor)


def _open_child(parent: int, name: str, path: str, create: bool) -> int:
    for _attempt in range(_ATTEMPTS):
        try:
            return os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                require_plain(parent, name, path)
            raise
        # Another writer may make it first, another deletion may remove it again: then once more.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            return _make_child(parent, name)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _make_child(parent: int, name: str) -> int:
    os.mkdir(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    # The umask may have taken away what the owner needs.
    os.fchmod(descriptor, 0o700)
    os.fsync(parent)
    return descriptor


def require_plain(parent: int, name: str, path: str) -> os.stat_result:
    """What ``lstat`` says about *name*; raise :class:`NotPlainError` unless it is a file or a directory."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    kind = stat.S_IFMT(status.st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        words = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
        raise NotPlainError(f"{path!r} is {words.get(kind, 'a device')}")
    return status


def open_file(parent: int, name: str, path: str) -> int:
    """Open a plain file for reading.

    :raises FileNotFoundError: there is none (a directory of this name is none).
    :raises NotPlainError: see :func:`require_plain`.
    """
    if not stat.S_ISREG(require_plain(parent, name, path).st_mode):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    # O_NONBLOCK: were it exchanged for a FIFO by now, the open would wait for a writer.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlainError(f"{path!r} is not a plain file")
    return descriptor


def create_file(parent: int, name: str) -> int:
    """Create a file of mode 0600 whatever the umask, and open it for writing; it must not exist."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=parent)
    os.fchmod(descriptor, 0o600)
    return descriptor


def publish(parent: int, temporary: str, final: str) -> None:
    """Give the file *temporary* the name *final*, durably and never replacing anything; all or nothing.

    :raises FileExistsError: the name is taken.
    """
    try:
        os.link(temporary, final, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # FAT and some network file systems know no hard links.
        _rename_without_replacing(parent, temporary, final)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        os.fsync(parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(final, dir_fd=parent)
        raise


def _rename_without_replacing(parent: int, source: str, target: str) -> None:
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)) from None
    if renameat2(parent, os.fsencode(source), parent, os.fsencode(target), _RENAME_NOREPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def remove_empty(root: int, parts: Sequence[str]) -> None:
    """Remove the directory *parts* below *root* and those above it, as long as they are empty; never *root*."""
    with contextlib.suppress(OSError, NotPlainError):
        for depth in range(len(parts), 0, -1):
            with opened(root, parts[: depth - 1]) as parent:
                os.rmdir(parts[depth - 1], dir_fd=parent)
                os.fsync(parent)


def walk(directory: int, parts: tuple[str, ...]) -> Iterator[FoundFile]:
    """Every file below an open directory, in ascending order of its path; what vanishes meanwhile is left out.

    :param parts: where *directory* is below the root.
    :raises NotPlainError: something is neither a file nor a directory: what hides behind it would be missing.
    """
    for name, status in _children(directory, parts):
        path = (*parts, name)
        if status is not None and stat.S_ISREG(status.st_mode):
            yield FoundFile(path, status)
            continue
        try:
            child = _open_child(directory, name, "/".join(path), create=False)
        except FileNotFoundError:
            continue
        try:
            yield from walk(child, path)
        finally:
            os.close(child)


def directories(directory: int, parts: tuple[str, ...]) -> list[str]:
    """The names of the directories in an open directory, ascending; raises like :func:`walk`."""
    return sorted(name for name, status in _children(directory, parts) if status is None)


def _children(descriptor: int, parts: tuple[str, ...]) -> list[tuple[str, os.stat_result | None]]:
    """The names in a directory and what ``lstat`` says of each that is none itself."""
    children: list[tuple[str, str, os.stat_result | None]] = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                # With its slash a directory sorts where its files' whole paths do.
                children.append((f"{name}/", name, None))
                continue
            with contextlib.suppress(FileNotFoundError):
                children.append((name, name, require_plain(descriptor, name, "/".join((*parts, name)))))
    children.sort(key=itemgetter(0))
    return [(name, status) for _key, name, status in children]
