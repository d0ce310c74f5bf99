# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line a host at the bottom of the terminal, redrawn while the host's task is under way."""

from __future__ import annotations

DOCUMENTATION = r"""
name: live
type: aggregate
version_added: 0.1.0
short_description: Show how far the tasks of all hosts are, redrawn in place
description:
  - The modules of this collection say how far they are, as lines that come ever more rarely. On a terminal this
    callback keeps one line for each host at the bottom instead, and updates it every second.
  - Everything else is shown as it would be without. Where standard error is no terminal, and in ansible-runner, it does
    nothing.
requirements:
  - enabled in the configuration, as V(callbacks_enabled = mobul.backup.live) or E(ANSIBLE_CALLBACKS_ENABLED)
author:
  - The mobul.backup maintainers (@mobul)
"""

import atexit
import os
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.mobul.backup.plugins.plugin_utils import progress

_EVERY_SECONDS = 1.0
_TOP_LINES = 3
"""Lines of the terminal that are always left to what scrolls."""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """The callback: it keeps one status line for each host while tasks run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "mobul.backup.live"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # ansible-runner reads a terminal of its own.
        if not sys.stderr.isatty() or os.environ.get("AWX_ISOLATED_DATA_DIR"):
            self.disabled = True
            return
        progress.live_seconds = _EVERY_SECONDS
        self._screen = Screen(self._display)
        # A run that is interrupted tells no callback.
        atexit.register(self._screen.clear)

    def _over(self, result: Any) -> None:
        self._screen.forget(result._host.get_name())

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _over

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Clear the status lines: the play has ended."""
        self._screen.clear()


def _size() -> os.terminal_size:
    return os.get_terminal_size(sys.stderr.fileno())


class Screen:
    """The lines at the bottom. All that is displayed passes through here, and is put above them."""

    def __init__(self, display: Any, size: Callable[[], os.terminal_size] = _size) -> None:
        self._size = size
        self._owner = os.getpid()
        self._display = display
        self._original = display.display
        self._lines: dict[str, str] = {}
        self._drawn: list[str] = []
        display.display = self._pass_on

    def forget(self, host: str) -> None:
        """Remove the status line of *host*, whose task has ended."""
        with self._display._lock:
            self._erase()
            self._lines.pop(host, None)
            self._draw()

    def clear(self) -> None:
        """Leave the terminal as if nothing had been drawn."""
        if os.getpid() != self._owner:
            return
        with self._display._lock:
            self._erase()
            self._lines.clear()

    def _pass_on(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if os.getpid() != self._owner:
            # A worker hands it to this process.
            self._original(msg, *args, **kwargs)
            return
        with self._display._lock:
            self._erase()
            if msg.startswith(progress.MARK):
                payload = msg[len(progress.MARK) :]
                self._lines[payload[1:].partition("]")[0]] = payload
            else:
                self._original(msg, *args, **kwargs)
            self._draw()

    def _erase(self) -> None:
        if not self._drawn:
            return
        columns = max(1, self._size().columns)
        # A terminal that has become narrower since has broken the lines.
        rows = sum(max(1, -(-width(line) // columns)) for line in self._drawn)
        self._drawn = []
        sys.stderr.write(f"\x1b[{rows}A\r\x1b[J")
        sys.stderr.flush()

    def _draw(self) -> None:
        size = self._size()
        most = max(1, size.lines - _TOP_LINES)
        lines = list(self._lines.values())
        if len(lines) > most:
            lines = [*lines[: most - 1], f"and {len(lines) - most + 1} more hosts"]
        # What was written before must be on the screen first; both lead to the same one.
        sys.stdout.flush()
        self._drawn = [fitting(line, size.columns - 1) for line in lines]
        sys.stderr.write("".join(f"{line}\n" for line in self._drawn))
        sys.stderr.flush()


def width(text: str) -> int:
    """The number of columns that *text* takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def fitting(text: str, columns: int) -> str:
    """The beginning of *text* that fits into so many columns."""
    while width(text) > columns:
        text = text[:-1]
    return text
