"""Programs that the laboratory finds, starts and ends."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / ".cache" / "tools"

PATIENCE = 240
"""Seconds after which something has gone wrong, even on a busy machine: what is right takes two or three."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(RuntimeError):
    """A part of the laboratory cannot be had or does not start."""


def find_tool(name: str) -> Path | None:
    """A program that is not on the package index: ``$MOBUL_<NAME>``, the PATH, or what ``make tools`` unpacked.

    :param name: the command: ``age``, ``age-keygen``, ``pgbouncer``, ``restic``, ``rclone`` ...
    """
    if named := os.environ.get(f"MOBUL_{name.upper().replace('-', '_')}"):
        return Path(named)
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), str(TOOLS / "bin")]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else None


def require_tool(name: str) -> Path:
    """Like :func:`find_tool`, but a program that is missing is an error that says so."""
    path = find_tool(name)
    if path is None:
        raise LabError(f"{name} is not installed: run `make tools`, or set MOBUL_{name.upper().replace('-', '_')}")
    return path


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now, below those that outgoing connections are given (32768)."""
    for port in random.SystemRandom().sample(range(10_000, 32_768), 100):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise LabError("100 ports of 127.0.0.1 are taken")


def unprivileged_user() -> pwd.struct_passwd | None:
    """Whom a server runs as when we are root, whom PostgreSQL refuses; None when we are somebody else."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LabError("running as root, and neither 'postgres' nor 'nobody' exists to run a server as")


def wait_until(condition: Callable[[], object], *, what: str, seconds: float = PATIENCE) -> None:
    """Poll *condition* until it holds; raise :class:`LabError` naming *what* after *seconds*."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Child:
    """A process that a test has started."""

    process: subprocess.Popen[Any]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None


class Program(Child):
    """A long-running child, with its output in a log file, that cannot outlive this process.

    It is in a session of its own, so that Ctrl-C reaches it through :meth:`stop` alone.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log = log
        self.name = Path(argv[0]).name
        self._stop_signal = stop_signal
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal))
            if os.getppid() != parent:
                os._exit(1)

        with log.open("ab") as output:
            self._log_start = output.tell()
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment} if environment else None,
                cwd="/",
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one system call
                **identity(user),
            )
        atexit.register(self.kill)

    @property
    def output(self) -> str:
        """All output of the child since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def wait_for_output(self, pattern: str, *, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the child has written something that matches *pattern*."""
        found: list[re.Match[str]] = []

        def appeared() -> bool:
            if match := re.search(pattern, self.output):
                found.append(match)
            elif not self.running:
                raise LabError(f"{self.name} ended with status {self.process.returncode}: {self.output[-2000:]}")
            return bool(found)

        wait_until(appeared, what=f"{self.name} to write {pattern!r}", seconds=seconds)
        return found[0]

    def stop(self, *, seconds: float = 60) -> None:
        """Ask the child to end, and kill it if it does not."""
        if self.running:
            self.process.send_signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End the child now."""
        if self.running:
            self.process.kill()
        self.process.wait()
        atexit.unregister(self.kill)


def identity(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments with which :mod:`subprocess` runs a child as *user*."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
