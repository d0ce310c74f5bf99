"""A small archive in a file that has no name in any directory, for programs that must seek in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from ...errors import BackupError
from ...stream.pipeline import Source


@contextlib.contextmanager
def archive_in_memory(source: Source) -> Iterator[str]:
    """The path of a file with what *source* gives: definitions, never rows. It is gone after the block.

    Where the system has no such files, it is an unlinked private one in the shared memory.
    """
    with contextlib.ExitStack() as stack:
        descriptor = _open(stack)
        source.run(lambda chunk: _write(descriptor, chunk))
        yield f"/proc/{os.getpid()}/fd/{descriptor}"


def _open(stack: contextlib.ExitStack) -> int:
    try:
        descriptor = os.memfd_create("mobul")
    except (AttributeError, OSError):
        parent = "/dev/shm"  # noqa: S108 - in memory rather than on a disk; the file has no name there
        try:
            file = stack.enter_context(tempfile.TemporaryFile(dir=parent))  # noqa: SIM115 - closed by the stack
        except OSError as error:
            raise BackupError("restore the database", f"cannot write to {parent}: {error.strerror}") from error
        return file.fileno()
    stack.callback(os.close, descriptor)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
