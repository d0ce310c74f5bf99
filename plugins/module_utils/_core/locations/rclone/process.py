"""The rclone program as a helper that cannot outlive this process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from ...stream.process import child_environment, describe_status, read_tail

_INHERITED = re.compile(
    r"RCLONE_CONFIG(_.*)?|RCLONE_(PASSWORD_COMMAND|BWLIMIT|TPSLIMIT|TPSLIMIT_BURST|CA_CERT|CLIENT_CERT|CLIENT_KEY|BIND)"
    r"|(?i:https?_proxy|no_proxy|all_proxy)|SSL_CERT_(FILE|DIR)|XDG_(CONFIG|CACHE)_HOME"
)
"""What rclone gets beside :data:`process.KEPT_VARIABLES`: how to reach a store, nothing that filters or skips."""

_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
os.getppid() == int(sys.argv[1]) or sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
_GRACE_SECONDS = 5.0


def find_program(given: str | None) -> str | None:
    """The path of rclone: *given*, or beside this interpreter, or on the PATH; None if it is nowhere."""
    if given is not None:
        return shutil.which(given)
    folders = [os.path.dirname(sys.executable or ""), os.environ.get("PATH", os.defpath)]
    return shutil.which("rclone", path=os.pathsep.join(filter(None, folders)))


def program_version(program: str) -> tuple[int, ...] | None:
    """What *program* says its version is; None if it says nothing of the kind."""
    try:
        result = subprocess.run(
            [program, "version"], env=rclone_environment(), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"rclone v(\d+)\.(\d+)\.(\d+)", result.stdout)
    return tuple(map(int, match.groups())) if match else None


def bytes_moved(pid: int) -> tuple[int, int] | None:
    """How many bytes a process has read and written so far, sockets included; None where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as counts:
            counters = dict(line.split(": ") for line in counts.read().splitlines())
        return int(counters["rchar"]), int(counters["wchar"])
    except (OSError, ValueError, KeyError):
        return None


def rclone_environment() -> dict[str, str]:
    """The environment variables of every rclone process."""
    return child_environment({name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)})


class Helper:
    """A running program, ended by the kernel when this process ends in any way.

    The kernel's signal (PR_SET_PDEATHSIG) comes when the *thread* ends that started the child; therefore a thread of
    its own starts it and waits for it.

    :raises OSError: the program cannot be started.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        started = threading.Event()
        launched = [*_launcher(), *argv]

        def keep() -> None:
            try:
                self._process = subprocess.Popen(
                    launched,
                    stdin=subprocess.DEVNULL,
                    stdout=self._errors,
                    stderr=self._errors,
                    env=dict(environment),
                    cwd="/",
                )
            except OSError as error:
                self._failure = error
                return
            finally:
                started.set()
            self._process.wait()

        threading.Thread(target=keep, name=f"keeper of {os.path.basename(argv[0])}", daemon=True).start()
        started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def pid(self) -> int:
        """The child's process id."""
        if self._process is None:
            raise AssertionError("a helper that was started has a process")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def ends_within(self, seconds: float) -> bool:
        """Wait *seconds* at most for the child's end, and say whether it came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(seconds)
        return not self.running

    def last_words(self) -> str:
        """The exit status of the process and the last lines of its messages."""
        status = self._process.returncode if self._process is not None else None
        ended = describe_status("rclone", status) if status is not None else "rclone runs"
        # Another thread may have stopped it meanwhile, and closed its messages.
        message = "" if self._errors.closed else read_tail(self._errors)
        return f"{ended}: {message or 'no message'}"

    def stop(self) -> None:
        """Ask the child to end, kill it if it does not, and release its messages."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(OSError):
            self._errors.close()


def _launcher() -> list[str]:
    """What makes the child ask for the kernel's signal; nothing where the kernel has none."""
    if not sys.platform.startswith("linux") or not sys.executable:
        return []
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
