"""One temporary directory for everything that a run of the laboratory leaves on disk, and its certain removal.

The first process of a run makes it and names it in the environment; processes started from there (the workers of
pytest-xdist, ansible-playbook) work below it. A run that was killed is cleaned up after by the next one.

It lies in memory where there is room: a run makes thousands of databases of hundreds of files each. ``TMPDIR`` names
another place.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "MOBUL_LAB_ROOT"
_PREFIX = "mobul-lab-"
_ALIVE = "alive.lock"
_MEMORY = Path("/dev/shm")
_ENOUGH = 8 << 30
"""Bytes of which a whole run uses about half."""


def root() -> Path:
    """The run's directory; any user may pass through it, nobody else may list it."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    for place in (_MEMORY, Path(tempfile.gettempdir())):
        _remove_abandoned(place)
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_place()))
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


def _place() -> Path:
    """Where runs have their directories: in memory, if programs may lie there, or where the system says."""
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK):
        state = os.statvfs(_MEMORY)
        room = min(state.f_bavail * state.f_frsize, _available_memory())
        if room >= _ENOUGH and not state.f_flag & os.ST_NOEXEC:
            return _MEMORY
    return Path(tempfile.gettempdir())


def _available_memory() -> int:
    """Bytes that may be used before the machine has to swap, and a container has its limit: proc(5), cgroups(7)."""
    match = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    rooms = [int(match[1]) << 10 if match else 0]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            rooms.append(int(Path("/sys/fs/cgroup", limit).read_text()))
    return min(rooms)


def _remove_abandoned(place: Path) -> None:
    """Remove the directories of runs that were killed: nobody holds their locks any more.

    Not told by process ids, which mean nothing in another namespace.
    """
    for path in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (path / _ALIVE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
