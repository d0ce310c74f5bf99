"""Where a run leaves its files, and that they go with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.programs import PROJECT
from support.workspace import VARIABLE

CODE = "from support import workspace; place = workspace.new_directory('a'); print(place, flush=True)"


def run_in(directory: Path, code: str) -> str:
    """What a run of its own prints that leaves its files below a directory."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {"TMPDIR": str(directory), "PYTHONPATH": str(PROJECT / "tests")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment).stdout


def test_what_a_run_leaves_lies_where_it_is_told_and_goes_with_it(tmp_path: Path) -> None:
    assert Path(run_in(tmp_path, CODE).strip()).parents[1] == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_is_cleaned_up_after_by_the_next(tmp_path: Path) -> None:
    run_in(tmp_path, f"{CODE}; import os; os.kill(os.getpid(), 9)")
    assert len(list(tmp_path.iterdir())) == 1
    run_in(tmp_path, CODE)
    assert list(tmp_path.iterdir()) == []
