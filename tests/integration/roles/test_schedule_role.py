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
DAILY = {**WEEKLY, "name": "daily", "playbook": "mobul.backup.backup", "arguments": ["-e", "backup_kind=daily"]}
TIMERS = {"mobul-backup-weekly.timer", "mobul-backup-daily.timer"}


def variables(directory: Path, **changes: Any) -> dict[str, Any]:
    (directory / "units").mkdir(exist_ok=True)
    return {
        "schedule_unit_directory": str(directory / "units"),
        "schedule_enabled": False,
        "schedule_user": getpass.getuser(),
        "schedule_ansible_playbook": str(Path(sys.executable).parent / "ansible-playbook"),
        "schedule_inventory": "/no/such/inventories/100% real $HOME",
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
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "systemctl").write_text(_SYSTEMCTL)
        (directory / "systemctl").chmod(0o755)

    def names(self, state: str) -> set[str]:
        """The units that are enabled, active or known."""
        return {path.name for path in (self.directory / state).iterdir()}


def run_with(playbooks: Playbooks, systemd: Systemd, directory: Path, *jobs: dict[str, str], **changes: Any) -> Run:
    given = {"schedule_jobs": list(jobs)} if jobs else {}
    options = variables(directory, **given, **{"schedule_enabled": True, **changes})
    inventory = playbooks.inventory({"runner": {}}, group="backup_runners", **options)
    path = os.pathsep.join([str(systemd.directory), playbooks.environment["PATH"]])
    return playbooks.run("mobul.backup.schedule", inventory, PATH=path)


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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the job of the role's defaults has its units, of which systemd was told nothing."""
    directory = tmp_path_factory.mktemp("written")
    options = {
        "schedule_arguments": ['--vault-password-file=/etc/mobul/it\'s "here"'],
        "schedule_on_failure": "notify@%n.service",
        # A truth value on the command line comes as text.
        "schedule_enabled": "false",
    }
    playbooks, systemd = Playbooks(directory), Systemd(directory / "systemd")
    for changed in (1, 0):
        run = run_with(playbooks, systemd, directory, **options)
        assert (run.status, run.recap()["runner"]["changed"]) == (0, changed), run.output
    return directory


@pytest.fixture(scope="module")
def two_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where systemd runs two jobs."""
    directory = tmp_path_factory.mktemp("two")
    systemd = Systemd(directory / "systemd")
    run = run_with(Playbooks(directory), systemd, directory, WEEKLY, DAILY)
    assert run.status == 0, run.output
    assert systemd.names("enabled") == systemd.names("active") == TIMERS
    service = (directory / "units" / "mobul-backup-daily.service").read_text()
    assert service.rstrip().endswith('"-e" "backup_kind=daily"')
    return directory


@pytest.fixture
def scheduled(two_jobs: Path, tmp_path: Path) -> Systemd:
    """One of one's own of :func:`two_jobs`, below the test's directory."""
    for name in ("units", "systemd"):
        shutil.copytree(two_jobs / name, tmp_path / name)
    return Systemd(tmp_path / "systemd")


@pytest.mark.next
def test_units_are_valid_and_begin_on_sunday_at_midnight_utc(written: Path) -> None:
    units = sorted((written / "units").iterdir())
    assert [unit.name for unit in units] == ["mobul-backup-weekly.service", "mobul-backup-weekly.timer"]
    texts = [unit.read_text() for unit in units]
    assert "\nOnFailure=notify@%n.service\n" in texts[0].partition("[Service]")[0]

    complaints = [line for line in analyze("verify", *units).splitlines() if "mobul-backup" in line]
    assert complaints == []
    (calendar,) = [line.partition("=")[2] for line in texts[1].splitlines() if line.startswith("OnCalendar=")]
    told = analyze("calendar", "--base-time=2026-11-24 12:00:00 UTC", calendar)
    assert "Sun 2026-11-29 00:00:00 UTC" in told


def test_units_are_only_written_where_the_command_line_says_so(written: Path) -> None:
    assert (written / "units" / "mobul-backup-weekly.timer").exists()
    assert not (written / "systemd" / "calls").exists()


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


@pytest.mark.next
def test_an_absent_job_is_stopped_and_removed_the_others_stay_and_a_second_run_changes_nothing(
    playbooks: Playbooks, scheduled: Systemd, tmp_path: Path
) -> None:
    written = {path.name: path.read_text() for path in (tmp_path / "units").iterdir()}
    # The one that nobody names any more stays as it is.
    gone = {"name": "daily", "state": "absent"}
    run = run_with(playbooks, scheduled, tmp_path, gone)
    assert run.status == 0, run.output
    assert scheduled.names("enabled") == scheduled.names("active") == {"mobul-backup-weekly.timer"}
    units = {"mobul-backup-weekly.service", "mobul-backup-weekly.timer"}
    assert {path.name for path in (tmp_path / "units").iterdir()} == scheduled.names("known") == units

    again = run_with(playbooks, scheduled, tmp_path, {**WEEKLY, "state": "present"}, gone)
    assert (again.status, again.recap()["runner"]["changed"]) == (0, 0), again.output
    assert {name: (tmp_path / "units" / name).read_text() for name in units} == {name: written[name] for name in units}


def test_a_job_that_cannot_be_stopped_fails_the_run(playbooks: Playbooks, scheduled: Systemd, tmp_path: Path) -> None:
    program = scheduled.directory / "systemctl"
    program.write_text(program.read_text().replace("stop) rm", "stop) exit 1; rm"))
    run = run_with(playbooks, scheduled, tmp_path, {"name": "weekly", "state": "absent"})
    assert run.status == 2
    assert "Unable to stop service" in run.output
    assert (tmp_path / "units" / "mobul-backup-weekly.timer").exists()


def test_cron_runs_the_same_jobs_and_a_job_never_has_both(
    playbooks: Playbooks, scheduled: Systemd, tmp_path: Path
) -> None:
    moved = run_with(playbooks, scheduled, tmp_path, WEEKLY, DAILY, **cron(tmp_path))
    assert moved.status == 0, moved.output
    assert scheduled.names("enabled") == scheduled.names("active") == set()
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

    # What is left of the jobs is not changed.
    back = run_with(playbooks, scheduled, tmp_path, WEEKLY, {"name": "daily", "state": "absent"}, **cron(tmp_path))
    assert (back.status, back.recap()["runner"]["changed"]) == (0, 1), back.output
    changed = [line for line in back.output.splitlines() if line.startswith("changed: [runner]")]
    assert [line.rpartition("/")[2] for line in changed] == ["mobul-backup-daily)", "daily)"]
    assert [entry.name for entry in (tmp_path / "cron.d").iterdir()] == ["mobul-backup-weekly"]
    assert not (tmp_path / "jobs 100%" / "daily.json").exists()


def test_a_calendar_that_is_not_understood_is_refused_before_anything_is_written(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    wrong = {"systemd": "Sat..Mon *-*-* 06:00 UTC", "cron": "weekly"}
    hosts = {}
    for how, calendar in wrong.items():
        jobs = [WEEKLY, {**WEEKLY, "name": "other", "calendar": calendar}]
        hosts[how] = {**variables(tmp_path, schedule_jobs=jobs), **cron(tmp_path, schedule_with=how)}
    run = playbooks.run("mobul.backup.schedule", playbooks.inventory(hosts, group="backup_runners"))
    assert run.status == 2
    for how, calendar in wrong.items():
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
