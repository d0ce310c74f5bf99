"""Backups as tests start them: in this process, or by the module in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.backup.run import run_pg_backup
from ansible_collections.mobul.backup.plugins.modules import pg_backup

from .module_parameters import parameters
from .processes import die_with_parent
from .programs import PATIENCE, Child, LabError

# Ansible gives a module its parameters and the way it wants them told by these two.
_DRIVER = """\
import json, os, sys, syslog
from ansible.module_utils import basic
from ansible_collections.mobul.backup.plugins.modules import pg_backup

task = json.load(sys.stdin)
journal = open(task["journal"], "a")
basic.has_journal = False
syslog.syslog = lambda priority, message: print(message, file=journal, flush=True)
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": task["parameters"]}).encode()
basic._ANSIBLE_PROFILE = "legacy"
try:
    pg_backup.main()
finally:
    with open("/proc/self/status") as status, open(task["status"], "w") as copy:
        copy.write(status.read())
"""


def backup(*, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Run a backup in this process; returns its report or raises its error."""
    report: dict[str, Any] = run_pg_backup(parameters(pg_backup, **options), check_mode)
    return report


@contextlib.contextmanager
def backup_under_way(**options: Any) -> Iterator[Future[dict[str, Any]]]:
    """A backup in a thread of its own; it has ended when the block has."""
    future: Future[dict[str, Any]] = Future()

    def run() -> None:
        try:
            future.set_result(backup(**options))
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, name="backup under way", daemon=True)
    thread.start()
    try:
        yield future
    finally:
        thread.join(PATIENCE)
        if thread.is_alive():
            raise LabError("the backup did not end")


class ModuleProcess(Child):
    """The module in a process of its own, as Ansible runs it on a host; a context manager.

    :param directory: for its files.
    :param environment: changed against ours.
    """

    def __init__(
        self,
        directory: Path,
        options: Mapping[str, Any],
        *,
        environment: Mapping[str, str] | None = None,
        check_mode: bool = False,
    ) -> None:
        self._status = directory / "status"
        self._journal = directory / "journal"
        task = {
            "parameters": {**options, "_ansible_check_mode": check_mode},
            "status": str(self._status),
            "journal": str(self._journal),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one system call
        )
        if self.process.stdin is None:
            raise LabError("there is no pipe")
        with self.process.stdin as stdin:
            json.dump(task, stdin)
        self.process.stdin = None
        self.output = ""

    def __enter__(self) -> ModuleProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    @property
    def journal(self) -> str:
        """The lines that the run has sent to the system's log."""
        return self._journal.read_text()

    @property
    def peak_memory(self) -> int:
        """The most memory that it had, in bytes; known when it has ended by itself."""
        lines = dict(line.split(":", 1) for line in self._status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024

    def result(self) -> dict[str, Any]:
        """Wait for the end and return the result that Ansible gets."""
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        self.output = stdout + stderr
        try:
            result: dict[str, Any] = json.loads(stdout)
        except ValueError:
            raise LabError(f"the module ended with status {self.process.returncode}: {self.output}") from None
        return result
