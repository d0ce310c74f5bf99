"""The file of a module's progress can be read, whatever its stages and tables are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._ansible import progress as file_of
from ansible_collections.mobul.backup.plugins.module_utils._core import progress
from support.programs import wait_until


@pytest.mark.parametrize("name", ["\x1b" * 255, "\U0001f512" * 255], ids=["control", "wide"])
def test_what_follows_a_long_name_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / "progress"
    monkeypatch.setenv(file_of.VARIABLE, str(path))
    monkeypatch.setattr(file_of, "_STEP_SECONDS", 0.01)

    def told(beginning: str) -> bool:
        try:
            return str(json.loads(path.read_text())["name"]).startswith(beginning)
        except (OSError, ValueError):
            return False

    with file_of.written_down():
        with progress.stage(f"load the rows of {name}"):
            progress.at_table(name)
            progress.doing(name)
            wait_until(lambda: told("load the rows of"), what="the long one")
            # The worker reads no more than this.
            assert path.stat().st_size <= 8192
        with progress.stage("compare"):
            wait_until(lambda: told("compare"), what="the short one")
    assert not path.exists()
