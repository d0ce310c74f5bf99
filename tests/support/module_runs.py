"""Modules as Ansible starts them: each in a process of its own, which a test may kill.

A process that imports all that a module needs works for a second before it begins. Where it is not the process that is
looked at (its memory, its start), the module is run by a fork of one that has imported everything already.
"""

from __future__ import annotations

import functools
import importlib
import json
import multiprocessing
import os
import subprocess
import sys
import syslog
import tempfile
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from .processes import die_with_parent
from .programs import PROJECT, LabError

_STREAMS = ("stdout", "stderr")
_PACKAGE = "ansible_collections.mobul.backup.plugins.modules"

DRIVER = """\
import importlib, json, sys
from ansible.module_utils import basic

basic.has_journal = False
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module(f"ansible_collections.mobul.backup.plugins.modules.{sys.argv[1]}").main()
"""


def start_module(name: str, options: Mapping[str, Any]) -> subprocess.Popen[str]:
    """A module under way; whoever starts it waits for it or kills it."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one system call
    )
    if process.stdin is None:
        raise AssertionError("there is no pipe")
    with process.stdin as stdin:
        json.dump(dict(options), stdin)
    process.stdin = None
    return process


class ForkedModule:
    """A module under way in a process that had nothing left to import.

    What it sends to the system's log, it writes to stderr.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="module-")
        for stream in _STREAMS:
            # It may be killed before it has opened them.
            Path(self._directory.name, stream).touch()
        arguments = (name, json.dumps(dict(options)), self._directory.name)
        self._process = _forks().Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        """Its status when it has ended; negative, the signal that killed it."""
        return self._process.exitcode

    def kill(self) -> None:
        """End the module's process by SIGKILL."""
        self._process.kill()

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """Wait for its end (seconds); what it has written to stdout and to stderr. To be called once."""
        self._process.join(timeout)
        if self.poll() is None:
            self.kill()
            raise LabError(f"the module has not ended within {timeout:g} s")
        with self._directory as place:
            stdout, stderr = (Path(place, name).read_text() for name in _STREAMS)
        return stdout, stderr


def run_module(name: str, *, check_mode: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
    """Run a module to its end, whatever that is; what it tells Ansible."""
    given = {"_ansible_check_mode": check_mode, "_ansible_diff": diff, **options}
    stdout, stderr = ForkedModule(name, given).communicate()
    try:
        result: dict[str, Any] = json.loads(stdout)
    except ValueError:
        raise LabError(f"the module told nothing: {stdout}{stderr}") from None
    return result


@functools.cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    names = sorted(path.stem for path in (PROJECT / "plugins" / "modules").glob("*.py"))
    # And what the modules import only where it is needed.
    context.set_forkserver_preload(
        [*(f"{_PACKAGE}.{name}" for name in names), "psycopg2", "botocore.session", "zstandard"]
    )
    return context


def _run(name: str, options: str, directory: str) -> None:
    """What the fork does: all that Ansible would, but for the imports."""
    from ansible.module_utils import basic

    die_with_parent(os.getppid())()
    for number, stream in enumerate(_STREAMS, start=1):
        with open(os.path.join(directory, stream), "wb") as file:
            os.dup2(file.fileno(), number)
    basic.has_journal = False
    syslog.syslog = lambda _priority, message: print(message, file=sys.stderr)
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(options)}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    importlib.import_module(f"{_PACKAGE}.{name}").main()
