# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a module has come, said while its task is under way.

Ansible shows nothing of a task before its end. Here the worker that waits for the module reads, in a thread of its
own, the file in which the module keeps its progress (``module_utils/_ansible/progress.py``), and says it as lines on
standard error: the first after ten seconds, then ever more rarely. What is on standard output, in results and in exit
statuses is as it would be without.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import json
import os
import re
import secrets
import shlex
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.mobul.backup.plugins.module_utils._ansible.progress import VARIABLE
from ansible_collections.mobul.backup.plugins.module_utils._core.durations import readable_duration
from ansible_collections.mobul.backup.plugins.module_utils._core.texts import readable_size, visible

SWITCH = "backup_progress"
"""The variable of a host: false for no lines, or how many seconds after the beginning of a task the first one comes."""
_FIRST_SECONDS = 10.0
_FACTOR = 1.5
_LONGEST_SECONDS = 300.0
MARK = "mobul.backup: "
"""Begins every line."""
_JOIN_SECONDS = 2.0
_MOST_BYTES = 8192

live_seconds: float | None = None
"""How often a callback that redraws the lines wants them; it says so before workers are started."""


@contextlib.contextmanager
def shown(action: Any, task_vars: Any) -> Iterator[None]:
    """Within the block, in which *action* runs its module, the module's progress is told.

    Not for a task that is hidden, only checks, or runs in the background; nor where the host's ``backup_progress`` is
    false.
    """
    task, first, folder = action._task, _first_seconds(action, task_vars), _folder(action)
    if task.no_log or task.async_val or task.check_mode or not first or not folder:
        yield
        return
    path = f"{folder}/.mobul-progress-{secrets.token_hex(8)}"
    before = task.environment
    # Lists of the block and of the play come first: what is named last counts.
    task.environment = [*(before if isinstance(before, list) else [before] if before else []), {VARIABLE: path}]
    watcher = _Watcher(action, path, str((task_vars or {}).get("inventory_hostname", "")), first)
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()
        task.environment = before
        watcher.clean_up()


def _first_seconds(action: Any, task_vars: Any) -> float:
    """After how many seconds the first line comes; 0 for none at all."""
    try:
        value = str(action._templar.template((task_vars or {}).get(SWITCH, True))).lower()
    except AnsibleError:
        # Whoever uses the variable for something else is told by what uses it.
        return 0.0
    if value in ("true", "yes", "on"):
        return live_seconds or _FIRST_SECONDS
    return float(value) if re.fullmatch(r"[0-9]{1,4}", value) else 0.0


def _folder(action: Any) -> str:
    """Where every user may make a file, on the host; "" where that is not known, as on Windows."""
    with contextlib.suppress(KeyError, IndexError):
        return str(action._connection._shell.get_option("system_tmpdirs")[0])
    return ""


class _Watcher:
    """The thread that reads and tells; nothing that goes wrong in it is heard of."""

    def __init__(self, action: Any, path: str, host: str, first: float) -> None:
        self._action = action
        self._path = path
        self._name = action._task.action.rpartition(".")[2]
        self._host = host
        self._first = first
        self._began = time.monotonic()
        self._over = threading.Event()
        self._read_once = False
        # Whom the display is passed on by, and other things of the task, are found through the context.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._watch,), name="progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(_JOIN_SECONDS)

    def clean_up(self) -> None:
        """Remove the file of a module that was killed: any other has done so itself."""
        with contextlib.suppress(Exception):
            if self._is_local:
                os.unlink(self._path)
            elif self._read_once:
                # A command on the host, for tasks that took long enough for a line.
                self._command(f"rm -f {shlex.quote(self._path)}")

    def _watch(self) -> None:
        pause = self._first
        while not self._over.wait(pause):
            with contextlib.suppress(Exception):
                text = line(self._name, self._host, json.loads(self._read()), time.monotonic() - self._began)
                if not self._over.is_set():
                    Display().display(text, stderr=True)
            pause = live_seconds or min(pause * _FACTOR, _LONGEST_SECONDS)

    def _read(self) -> str:
        if self._is_local:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with open(os.open(self._path, flags), encoding="ascii") as file:
                return file.read(_MOST_BYTES)
        content = self._command(f"head -c {_MOST_BYTES} {shlex.quote(self._path)}")
        self._read_once = True
        return content

    @property
    def _is_local(self) -> bool:
        """Whether the file is this host's, and of this user."""
        return self._action._connection.transport == "local" and self._action._connection.become is None

    def _command(self, command: str) -> str:
        # The module's own command may be under way: what remembers its state is not shared with it.
        action = copy.copy(self._action)
        action._connection = copy.copy(action._connection)
        action._connection.become = copy.copy(action._connection.become)
        return str(action._low_level_execute_command(command)["stdout"])


def line(module: str, host: str, found: dict[str, Any], seconds: float) -> str:
    """What is said of a stage.

    :param found: as ``module_utils/_core/progress.py`` tells it.
    :param seconds: since the task began.
    """
    parts = [_bytes(found)]
    done, total = found["done"], found["total"]
    rate = done / found["seconds"] if found["seconds"] else 0
    if rate >= 1:
        parts.append(f"{readable_size(rate)}/s")
    if found["tables"]:
        of = f" of {found['tables_total']:,}" if found["tables_total"] else ""
        parts.append(f"table {found['tables']:,}{of}" + (f" ({found['table']})" if found["table"] else ""))
    parts.append(found["doing"])
    if rate >= 1 and total and total > done:
        parts.append(f"about {readable_duration(timedelta(seconds=(total - done) / rate))} left")
    parts.append(f"{readable_duration(timedelta(seconds=seconds))} so far")
    # A host may tell what it likes, and a file be called what it likes.
    return visible(f"{MARK}[{host}] {module}: {found['name']}: {', '.join(part for part in parts if part)}")


def _bytes(found: dict[str, Any]) -> str:
    done, total = found["done"], found["total"]
    if not done:
        return ""
    if not total:
        return readable_size(done)
    about = "about " if found["estimated"] else ""
    # What was estimated may be exceeded; nothing is finished before its end.
    return f"{readable_size(done)} of {about}{readable_size(total)} ({min(99, done * 100 // total)} %)"
