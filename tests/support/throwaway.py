"""What tests of throwaway servers need: root, programs that any user may start, a place that any may pass through."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence

import pytest

from .installations import accessible, installations
from .programs import unprivileged_user

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a throwaway server a user of its own")

DEEP = "for i in 1 2 3; do p=$(printf 'd/%.0s' $(seq 400)); mkdir -p $p; cd $p; done"
"""A shell's words for 1,200 folders within each other."""


def bin_dir(major: int) -> str:
    """The directory of PostgreSQL's programs that a throwaway server's user can reach."""
    return str(accessible(installations()[major], unprivileged_user()))


@contextlib.contextmanager
def started(argv: Sequence[str], user: str | int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program of that user's, for as long as this lasts."""
    with subprocess.Popen(argv, user=user, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def scratch(mode: int = 0o755) -> Iterator[str]:
    """A directory that every user may pass through, with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, mode)
        yield place
