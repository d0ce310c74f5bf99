"""A host whose Python is too old is told so in one line, whatever its Python stumbles over."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.plugin_utils import python_version
from support.lab import PROJECT
from support.playbooks import Playbooks

FAILED = {"failed": True, "msg": "Module failed: unsupported operand type(s) for |", "module_stderr": "long"}


class Host:
    """An action whose host has a Python of some version."""

    def __init__(self, says: str, *, async_val: int = 0) -> None:
        self.asked: list[str] = []
        self._says = says
        self._used_interpreter = "#!/usr/bin/python3"
        self._task = SimpleNamespace(async_val=async_val)

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        self.asked.append(command)
        return {"stdout": f"{self._says}\r\n"}


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.9.2", "3.10.13"])
def test_an_old_python_is_named_with_what_to_do(version: str) -> None:
    result = python_version.named(Host(f"motd\npython {version} at /usr/bin/python3"), dict(FAILED))
    assert result["msg"] == (
        f"start the module: needs Python >= 3.11; this is {version} at /usr/bin/python3 "
        "(install Python 3.11 or newer on the host, and name it as ansible_python_interpreter)"
    )
    assert result["failed"] and "module_stderr" not in result


@pytest.mark.parametrize("says", ["python 3.11.2 at /usr/bin/python3", "python 3.12.1 at /x", "sh: not found", ""])
def test_any_other_failure_stays_as_it_is(says: str) -> None:
    assert python_version.named(Host(says), dict(FAILED)) == FAILED


def test_nobody_is_asked_where_the_module_has_spoken() -> None:
    host = Host("python 3.9.2 at /usr/bin/python3")
    for result in ({"changed": True}, {**FAILED, "step": "connect to the database"}):
        assert python_version.named(host, dict(result)) == result
    assert host.asked == []


def test_the_question_can_be_asked_of_every_python() -> None:
    told = subprocess.run(
        [sys.executable, "-c", python_version._ASK], capture_output=True, text=True, check=True
    ).stdout
    version = ".".join(map(str, sys.version_info[:3]))
    assert told == f"python {version} at {sys.executable}"
    # What refuses before the first import of ours is read by Pythons that are too old.
    ast.parse((PROJECT / "plugins/module_utils/_ansible/__init__.py").read_text(), feature_version=(3, 6))


def test_a_run_on_an_old_python_ends_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3.6"
    # Like one of 3.6, which knows no annotations of the future. A real one, where there is one, says the same.
    old.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && printf "python 3.6.15 at /usr/bin/python3.6" && exit\n'
        'echo "SyntaxError: future feature annotations is not defined" >&2\nexit 1\n'
    )
    old.chmod(0o755)
    real = sorted(Path.home().glob(".pyenv/versions/3.[6-9].*/bin/python"))
    playbooks = Playbooks(tmp_path)
    interpreter = os.fspath(real[0]) if real else os.fspath(old)
    inventory = playbooks.inventory({"shop": {}}, ansible_python_interpreter=interpreter)
    run = playbooks.run(playbooks.task("mobul.backup.backup_info", {"label": "shop", "locations": []}), inventory)
    assert run.failure("shop")["msg"].startswith("start the module: needs Python >= 3.11; this is 3.")
    assert "SyntaxError" not in run.output
