"""One temporary directory for everything that a run of the laboratory leaves on disk, and its certain removal.

The first process of a run makes it and names it in the environment; processes started from there (the workers of
pytest-xdist, ansible-playbook) work below it. A run that was killed is cleaned up after by the next one.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "MOBUL_LAB_ROOT"
_PREFIX = "mobul-lab-"
_ALIVE = "alive.lock"


def root() -> Path:
    """The run's directory; any user may pass through it, nobody else may list it."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    _remove_abandoned()
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    path.chmod(0o711)
    lock = os.open(path / _ALIVE, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.environ[VARIABLE] = str(path)
    atexit.register(remove, path, os.getpid())
    return path


def temporary() -> Path:
    """The run's directory for temporary files, which all users can write to."""
    path = root() / "tmp"
    if not path.exists():
        path.mkdir(exist_ok=True)
        path.chmod(0o1777)
    return path


def new_directory(name: str) -> Path:
    """A new directory of the run, whose path is short enough for a Unix socket in it."""
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root()))
    path.chmod(0o711)
    return path


def remove(path: Path, owner: int) -> None:
    """Remove the directory of a run if this process (and not a fork of it) is the one that made it."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
        if os.environ.get(VARIABLE) == str(path):
            del os.environ[VARIABLE]


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold back the other processes of this run while something that they share is made."""
    with (root() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_abandoned() -> None:
    """Remove the directories of runs that were killed: nobody holds their locks any more.

    Not told by process ids, which mean nothing in another namespace.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (path / _ALIVE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
