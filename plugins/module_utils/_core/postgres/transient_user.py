"""A user for one purpose: a number that nobody else on this host has, so that all that runs as it is told and ended.

It has no entry in any list of users, owns nothing, and cannot log in or leave a job for later. The numbers are some of
those that systemd keeps for services' dynamic users, see https://systemd.io/UIDS-GIDS/.
"""

from __future__ import annotations

import contextlib
import glob
import grp
import os
import pwd
import random
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from ..errors import BackupError, PreflightError
from ..stream.process import child_environment
from .confinement import NUMBERS, command

__all__ = ["NUMBERS", "TransientUser", "check_possible", "remove"]

STEP = "run programs as a user of their own"
_OF_SYSTEMD = "/run/systemd/dynamic-uid"
_SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")  # noqa: S108
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LC_ALL")
_END_SECONDS = 30
_HINT = "use target: server, or run the drill as root of a host or of a container that has users"


class TransientUser:
    """One such user, as a context manager: when that ends, nothing runs as it and its files are gone.

    :param number: its uid and gid.
    :param hold: keeps other drills from the same number.
    :param folder: of root's, in which everybody may make files, beside those that every system has.
    """

    def __init__(self, number: int, hold: socket.socket, folder: str) -> None:
        self.number = number
        self._folders = {*_SHARED_FOLDERS, folder}
        self._hold = hold
        self._children: list[subprocess.Popen[bytes]] = []

    @classmethod
    def choose(cls, folder: str) -> TransientUser:
        """A system user id that no process and no file uses.

        :raises PreflightError: there is none, or we are not root.
        """
        check_possible()
        numbers = list(NUMBERS)
        random.shuffle(numbers)
        for number in numbers:
            user = cls.again(number, folder)
            if user is not None:
                if not any({number, number + 1} & uids for _pid, _state, uids in _processes()):
                    return user
                user._hold.close()
        raise PreflightError(STEP, f"all of the users {NUMBERS[0]} to {NUMBERS[-1]} are taken", hint=_HINT)

    @classmethod
    def again(cls, number: int, folder: str) -> TransientUser | None:
        """The one of a run that was killed; None where the number is somebody's."""
        if number not in NUMBERS or _is_known(number) or _is_known(number + 1):
            return None
        hold = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # In no folder, and gone with this process.
            hold.bind(f"\0mobul.backup-user-{number}")
        except OSError:
            hold.close()
            return None
        return cls(number, hold, folder)

    def __enter__(self) -> TransientUser:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End and remove all that it has; the number is free from then on.

        :raises BackupError: something could not be ended.
        """
        try:
            self._end()
        finally:
            self._hold.close()

    def start(
        self, argv: Sequence[str], *, output: IO[bytes], stdin: int = subprocess.DEVNULL, uid: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program that inherits nothing of this process: no variable, descriptor, terminal or right.

        :param uid: another user than this one, who gets no more than this one's group.
        """
        child = subprocess.Popen(
            command("run", self.number if uid is None else uid, self.number, *argv),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
        self._children.append(child)
        return child

    def processes(self) -> list[int]:
        """What runs as it, without what has ended and only waits for its parent to look."""
        return [pid for pid, state, uids in _processes() if self.number in uids and state not in "ZX"]

    def _end(self) -> None:
        """End every process, and remove System V objects and the files in folders where everybody may make some."""
        deadline = time.monotonic() + _END_SECONDS
        self._end_once()
        while pids := self.processes():
            if time.monotonic() > deadline:
                pids_named = ", ".join(map(str, pids))
                raise BackupError(
                    STEP, f"processes {pids_named} of user {self.number} cannot be ended", hint="end them"
                )
            time.sleep(0.02)
        # For what they have made on the way to their end.
        self._end_once()
        for child in self._children:
            child.kill()
            child.wait()
        remove(self._files())

    def _end_once(self) -> None:
        done = subprocess.run(
            command("end", self.number),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd="/",
            env=_environment(),
        )
        if done.returncode != 0:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise BackupError(
                STEP, f"the processes of user {self.number} cannot be ended: {words[-1] if words else ''}"
            )

    def _files(self) -> Iterator[str]:
        for folder in self._folders:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        if entry.stat(follow_symlinks=False).st_uid == self.number:
                            yield entry.path


def check_possible() -> None:
    """Raise :class:`PreflightError` where this process cannot give a program a user of its own."""
    if os.geteuid() != 0:
        raise PreflightError(
            STEP,
            "only root can; as the drill's own user, code in the backup could read its keys and credentials",
            hint="use target: server, or run the drill as root, for example with become: true",
        )
    for kind in ("uid", "gid"):
        try:
            with open(f"/proc/self/{kind}_map", encoding="ascii") as file:
                known = [range(int(first), int(first) + int(count)) for first, _outside, count in map(str.split, file)]
        except OSError:
            raise PreflightError(STEP, "that needs Linux, with /proc", hint="use target: server") from None
        if not any(NUMBERS[0] in some and NUMBERS[-1] + 1 in some for some in known):
            raise PreflightError(STEP, f"this container has no {kind}s {NUMBERS[0]} to {NUMBERS[-1] + 1}", hint=_HINT)


def remove(paths: Iterable[str]) -> None:
    """Remove files and folders whose own folders nobody else can exchange; nothing is followed, however deep they are.

    Python's own ``rmtree`` gives up on a thousand folders within each other.
    """
    for path in paths:
        subprocess.run(["rm", "-rf", "--", path], stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd="/")


def _environment() -> dict[str, str]:
    found = child_environment({"LC_ALL": "C"})
    return {name: found[name] for name in _ENVIRONMENT if name in found}


def _is_known(number: int) -> bool:
    for find in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            find(number)
            return True
    return os.path.lexists(f"{_OF_SYSTEMD}/{number}")


def _processes() -> Iterator[tuple[int, str, set[int]]]:
    """Of every process: its id, its state's letter, and all its users."""
    for path in glob.iglob("/proc/[0-9]*/status"):
        # One that ends meanwhile has no status any more.
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith(("State:", "Uid:")))
            yield int(path.split("/")[2]), fields["State"].split()[0], set(map(int, fields["Uid"].split()))
