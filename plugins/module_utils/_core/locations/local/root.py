"""The root directory of a local location, and what its failures are called."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator

from ...errors import LocationError, name_taken
from .directories import NotPlainError

_HINTS = {
    errno.ENOSPC: "free some space or choose another path",
    errno.EDQUOT: "raise the quota or choose another path",
    errno.EACCES: "let the user of this run write there",
    errno.EPERM: "let the user of this run write there",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOTDIR: "path is to be that of a directory",
    errno.EIO: "check the disk and the system's log",
}
_TRANSIENT = {errno.EINTR, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN}


class LocalRoot:
    """The root directory of a local location.

    :param name: the location's name.
    :param path: absolute; it may itself be reached through symbolic links.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = os.path.normpath(path)

    def error(self, step: str, message: str, *, hint: str | None = None) -> LocationError:
        """A :class:`LocationError` of this location."""
        return LocationError(self.name, step, message, hint=hint)

    def exists_already(self, key: str) -> LocationError:
        """The error of a writer that finds its name taken."""
        return name_taken(self.error(f"write {key}", f"{key!r} exists already", hint="an object is never replaced"))

    @contextlib.contextmanager
    def step(self, step: str, subject: str) -> Iterator[None]:
        """Give what the operating system says about *subject* the product's form."""
        try:
            yield
        except NotPlainError as error:
            raise self.error(step, str(error), hint=f"remove it from {self.path}, and find out who made it") from None
        except OSError as error:
            code = error.errno or 0
            message = f"{subject}: {error.strerror or error}"
            raise LocationError(
                self.name, step, message, hint=_HINTS.get(code), transient=code in _TRANSIENT
            ) from error

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """The descriptor of the root directory, closed at the end of the block."""
        try:
            root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            # Never an empty location: most likely its disk is not mounted.
            hint = "create it, or mount its file system"
            raise self.error("open the location", f"{self.path} does not exist", hint=hint) from None
        try:
            yield root
        finally:
            os.close(root)

    def make(self) -> None:
        """Make the directory, mode 0700, unless it is there; its parent must be."""
        if self._is_missing():
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.path, 0o700)
                os.chmod(self.path, 0o700)

    def could_be_made(self) -> bool:
        """Whether the directory is missing; raises when it could not be made, and leaves no trace."""
        missing = self._is_missing()
        if missing:
            os.rmdir(tempfile.mkdtemp(dir=os.path.dirname(self.path)))
        return missing

    def _is_missing(self) -> bool:
        parent = os.path.dirname(self.path)
        if os.path.lexists(self.path):
            return False
        if not os.path.isdir(parent):
            hint = f"create {parent}, or mount its file system"
            raise self.error("check the location", f"neither {self.path} nor its parent exists", hint=hint)
        return True
