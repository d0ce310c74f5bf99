"""Which cases of a test with many of them a run takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.programs import PROJECT

CASES = """
import pytest

@pytest.mark.sampled(4)
@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("second", "ab")
def test_many(first, second): pass

@pytest.mark.parametrize("case", range(3))
def test_few(case): pass
"""


def collected(directory: Path, *arguments: str, seed: str = "one") -> set[str]:
    """The names of the tests that a run with that seed takes."""
    (directory / "test_cases.py").write_text(CASES)
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(
        [*argv, "-c", PROJECT / "pyproject.toml", "--rootdir", directory, "-p", "conftest"],
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, "MOBUL_SEED": seed, "PYTHONPATH": str(PROJECT / "tests")},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return {line for line in result.stdout.splitlines() if "::" in line}


def test_a_run_takes_some_of_the_cases_by_its_seed_and_a_long_one_takes_all(tmp_path: Path) -> None:
    usual = collected(tmp_path)
    assert usual == collected(tmp_path) != collected(tmp_path, seed="another")
    assert sorted(name.partition("[")[0].partition("::")[2] for name in usual) == ["test_few"] * 3 + ["test_many"] * 4
    everything = collected(tmp_path, "--hypothesis-profile=long")
    assert usual < everything
    assert len(everything) == 15


def test_a_case_that_is_named_is_taken(tmp_path: Path) -> None:
    everything = collected(tmp_path, "--hypothesis-profile=long")
    assert collected(tmp_path, *everything) == everything
