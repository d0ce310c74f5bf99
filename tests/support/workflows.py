"""Workflows of GitHub and GitLab, run without either: their scripts, one after the other, in a made-up checkout."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_STUB = '#!/bin/sh\necho "${0##*/} $*" >>"$INSTALLED"\n'
_PYTHON = """\
#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 1
mkdir -p "$3/bin"
cp "$STUBS/stub" "$3/bin/pip"
cp "$STUBS/stub" "$3/bin/ansible-galaxy"
"""


class Job:
    """One job: its scripts' directory, environment and what has become of them.

    Nothing is installed: what would be is in :attr:`installed`.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.checkout = directory / "checkout"
        self.temporary = directory / "temporary"
        self.stubs = directory / "stubs"
        for folder in (self.checkout, self.temporary, self.stubs):
            folder.mkdir()
        for name, text in (("stub", _STUB), ("python3", _PYTHON)):
            (self.stubs / name).write_text(text)
            (self.stubs / name).chmod(0o755)
        (self.checkout / "deploy").write_text("#!/bin/sh\ntouch deployed\n")
        (self.checkout / "deploy").chmod(0o755)
        self.environment = {
            **environment,
            "PATH": f"{self.stubs}:{environment['PATH']}",
            "HOME": str(directory),
            "STUBS": str(self.stubs),
            "INSTALLED": str(directory / "installed"),
        }
        self.output = ""

    @property
    def installed(self) -> str:
        """The commands that would have installed something."""
        return (self.directory / "installed").read_text()

    @property
    def deployed(self) -> bool:
        """Whether the deployment was begun."""
        return (self.checkout / "deployed").exists()

    def script(self, text: str, environment: Mapping[str, str] | None = None) -> int:
        """Run one script as both services do; its status."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            cwd=self.checkout,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.output += done.stdout + done.stderr
        return done.returncode


def github(job: Job, steps: Iterable[Mapping[str, Any]], values: Mapping[str, str]) -> dict[str, bool]:
    """Run a job's steps; which of them succeeded, by name. One that fails keeps those after it from running.

    :param values: of the expressions that may stand in a step's environment.
    """
    summary, path = job.directory / "summary", job.directory / "path"
    for file in (summary, path):
        file.touch()
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_PATH": str(path), "RUNNER_TEMP": str(job.temporary)}
    ended: dict[str, bool] = {}
    for step in steps:
        if "run" not in step or (not all(ended.values()) and step.get("if") != "always()"):
            continue
        given = {k: _EXPRESSION.sub(lambda found: values[found[1]], v) for k, v in step.get("env", {}).items()}
        added = os.pathsep.join([*path.read_text().splitlines(), job.environment["PATH"]])
        ended[step["name"]] = job.script(step["run"], {**files, **given, "PATH": added}) == 0
    return ended


def gitlab(job: Job, described: Mapping[str, Any], variables: Mapping[str, str]) -> int:
    """Run a job's commands in one shell; its status."""
    commands = [*described.get("before_script", ()), *described["script"]]
    return job.script("\n".join(commands), {"CI_PROJECT_DIR": str(job.checkout), **variables})
