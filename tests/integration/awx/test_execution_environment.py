"""The image that the jobs run in can be described to an engine, which none is here."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[3]


def test_the_builder_takes_the_description_and_finds_what_the_collection_needs(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    create = [
        "create",
        "-f",
        PROJECT / "execution-environment.yml",
        "-c",
        tmp_path,
        "--output-filename",
        "Containerfile",
    ]
    subprocess.run([programs / "ansible-builder", *create], check=True, cwd=tmp_path)
    text = (tmp_path / "Containerfile").read_text()
    assert "pgdg-redhat-repo" in text
    assert "ENV ANSIBLE_HOME=/tmp/ansible" in text
    assert "mobul.backup" in (tmp_path / "_build" / "requirements.yml").read_text()

    # What the builder reads of each collection that it has installed.
    installed = [programs / "ansible-builder", "introspect", sysconfig.get_path("purelib")]
    told = yaml.safe_load(subprocess.run(installed, check=True, capture_output=True, text=True).stdout)
    ours = {
        kind: {re.split(r"[ >=]", line)[0] for line in told[kind] if "mobul.backup" in line}
        for kind in ("python", "system")
    }
    needed = (PROJECT / "requirements.txt").read_text().splitlines()
    assert ours["python"] == {line.partition(">=")[0] for line in needed if not line.startswith("#")}
    assert {"postgresql15", "postgresql16", "postgresql17", "postgresql18", "rclone", "age"} <= ours["system"]
