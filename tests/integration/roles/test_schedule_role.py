"""The role ``schedule`` puts procedures on systemd timers or into cron, from the same description."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Playbooks, Run
from support.programs import PROJECT

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
def test_units_are_valid_begin_on_sunday_at_midnight_utc_and_a_second_run_changes_nothing(
    playbooks: Playbooks, tmp_path: Path
) -> None:
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
    (calendar,) = [line.partition("=")[2] for line in written[1].splitlines() if line.startswith("OnCalendar=")]
    told = analyze("calendar", "--base-time=2026-11-24 12:00:00 UTC", calendar)
    assert "Sun 2026-11-29 00:00:00 UTC" in told


def test_a_job_that_cannot_be_a_unit_or_has_no_playbook_or_time_is_refused(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    wrong = {
        "above": ({"name": "../weekly"}, "cannot be part of a unit's name"),
        "spaces": ({"name": "every week"}, "cannot be part of a unit's name"),
        "nameless": ({"name": ""}, "cannot be part of a unit's name"),
        "idle": ({"playbook": None}, "job weekly of schedule_jobs needs a playbook and a calendar"),
        "timeless": ({"calendar": None}, "job weekly of schedule_jobs needs a playbook and a calendar"),
    }
    hosts = {}
    for host, (changes, _message) in wrong.items():
        job = {name: value for name, value in {**WEEKLY, **changes}.items() if value is not None}
        hosts[host] = variables(tmp_path, schedule_jobs=[job])
    run = playbooks.run("mobul.backup.schedule", playbooks.inventory(hosts, group="backup_runners"))
    assert run.status == 2
    lines = run.output.splitlines()
    told = {host: [line for line in lines if re.match(rf"(failed|fatal): \[{host}\]", line)] for host in wrong}
    assert {host: found for host, found in told.items() if wrong[host][1] not in "".join(found)} == {}
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

    # The one that nobody names any more stays as it is.
    gone = {"name": "daily", "state": "absent"}
    second = run_with(playbooks, systemd, tmp_path, gone)
    assert second.status == 0, second.output
    assert systemd.names("enabled") == systemd.names("active") == {"mobul-backup-weekly.timer"}
    units = {"mobul-backup-weekly.service", "mobul-backup-weekly.timer"}
    assert {path.name for path in (tmp_path / "units").iterdir()} == systemd.names("known") == units

    third = run_with(playbooks, systemd, tmp_path, {**WEEKLY, "state": "present"}, gone)
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


def cron(directory: Path, **changes: Any) -> dict[str, Any]:
    """Variables with which cron runs the jobs."""
    (directory / "cron.d").mkdir(exist_ok=True)
    return {
        "schedule_with": "cron",
        "schedule_cron_directory": str(directory / "cron.d"),
        "schedule_job_directory": str(directory / "jobs 100%"),
        "schedule_state_directory": str(directory / "state"),
        **changes,
    }


def test_cron_runs_the_same_jobs_and_a_job_never_has_both(playbooks: Playbooks, tmp_path: Path) -> None:
    systemd = Systemd(tmp_path / "systemd")
    daily = {**WEEKLY, "name": "daily", "playbook": "mobul.backup.backup", "arguments": ["-e", "backup_kind=daily"]}
    assert run_with(playbooks, systemd, tmp_path, WEEKLY, daily, **cron(tmp_path, schedule_with="systemd")).status == 0
    service = (tmp_path / "units" / "mobul-backup-daily.service").read_text()
    assert service.rstrip().endswith('"-e" "backup_kind=daily"')

    moved = run_with(playbooks, systemd, tmp_path, WEEKLY, daily, **cron(tmp_path))
    assert moved.status == 0, moved.output
    assert systemd.names("enabled") == systemd.names("active") == set()
    assert list((tmp_path / "units").iterdir()) == []
    entries = sorted((tmp_path / "cron.d").iterdir())
    assert [entry.name for entry in entries] == ["mobul-backup-daily", "mobul-backup-weekly"]
    (line,) = [line for line in entries[0].read_text().splitlines() if line.startswith("*/5 * * * * ")]
    user, command = line.removeprefix("*/5 * * * * ").split(" ", 1)
    assert user == getpass.getuser()

    # What cron hands to the shell: a percent sign is its own until it is escaped. A new job waits for its time.
    text = command.replace("\\%", "%")
    assert "%" not in command.replace("\\%", "")
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, env=playbooks.environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (tmp_path / "state" / "daily.stamp").exists()
    (tmp_path / "state" / "daily.stamp").write_text("2026-01-01T00:00:00+00:00")
    failed = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, env=playbooks.environment)
    assert failed.returncode != 0
    assert "read the inventory: no host is in the group databases" in failed.stdout

    again = run_with(playbooks, systemd, tmp_path, WEEKLY, daily, **cron(tmp_path))
    assert (again.status, again.recap()["runner"]["changed"]) == (0, 0), again.output
    back = run_with(playbooks, systemd, tmp_path, WEEKLY, {"name": "daily", "state": "absent"}, **cron(tmp_path))
    assert back.status == 0
    assert [entry.name for entry in (tmp_path / "cron.d").iterdir()] == ["mobul-backup-weekly"]
    assert not (tmp_path / "jobs 100%" / "daily.json").exists()


@pytest.mark.parametrize(("how", "calendar"), [("systemd", "Sat..Mon *-*-* 06:00 UTC"), ("cron", "weekly")])
def test_a_calendar_that_is_not_understood_is_refused_before_anything_is_written(
    playbooks: Playbooks, tmp_path: Path, how: str, calendar: str
) -> None:
    jobs = [WEEKLY, {**WEEKLY, "name": "other", "calendar": calendar}]
    options = {**variables(tmp_path, schedule_jobs=jobs), **cron(tmp_path, schedule_with=how)}
    run = playbooks.run("mobul.backup.schedule", playbooks.inventory({"r": {}}, group="backup_runners", **options))
    assert run.status == 2
    assert f"has the calendar '{calendar}', which {how} would not understand (write it like" in run.output
    assert list((tmp_path / "units").iterdir()) == list((tmp_path / "cron.d").iterdir()) == []
    assert not (tmp_path / "jobs 100%").exists()


def test_a_run_that_finds_no_runner_fails(playbooks: Playbooks, tmp_path: Path) -> None:
    run = playbooks.run("mobul.backup.schedule", playbooks.inventory({"shop": {}}))
    assert run.status == 2
    assert "no host is in the group backup_runners, so there is nothing to do" in run.output


def test_the_jobs_of_the_example_are_scheduled(playbooks: Playbooks, tmp_path: Path) -> None:
    options = variables(tmp_path)
    extra = {name: options[name] for name in ("schedule_unit_directory", "schedule_enabled", "schedule_user")}
    inventory = PROJECT / "inventories" / "production"
    run = playbooks.run("mobul.backup.schedule", inventory, "-e", json.dumps(extra))
    assert run.status == 0
    timers = {
        path.stem.removeprefix("mobul-backup-"): path.read_text() for path in (tmp_path / "units").glob("*.timer")
    }
    assert set(timers) == {"weekly", "daily", "verify", "cleanup", "daily_check"}
    assert "\nOnCalendar=Sun *-*-* 00:00:00 UTC\n" in timers["weekly"]
    assert "\nOnCalendar=Mon " in timers["verify"]
    assert all("\nPersistent=true\n" in timer and "\nRandomizedDelaySec=" in timer for timer in timers.values())
    services = [path.read_text() for path in (tmp_path / "units").glob("*.service")]
    assert all(f'"-i" "{inventory}"' in service for service in services)
