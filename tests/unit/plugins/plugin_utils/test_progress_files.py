"""The file of a module that was killed is removed by the worker that has waited for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._ansible.progress import VARIABLE
from ansible_collections.mobul.backup.plugins.plugin_utils import progress
from support.programs import wait_until


class Action:
    """What the watcher knows of a task, on a host whose temporary directory is *folder*."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.commands: list[str] = []
        shell = SimpleNamespace(get_option=lambda _name: [str(folder)])
        self._connection = SimpleNamespace(_shell=shell, transport=transport, become=None)
        self._task = SimpleNamespace(
            no_log=False, async_val=0, check_mode=False, environment=None, action="mobul.backup.pg_backup"
        )
        self._templar = SimpleNamespace(template=lambda value: value)

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        self.commands.append(command)
        return {"stdout": ""}


def left_by_a_killed_module(action: Action) -> Path:
    """The file that the module of the task has made and not removed."""
    path = Path(action._task.environment[-1][VARIABLE])
    path.touch(mode=0o600)
    return path


def test_what_a_killed_module_leaves_here_is_gone(tmp_path: Path) -> None:
    action = Action(tmp_path, "local")
    with progress.shown(action, {}):
        path = left_by_a_killed_module(action)
    assert not path.exists()
    assert action._task.environment is None


def test_on_another_host_a_command_removes_it_after_a_task_that_took_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Action(tmp_path, "ssh")
    with progress.shown(short, {}):
        pass
    assert short.commands == []
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 0.01)
    long = Action(tmp_path, "ssh")
    with progress.shown(long, {}):
        path = left_by_a_killed_module(long)
        wait_until(lambda: long.commands, what="the first look")
    assert long.commands[-1] == f"rm -f {path}"
