"""Runs one scheduled job when it is due; cron calls it every few minutes.

cron by itself knows no UTC on most systems, forgets what it missed while the host was down, and starts a job beside
itself. This looks at the last time that the job's calendar names: when that is later than the last start, the job is
started, once, whatever was missed. The job holds a lock for as long as it runs.

The one argument is a file with the job, as JSON:

    {"name": ..., "calendar": "Sun *-*-* 00:00:00 UTC", "delay": seconds, "command": [...], "directory": "" or a path,
     "environment_file": "" or a path, "state_directory": a path}
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, time, timedelta, timezone
from typing import Any

# Also in vars/main.yml, where the role checks it before anything is written.
CALENDAR = (
    r"(?:((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:(?:,|\.\.)(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun))*) )?"
    r"\*-\*-(\*|0[1-9]|[12][0-9]|3[01]) ((?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?) UTC"
)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHOWN_LINES = 20
# Every day of a month is on every weekday within 28 years, 40 around a year like 2100.
LONGEST = 41 * 366


def last_due(calendar: str, now: datetime) -> datetime | None:
    """The last moment up to *now* (UTC) that *calendar* names; None if there is none.

    :raises ValueError: it is none that is understood here.
    """
    match = re.fullmatch(CALENDAR, calendar)
    if match is None:
        raise ValueError(f"calendar {calendar!r} is not understood, write it like 'Sun *-*-* 00:00:00 UTC'")
    days, month_day = weekdays(match[1]), match[2]
    at = time.fromisoformat(match[3])
    for back in range(LONGEST):
        day = now.date() - timedelta(days=back)
        moment = datetime.combine(day, at, timezone.utc)
        if moment <= now and day.weekday() in days and month_day in ("*", f"{day:%d}"):
            return moment
    return None


def weekdays(text: str | None) -> set[int]:
    """``Mon,Wed..Fri`` as numbers from 0 for Monday; a span may go over Sunday."""
    if text is None:
        return set(range(7))
    found: set[int] = set()
    for part in text.split(","):
        names = part.split("..")
        for first, last in zip(names, names[1:] or names, strict=False):
            begin = DAYS.index(first)
            found |= {(begin + step) % 7 for step in range((DAYS.index(last) - begin) % 7 + 1)}
    return found


def is_due(job: Mapping[str, Any], stamp: datetime | None, now: datetime) -> bool:
    """Whether the job is to be started.

    :param stamp: when it was started last; None for one that is new, which waits for its first time.
    """
    if stamp is None:
        return False
    due = last_due(job["calendar"], now - delay_of(job))
    return due is not None and due + delay_of(job) > stamp


def delay_of(job: Mapping[str, Any]) -> timedelta:
    """How much later than its calendar says the job begins here: always the same on one host, and another elsewhere."""
    digest = hashlib.sha256(f"{socket.gethostname()}:{job['name']}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (int(job["delay"]) + 1))


def read_stamp(path: str, now: datetime) -> datetime | None:
    """When the job was started last; None where that is not known, or still to come by a clock that was wrong."""
    try:
        with open(path) as file:
            stamp = datetime.fromisoformat(file.read().strip())
    except (OSError, ValueError):
        return None
    return stamp if stamp.tzinfo is not None and stamp <= now else None


def write_stamp(path: str, now: datetime) -> None:
    """Replace the time stamp file in one step."""
    with open(f"{path}.new", "w") as file:
        file.write(now.isoformat())
    os.replace(f"{path}.new", path)


def read_environment(path: str) -> dict[str, str]:
    """``NAME=value`` a line, with or without quotes around the value, as systemd reads it."""
    found: dict[str, str] = {}
    with open(path) as file:
        for line in map(str.strip, file):
            name, equals, value = line.partition("=")
            if equals and not line.startswith(("#", ";")):
                quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
                found[name.strip()] = value[1:-1] if quoted else value
    return found


def run(job: Mapping[str, Any], lock: int) -> int:
    """Run the job; what it said is in a file, and the end of that is shown where it failed, for cron's mail.

    :param lock: held by the job itself, too, so that it outlives whoever started it.
    """
    environment = dict(os.environ)
    if job["environment_file"]:
        environment |= read_environment(job["environment_file"])
    log = os.path.join(job["state_directory"], f"{job['name']}.log")
    with open(log, "w+b") as output:
        status = subprocess.call(
            job["command"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=job["directory"] or None,
            env=environment,
            pass_fds=(lock,),
        )
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    if status != 0:
        print(f"the job {job['name']} ended with status {status}; {log} has all that it said, the end of which is:")
        print("\n".join(lines[-SHOWN_LINES:]))
    return status


def main(path: str) -> int:
    """Run the job of the file *path* if it is due and not running."""
    with open(path) as file:
        job = json.load(file)
    os.umask(0o077)
    base = os.path.join(job["state_directory"], job["name"])
    lock = os.open(f"{base}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return run_if_due(job, base, lock)
    except BlockingIOError:
        return 0
    finally:
        os.close(lock)


def run_if_due(job: Mapping[str, Any], base: str, lock: int) -> int:
    """Run the job if it is due and no other run of it is under way; return its exit status.

    :param base: of the paths of its files.
    """
    now = datetime.now(timezone.utc)
    stamp = read_stamp(f"{base}.stamp", now)
    due = is_due(job, stamp, now)
    if due or stamp is None:
        write_stamp(f"{base}.stamp", now)
    return run(job, lock) if due else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
