"""Small things that tests of locations share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Emit


class BytesSource:
    """A source that emits *data* in pieces of 64 KiB."""

    name = "bytes"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def run(self, emit: Emit) -> None:
        """Emit all bytes."""
        for start in range(0, len(self._data), 65536):
            emit(self._data[start : start + 65536])

    def cancel(self) -> None:
        """Do nothing, as there is nothing to stop."""


@contextmanager
def mounted_tmpfs(path: Path, options: str) -> Iterator[Path]:
    """A small file system of its own at *path*; skips the test where none can be mounted."""
    path.mkdir(parents=True)
    mount = shutil.which("mount")
    if os.getuid() != 0 or mount is None:
        pytest.skip("only root can mount a file system")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)
