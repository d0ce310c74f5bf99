"""A folder with PostgreSQL's real programs behind small ones that hold, count and spoil what passes through."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .processes import is_running
from .programs import PATIENCE, LabError, wait_until

_SCRIPT = """\
#!{python} -IS
import ctypes, json, os, signal, subprocess, sys, time

with open({settings!r}) as file:
    settings = json.load(file)
argv = [settings["program"], *sys.argv[1:]]
if "--version" in sys.argv or "--host=/nonexistent" in sys.argv:
    os.execv(argv[0], argv)
with open(settings["log"], "a") as log:
    log.write(json.dumps([os.getpid(), *sys.argv[1:]]) + "\\n")

starter = os.getppid()
libc = ctypes.CDLL(None)
def die_with_parent():
    libc.prctl(1, int(signal.SIGKILL))

def hold(number):
    with open(settings["reached"] + str(number), "a") as file:
        file.write(str(os.getpid()) + "\\n")
    while not os.path.exists(settings["gate"] + str(number)):
        if os.getppid() != starter:
            sys.exit(1)
        time.sleep(0.01)

limits = settings["hold_after"]
passed = number = 0
if limits[:1] == [0]:
    hold(0)
    number = 1
child = subprocess.Popen(argv, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
while chunk := child.stdout.read(65536 if number == len(limits) else min(65536, limits[number] - passed)):
    sys.stdout.buffer.write(chunk)
    passed += len(chunk)
    if number < len(limits) and passed == limits[number]:
        sys.stdout.buffer.flush()
        hold(number)
        number += 1
sys.stdout.buffer.flush()
status = child.wait()
if settings["status"] and not status:
    sys.stderr.write("spoiled at the very end\\n")
    status = settings["status"]
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


class FakePrograms:
    """A ``pg_bin_dir``. What is asked for its version only answers as the real program does.

    :param bin_dir: of the real programs.
    :param spoiled: the name of the program that is watched.
    :param hold_after: how many bytes pass until it stops and waits for :meth:`open`, each time; 0 stops it before it
        begins.
    :param status: with which it ends although all went well.
    """

    def __init__(
        self,
        directory: Path,
        bin_dir: Path,
        *,
        spoiled: str = "pg_dump",
        hold_after: int | Sequence[int] = (),
        status: int = 0,
    ) -> None:
        self._directory = directory
        self._limits = [hold_after] if isinstance(hold_after, int) else list(hold_after)
        self._log = directory / "log"
        self.bin_dir = directory / "bin"
        self.bin_dir.mkdir(parents=True)
        for program in ("pg_dump", "pg_dumpall", "pg_restore", "psql"):
            if program != spoiled:
                (self.bin_dir / program).symlink_to(bin_dir / program)
        settings = directory / "settings.json"
        settings.write_text(
            json.dumps(
                {
                    "program": str(bin_dir / spoiled),
                    "log": str(self._log),
                    "reached": str(directory / "reached"),
                    "gate": str(directory / "gate"),
                    "hold_after": list(self._limits),
                    "status": status,
                }
            )
        )
        script = self.bin_dir / spoiled
        script.write_text(_SCRIPT.format(python=sys.executable, settings=str(settings)))
        script.chmod(0o755)

    def __fspath__(self) -> str:
        return str(self.bin_dir)

    def __str__(self) -> str:
        return str(self.bin_dir)

    @property
    def runs(self) -> list[list[str]]:
        """The arguments of every run so far, but for those that only asked for something."""
        if not self._log.exists():
            return []
        return [json.loads(line)[1:] for line in self._log.read_text().splitlines()]

    @property
    def held(self) -> bool:
        """Whether a run has come to the first gate."""
        return bool(self._held(0))

    def wait_until_held(
        self, count: int = 1, *, gate: int = 0, seconds: float = PATIENCE, unless: Callable[[], bool] = lambda: False
    ) -> list[int]:
        """Wait until *count* runs have come to a gate, and return their process ids; raise if *unless* holds before."""

        def held() -> bool:
            if len(self._held(gate)) >= count:
                return True
            if unless():
                raise LabError("the program will not reach its gate any more")
            return False

        wait_until(held, what="the program to reach its gate", seconds=seconds)
        return self._held(gate)

    def open(self, gate: int | None = None) -> None:
        """Let everyone pass one gate, or all of them, from now on."""
        for number in range(len(self._limits)) if gate is None else [gate]:
            (self._directory / f"gate{number}").touch()

    def close(self) -> None:
        """Hold everyone who comes to the first gate from now on, and forget who has passed it."""
        for name in ("gate0", "reached0"):
            (self._directory / name).unlink(missing_ok=True)

    def wait_until_gone(self) -> None:
        """Wait until none of its runs is left."""
        pids = [json.loads(line)[0] for line in self._log.read_text().splitlines()]
        wait_until(lambda: not any(map(is_running, pids)), what="the program to be gone")

    def _held(self, gate: int) -> list[int]:
        reached = self._directory / f"reached{gate}"
        # A line is whole when its end is there.
        text = reached.read_text() if reached.exists() else ""
        return [int(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def __enter__(self) -> FakePrograms:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()


def path_with(*folders: str | Path) -> str:
    """A PATH of these folders and what a system cannot do without."""
    return os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])
