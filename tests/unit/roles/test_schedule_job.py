"""When a job that cron calls again and again is due, and that it runs once, with what it was told."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import socket
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

ROLE = Path(__file__).resolve().parents[3] / "roles" / "schedule"
UTC = timezone.utc


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_job", ROLE / "files" / "run-job.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_job = load()
NAMES = list(run_job.DAYS)


def test_the_role_refuses_what_the_program_would_not_understand() -> None:
    assert yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["schedule_calendar"] == run_job.CALENDAR


@pytest.mark.parametrize(
    ("calendar", "due"),
    [
        ("Sun *-*-* 00:00:00 UTC", "2026-11-22T00:00"),
        ("*-*-* 07:30 UTC", "2026-11-25T07:30"),
        ("*-*-* 07:31 UTC", "2026-11-24T07:31"),
        ("Mon..Fri *-*-* 06:00 UTC", "2026-11-25T06:00"),
        ("Sat..Mon *-*-* 06:00 UTC", "2026-11-23T06:00"),
        ("Mon,Thu..Fri *-*-* 06:00 UTC", "2026-11-23T06:00"),
        ("*-*-01 05:00:30 UTC", "2026-11-01T05:00:30"),
        ("*-*-31 05:00 UTC", "2026-10-31T05:00"),
        ("Wed *-*-29 05:00 UTC", "2026-07-29T05:00"),
    ],
)
def test_the_last_time_that_a_calendar_names(calendar: str, due: str) -> None:
    now = datetime(2026, 11, 25, 7, 30, tzinfo=UTC)
    assert run_job.last_due(calendar, now) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "calendar", ["daily", "Sun 00:00", "*-*-* 24:00 UTC", "*-*-32 00:00 UTC", "*-*-* 00:00", "So *-*-* 00:00 UTC"]
)
def test_what_is_not_understood_is_an_error(calendar: str) -> None:
    with pytest.raises(ValueError, match="is not understood"):
        run_job.last_due(calendar, datetime(2026, 11, 25, tzinfo=UTC))


@settings(max_examples=25)
@given(
    days=st.sets(st.sampled_from(NAMES)),
    hour=st.integers(0, 23),
    delay=st.integers(0, 7200),
    down=st.lists(st.tuples(st.integers(1, 300), st.integers(1, 6000)), max_size=4),
)
def test_whatever_was_missed_it_runs_once_for_it_and_never_twice_for_one_time(
    days: set[str], hour: int, delay: int, down: list[tuple[int, int]]
) -> None:
    """Calls every five minutes for three weeks, but for some hours: each run has a due time of its own behind it."""
    prefix = f"{','.join(sorted(days))} " if days else ""
    job = {"name": "job", "calendar": f"{prefix}*-*-* {hour:02}:00 UTC", "delay": delay}
    later = run_job.delay_of(job)
    assert timedelta(0) <= later <= timedelta(seconds=delay)
    begin = now = stamp = datetime(2026, 11, 1, tzinfo=UTC)
    pauses = dict(down)
    starts: list[datetime] = []
    for call in range(21 * 48):
        now += timedelta(minutes=30 + pauses.get(call, 0))
        if run_job.is_due(job, stamp, now):
            starts.append(now)
            stamp = now
    named = [begin + timedelta(days=day, hours=hour) + later for day in range(60)]
    due = [moment for moment in named if not days or NAMES[(moment - later).weekday()] in days]
    between = zip([begin, *starts], starts, strict=False)
    assert all(any(before < moment <= start for moment in due) for before, start in between)
    assert not any(stamp < moment <= now for moment in due)


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """A job that is due every minute, and writes down how it was called."""
    (tmp_path / "environment").write_text("# secrets\nTOKEN='a b=c'\nEMPTY=\n")
    script = (
        "import json, os, sys; print('hello'); "
        "json.dump([sys.argv[1:], os.environ['TOKEN'], os.getcwd()], open(sys.argv[1], 'a')); "
        "sys.exit(int(sys.argv[2]))"
    )
    return {
        "name": "weekly",
        "calendar": "*-*-* 00:00 UTC",
        "delay": 0,
        "command": [sys.executable, "-c", script, str(tmp_path / "told"), "0", "100% $HOME 'x'"],
        "directory": str(tmp_path),
        "environment_file": str(tmp_path / "environment"),
        "state_directory": str(tmp_path),
    }


def call(job: dict[str, Any], directory: Path) -> int:
    path = directory / "job.json"
    path.write_text(json.dumps(job))
    mask = os.umask(0o022)
    try:
        status: int = run_job.main(str(path))
    finally:
        os.umask(mask)
    return status


def started_last(directory: Path, days: int) -> None:
    moment = datetime.now(UTC) - timedelta(days=days)
    (directory / "weekly.stamp").write_text(moment.isoformat())


def test_a_new_job_waits_for_its_time_and_a_missed_one_is_made_up_for_once(job: dict[str, Any], tmp_path: Path) -> None:
    assert call(job, tmp_path) == 0
    assert not (tmp_path / "told").exists()
    started_last(tmp_path, 30)
    assert call(job, tmp_path) == 0
    arguments, token, directory = json.loads((tmp_path / "told").read_text())
    assert (arguments[2], token, directory) == ("100% $HOME 'x'", "a b=c", str(tmp_path))
    assert (tmp_path / "weekly.log").read_text() == "hello\n"
    assert call(job, tmp_path) == 0
    assert len((tmp_path / "told").read_text().splitlines()) == 1
    assert (tmp_path / "weekly.log").stat().st_mode & 0o077 == 0


def test_a_job_that_runs_is_not_started_again(job: dict[str, Any], tmp_path: Path) -> None:
    started_last(tmp_path, 30)
    with open(tmp_path / "weekly.lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert call(job, tmp_path) == 0
    assert not (tmp_path / "told").exists()


def test_the_job_itself_holds_the_lock(job: dict[str, Any], tmp_path: Path) -> None:
    started_last(tmp_path, 30)
    look = "import os; print([os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')])"
    job["command"] = [sys.executable, "-c", look]
    call(job, tmp_path)
    assert "weekly.lock" in (tmp_path / "weekly.log").read_text()


def test_a_failure_is_told_with_the_end_of_what_was_said(
    job: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started_last(tmp_path, 30)
    job["command"][4] = "3"
    assert call(job, tmp_path) == 3
    told = capsys.readouterr().out
    assert "weekly ended with status 3" in told
    assert told.endswith("hello\n")


def test_a_stamp_from_the_future_is_none(job: dict[str, Any], tmp_path: Path) -> None:
    started_last(tmp_path, -30)
    assert call(job, tmp_path) == 0
    assert datetime.fromisoformat((tmp_path / "weekly.stamp").read_text()) <= datetime.now(UTC)


def test_the_delay_is_that_of_the_host_and_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for host in ("a", "b", "c", "d"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        delays = {run_job.delay_of({"name": "weekly", "delay": 3600}) for _time in range(3)}
        assert len(delays) == 1
        found |= delays
    assert len(found) > 1
