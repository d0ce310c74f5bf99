"""Other processes: whose child one is, whether it runs, and how it ends with us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

from .programs import PATIENCE, wait_until

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> Callable[[], None]:
    """What a child calls before it becomes another program, so that it cannot outlive *parent*.

    It listens to Ctrl-C, too, which is ignored by all that belongs to a job in the background of a shell.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def children(pid: int) -> list[int]:
    """The process ids of all children of *pid* and theirs, those that have ended left out."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                if is_running(child):
                    found += [child, *children(child)]
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, and not only its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command_line(pid: int) -> list[str]:
    """The words of a process's command; empty when it is gone."""
    try:
        return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]
    except OSError:
        return []


def program_of(pid: int) -> str:
    """The name of the program that a process runs; empty when it is gone."""
    return os.path.basename("".join(command_line(pid)[:1]))


def find_child(program: str, *, of: int | None = None, seconds: float = PATIENCE) -> int:
    """Wait for a child (of this process, or of another) that runs *program*, and return its process id."""
    found: list[int] = []

    def appeared() -> bool:
        for child in children(of or os.getpid()):
            if program_of(child) == program:
                found.append(child)
        return bool(found)

    wait_until(appeared, what=f"{program} to be started", seconds=seconds)
    return found[0]
