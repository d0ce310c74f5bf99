"""Every molecule scenario under extensions/molecule passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import packed_modules
from support.lab import PROJECT

SCENARIOS = sorted(path.parent.name for path in (PROJECT / "extensions" / "molecule").glob("*/molecule.yml"))
SEQUENCE = ("create", "converge", "idempotence", "verify", "destroy")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenario_passes_each_step_and_leaves_nothing(scenario: str, tmp_path: Path) -> None:
    pytest.importorskip("molecule")
    folder = Path(sys.executable).parent
    result = subprocess.run(
        [folder / "molecule", "test", "--scenario-name", scenario],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT,
        env={
            **os.environ,
            **packed_modules.environment(),
            "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
            "NO_COLOR": "1",
        },
    )
    assert result.returncode == 0, result.stdout
    assert [step for step in SEQUENCE if f"{step}: Executed: Successful" not in result.stdout] == []
    assert not (tmp_path / "molecule" / "laboratory").exists()
