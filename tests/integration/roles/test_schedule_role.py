"""The role ``schedule`` puts procedures on systemd timers."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Playbooks, Run

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


@pytest.mark.next
def test_units_are_valid_and_a_second_run_changes_nothing(playbooks: Playbooks, tmp_path: Path) -> None:
    arguments = ['--vault-password-file=/etc/mobul/it\'s "here"']
    options = variables(tmp_path, schedule_arguments=arguments, schedule_on_failure="notify@%n.service")
    inventory = playbooks.inventory({"runner": {}}, group="backup_runners", **options)
    first = playbooks.run("mobul.backup.schedule", inventory)
    assert (first.status, first.recap()["runner"]["changed"]) == (0, 1), first.output
    units = sorted((tmp_path / "units").iterdir())
    assert [unit.name for unit in units] == ["mobul-backup-weekly.service", "mobul-backup-weekly.timer"]
    written = [unit.read_text() for unit in units]
    assert "\nOnFailure=notify@%n.service\n" in written[0].partition("[Service]")[0]

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


# What the module of Ansible asks of systemd; a unit is known once its file is there and daemon-reload was called.
_SYSTEMCTL = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 1
unit=$2
echo "$*" >>calls
case $1 in
    daemon-reload)
        rm -f known/*
        for file in ../units/*; do [ ! -e "$file" ] || touch "known/${file##*/}"; done ;;
    show)
        [ -e "known/$unit" ] && echo LoadState=loaded || echo LoadState=not-found
        [ -e "active/$unit" ] && echo ActiveState=active || echo ActiveState=inactive ;;
    is-enabled) [ -e "enabled/$unit" ] && echo enabled ;;
    enable | disable | start | stop)
        [ -e "known/$unit" ] || { echo "Unit $unit not found." >&2; exit 5; }
        case $1 in
            enable) touch "enabled/$unit" ;;
            disable) rm "enabled/$unit" ;;
            start) touch "active/$unit" ;;
            stop) rm "active/$unit" ;;
        esac ;;
    *) exit 1 ;;
esac
"""


class Systemd:
    """Stands for systemd, which does not run where tests do."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("known", "enabled", "active"):
            (directory / name).mkdir(parents=True)
        (directory / "systemctl").write_text(_SYSTEMCTL)
        (directory / "systemctl").chmod(0o755)

    def names(self, state: str) -> set[str]:
        """The units that are enabled, active or known."""
        return {path.name for path in (self.directory / state).iterdir()}


def run_with(playbooks: Playbooks, systemd: Systemd, directory: Path, *jobs: dict[str, str], **changes: Any) -> Run:
    options = variables(directory, schedule_jobs=list(jobs), **{"schedule_enabled": True, **changes})
    inventory = playbooks.inventory({"runner": {}}, group="backup_runners", **options)
    path = os.pathsep.join([str(systemd.directory), playbooks.environment["PATH"]])
    return playbooks.run("mobul.backup.schedule", inventory, PATH=path)


def test_an_absent_job_is_stopped_and_removed_and_the_others_stay(playbooks: Playbooks, tmp_path: Path) -> None:
    systemd = Systemd(tmp_path / "systemd")
    daily = {**WEEKLY, "name": "daily"}
    timers = {"mobul-backup-weekly.timer", "mobul-backup-daily.timer"}
    first = run_with(playbooks, systemd, tmp_path, WEEKLY, daily)
    assert first.status == 0, first.output
    assert systemd.names("enabled") == systemd.names("active") == timers

    kept = run_with(playbooks, systemd, tmp_path, WEEKLY)
    assert (kept.status, kept.recap()["runner"]["changed"]) == (0, 0), kept.output
    assert systemd.names("active") == timers

    gone = {"name": "daily", "state": "absent"}
    second = run_with(playbooks, systemd, tmp_path, {**WEEKLY, "state": "present"}, gone)
    assert second.status == 0, second.output
    assert systemd.names("enabled") == systemd.names("active") == {"mobul-backup-weekly.timer"}
    units = {"mobul-backup-weekly.service", "mobul-backup-weekly.timer"}
    assert {path.name for path in (tmp_path / "units").iterdir()} == systemd.names("known") == units

    third = run_with(playbooks, systemd, tmp_path, WEEKLY, gone)
    assert (third.status, third.recap()["runner"]["changed"]) == (0, 0), third.output


def test_a_job_that_cannot_be_stopped_fails_the_run(playbooks: Playbooks, tmp_path: Path) -> None:
    systemd = Systemd(tmp_path / "systemd")
    assert run_with(playbooks, systemd, tmp_path, WEEKLY).status == 0
    program = systemd.directory / "systemctl"
    program.write_text(program.read_text().replace("stop) rm", "stop) exit 1; rm"))
    run = run_with(playbooks, systemd, tmp_path, {"name": "weekly", "state": "absent"})
    assert run.status == 2
    assert "Unable to stop service" in run.output
    assert (tmp_path / "units" / "mobul-backup-weekly.timer").exists()


def test_units_are_only_written_where_the_command_line_says_so(playbooks: Playbooks, tmp_path: Path) -> None:
    systemd = Systemd(tmp_path / "systemd")
    # A truth value on the command line comes as text.
    run = run_with(playbooks, systemd, tmp_path, WEEKLY, schedule_enabled="false")
    assert run.status == 0, run.output
    assert (tmp_path / "units" / "mobul-backup-weekly.timer").exists()
    assert not (systemd.directory / "calls").exists()


@pytest.mark.parametrize("missing", ["playbook", "calendar"])
def test_a_job_without_playbook_or_time_is_refused(playbooks: Playbooks, tmp_path: Path, missing: str) -> None:
    job = {name: value for name, value in WEEKLY.items() if name != missing}
    options = variables(tmp_path, schedule_jobs=[job])
    run = playbooks.run("mobul.backup.schedule", playbooks.inventory({"r": {}}, group="backup_runners", **options))
    assert run.status == 2
    assert "job weekly of schedule_jobs needs a playbook and a calendar" in run.output
    assert list((tmp_path / "units").iterdir()) == []
