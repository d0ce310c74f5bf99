"""Real runs of the playbooks: an inventory is written, and ansible-playbook reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from . import warm_playbooks
from .fake_programs import FakePrograms
from .processes import die_with_parent


class Run:
    """How a run of ansible-playbook ended."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        self.status = result.returncode
        self.output = result.stdout + result.stderr

    def failure(self, host: str) -> dict[str, Any]:
        """What was reported of a host that failed, without ``failed``, which only some versions of Ansible show."""
        match = re.search(rf"^fatal: \[{re.escape(host)}\]: \w+! => ", self.output, re.MULTILINE)
        assert match, self.output
        found: dict[str, Any] = json.JSONDecoder().raw_decode(self.output, match.end())[0]
        found.pop("failed", None)
        return found

    def result(self, host: str, key: str) -> dict[str, Any]:
        """The first result of a host that has a key, as a run with ``-vvv`` shows each."""
        for match in re.finditer(rf"^\w+: \[{re.escape(host)}\](?:: \w+!)? => (?={{)", self.output, re.MULTILINE):
            found: dict[str, Any] = json.JSONDecoder().raw_decode(self.output, match.end())[0]
            if key in found:
                return found
        raise AssertionError(self.output)

    def recap(self) -> dict[str, dict[str, int]]:
        """A mapping from host to the counts of the recap."""
        lines = self.output.partition("PLAY RECAP")[2].splitlines()
        counted = {}
        for line in lines:
            if match := re.match(r"(\S+)\s+: (ok=.*)", line):
                counted[match[1]] = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", match[2])}
        return counted


class Playbooks:
    """Runs playbooks against inventories of a test, as a user does, with nothing of this machine's settings."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_HOME": str(directory / "ansible"),
            **warm_playbooks.environment(),
        }

    def inventory(self, hosts: Mapping[str, Any], group: str = "databases", **variables: Any) -> Path:
        """Write an inventory of one group, whose hosts are local unless they say otherwise."""
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
        path = self.directory / "inventory.yml"
        path.write_text(yaml.safe_dump({group: {"hosts": dict(hosts), "vars": common}}))
        return path

    def task(self, module: str, options: Mapping[str, Any], **keywords: Any) -> Path:
        """Write a playbook that runs one module on all hosts, with further keywords of its task."""
        path = self.directory / "playbook.yml"
        task = {module: json.loads(json.dumps(options, default=os.fspath)), **keywords}
        path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        return path

    def start(
        self,
        playbook: str | Path,
        inventory: Path,
        *arguments: str,
        output: Any = subprocess.PIPE,
        errors: Any = subprocess.STDOUT,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """A run under way; whoever starts it waits for it or kills it."""
        return subprocess.Popen(
            [Path(sys.executable).parent / "ansible-playbook", playbook, "-i", inventory, *arguments],
            stdout=output,
            stderr=errors,
            text=True,
            cwd=self.directory,
            env={**self.environment, **environment},
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one system call
        )

    def run(self, playbook: str | Path, inventory: Path, *arguments: str, **environment: str) -> Run:
        """Run a playbook; its status is the caller's to look at, and what it told is shown if the test fails."""
        argv = [str(word) for word in (Path(sys.executable).parent / "ansible-playbook", playbook, "-i", inventory)]
        given = {**self.environment, **environment}
        if warm_playbooks.suits(given):
            ended = warm_playbooks.run([*argv, *arguments], directory=self.directory, given=given)
        else:
            ended = subprocess.run([*argv, *arguments], capture_output=True, text=True, cwd=self.directory, env=given)
        run = Run(ended)
        print(run.output)
        return run

    def run_held(
        self, playbook: str | Path, inventory: Path, programs: FakePrograms, meanwhile: Callable[[], object]
    ) -> Run:
        """Run a playbook, and do something while *programs* hold."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            future = pool.submit(self.run, playbook, inventory)
            programs.wait_until_held()
            meanwhile()
            programs.open()
            return future.result(120)
