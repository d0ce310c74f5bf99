"""A terminal that a user sits at: a program in tmux, whose screen can be looked at, resized and typed into."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import workspace
from .processes import die_with_parent
from .programs import require_tool, wait_until


class Tmux:
    """One program in a terminal of its own; what it leaves on the screen stays there when it has ended.

    :param directory: where the program runs.
    :param environment: of the program, the whole of it.
    """

    def __init__(
        self,
        directory: Path,
        argv: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        columns: int = 100,
        lines: int = 30,
    ) -> None:
        # A socket's path has to be short.
        self._files = workspace.new_directory("tmux")
        self._before, self._after, self._ended = (self._files / name for name in ("before", "after", "ended"))
        self._command = [str(require_tool("tmux")), "-S", str(self._files / "socket"), "-f", "/dev/null"]
        script = self._files / "script"
        # As a shell that a user types into, it does not end with the program.
        script.write_text(
            f"trap : INT; cd {shlex.quote(str(directory))}; stty -g >{self._before}\n"
            f"{shlex.join(map(str, argv))}; echo $? >{self._ended}.new\n"
            f"stty -g >{self._after}; mv {self._ended}.new {self._ended}; exec sleep 3600\n"
        )
        self._server = subprocess.Popen(
            [*self._command, "-D"],
            env={**environment, "TERM": "screen", "LC_ALL": "C.UTF-8"},
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one system call
        )
        wait_until((self._files / "socket").exists, what="tmux")
        size = ["-x", str(columns), "-y", str(lines)]
        self._tell("new-session", "-d", *size, f"exec sh {script}")

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *_: object) -> None:
        # All that runs in it is hung up on.
        self._server.terminate()
        self._server.wait()
        shutil.rmtree(self._files)

    @property
    def status(self) -> int | None:
        """With which the program has ended; None while it runs."""
        return int(self._ended.read_text()) if self._ended.exists() else None

    @property
    def as_before(self) -> bool:
        """Whether the terminal's modes are what they were before the program, and its cursor can be seen."""
        visible = self._tell("display-message", "-p", "#{cursor_flag}").strip() == "1"
        return visible and self._before.read_text() == self._after.read_text()

    def screen(self, *, history: bool = False) -> list[str]:
        """The lines that can be seen, without what is empty at the end; with those that were pushed out at the top."""
        lines = self._tell("capture-pane", "-p", *(["-S", "-"] if history else [])).rstrip("\n")
        return [line.rstrip() for line in lines.split("\n")]

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal larger or smaller."""
        self._tell("resize-window", "-x", str(columns), "-y", str(lines))

    def press(self, key: str) -> None:
        """Press a key, as tmux names it: ``C-c``."""
        self._tell("send-keys", key)

    def _tell(self, *words: str) -> str:
        return subprocess.run([*self._command, *words], check=True, capture_output=True, text=True).stdout
