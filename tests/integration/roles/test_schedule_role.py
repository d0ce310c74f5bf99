"""The role ``schedule`` puts procedures on systemd timers."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Playbooks

WEEKLY = {"name": "weekly", "playbook": "mobul.backup.weekly", "calendar": "Sun *-*-* 00:00:00 UTC"}


def variables(directory: Path, **changes: Any) -> dict[str, Any]:
    (directory / "units").mkdir(exist_ok=True)
    return {
        "schedule_unit_directory": str(directory / "units"),
        "schedule_enabled": False,
        "schedule_user": getpass.getuser(),
        "schedule_ansible_playbook": str(Path(sys.executable).parent / "ansible-playbook"),
        "schedule_inventory": str(directory / "inventories" / "100% real $HOME"),
        **changes,
    }


def analyze(*arguments: str | Path) -> str:
    """Ask systemd, where it is."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here")
    result = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_units_are_valid_and_a_second_run_changes_nothing(playbooks: Playbooks, tmp_path: Path) -> None:
    options = variables(tmp_path, schedule_arguments=['--vault-password-file=/etc/mobul/it\'s "here"'])
    inventory = playbooks.inventory({"runner": {}}, group="backup_runners", **options)
    first = playbooks.run("mobul.backup.schedule", inventory)
    assert (first.status, first.recap()["runner"]["changed"]) == (0, 1), first.output
    units = sorted((tmp_path / "units").iterdir())
    assert [unit.name for unit in units] == ["mobul-backup-weekly.service", "mobul-backup-weekly.timer"]
    written = [unit.read_text() for unit in units]

    second = playbooks.run("mobul.backup.schedule", inventory)
    assert (second.status, second.recap()["runner"]["changed"]) == (0, 0), second.output
    assert [unit.read_text() for unit in units] == written

    complaints = [line for line in analyze("verify", *units).splitlines() if "mobul-backup" in line]
    assert complaints == []


def test_the_weekly_backup_starts_on_sunday_at_midnight_utc_in_every_time_zone(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    inventory = playbooks.inventory({"runner": {}}, group="backup_runners", **variables(tmp_path))
    assert playbooks.run("mobul.backup.schedule", inventory).status == 0
    timer = (tmp_path / "units" / "mobul-backup-weekly.timer").read_text()
    (calendar,) = [line.partition("=")[2] for line in timer.splitlines() if line.startswith("OnCalendar=")]
    told = analyze("calendar", "--base-time=2026-11-24 12:00:00 UTC", calendar)
    assert "Sun 2026-11-29 00:00:00 UTC" in told


@pytest.mark.parametrize("name", ["../weekly", "every week", ""])
def test_a_job_that_cannot_be_a_unit_is_refused(playbooks: Playbooks, tmp_path: Path, name: str) -> None:
    options = variables(tmp_path, schedule_jobs=[{**WEEKLY, "name": name}])
    inventory = playbooks.inventory({"runner": {}}, group="backup_runners", **options)
    run = playbooks.run("mobul.backup.schedule", inventory)
    assert run.status == 2
    assert "cannot be part of a unit's name" in run.failure("runner")["msg"]
    assert list((tmp_path / "units").iterdir()) == []
