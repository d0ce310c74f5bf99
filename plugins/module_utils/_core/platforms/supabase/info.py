"""The operation behind ``supabase_backup_info``: what the platform keeps of a project, against what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ...findings import FAILED, PASSED, Finding, verdict, worst_first
from ...texts import text_table
from .access import Access
from .backups import Backups, RestorePoint, read_backups, read_points, read_schedule
from .client import ApiError, Client
from .expectations import Expectation, find_all
from .project import Project, moment, read_project

API = "supabase_api"
"""The finding that tells whether the API answered."""


def run_supabase_backup_info(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look at the managed backups of one project as the parameters of ``supabase_backup_info`` say; changes nothing.

    :return: what the module returns.
    :raises BackupError: an option cannot be right, or the API refused, could not be reached or answered something else.
    """
    expected = Expectation.parse(params["expect"])
    client = Client(Access.parse(params))
    project, backups = read_project(client), read_backups(client)
    points, warnings = _points(client)
    schedule = None if backups.pitr_enabled else read_schedule(client)
    now = datetime.now(timezone.utc)
    findings = [Finding(check=API, status=PASSED, message="the API answers, and takes the access token")]
    findings += find_all(project, backups, expected, now)
    return {
        "changed": False,
        "project": project.to_dict(),
        "verdict": verdict(findings),
        "findings": [one.to_dict() for one in worst_first(findings)],
        **report_backups(backups, points, now),
        "schedule": schedule,
        "table": text_table(
            ("backup", "time", "status", "type"),
            [tuple(str(one[name]) for name in ("id", "time", "status", "type")) for one in _listed(backups, now)],
        ),
        "summary": _summary(project, backups, findings),
        "warnings": warnings,
    }


def report_backups(backups: Backups, points: tuple[RestorePoint, ...], now: datetime) -> dict[str, Any]:
    """The result of ``supabase_backup_info``."""
    newest = backups.newest_good
    pitr = None
    if backups.pitr_enabled:
        earliest, latest = backups.earliest, backups.latest
        pitr = {
            "earliest": earliest and moment(earliest),
            "latest": latest and moment(latest),
            "seconds": int((latest - earliest).total_seconds()) if earliest and latest else None,
        }
    return {
        "newest": None if newest is None else newest.to_dict(now),
        "backups": _listed(backups, now),
        "pitr_enabled": backups.pitr_enabled,
        "pitr": pitr,
        "restore_points": [one.to_dict() for one in points],
    }


def _listed(backups: Backups, now: datetime) -> list[dict[str, Any]]:
    return [one.to_dict(now) for one in backups.newest_first]


def _points(client: Client) -> tuple[tuple[RestorePoint, ...], list[str]]:
    """Restore points are not offered to every project, and nothing else depends on them."""
    try:
        return read_points(client), []
    except ApiError as error:
        if error.status in (400, 402, 403):
            return (), [f"{error.step}: {error.message}: the platform offers restore points to some projects only"]
        raise


def _summary(project: Project, backups: Backups, findings: list[Finding]) -> list[str]:
    counts = ", ".join(
        f"{sum(one.status == status for one in findings)} {status}" for status in (FAILED, "warning", PASSED)
    )
    there = f"{sum(one.good for one in backups.backups)} completed daily backups"
    if backups.pitr_enabled and backups.earliest and backups.latest:
        there = f"point-in-time recovery from {moment(backups.earliest)} to {moment(backups.latest)}"
    return [
        f"{project}: {project.status}: {there}: {verdict(findings)}: {counts}",
        *(f"  {one}" for one in worst_first(findings) if one.status != PASSED),
    ]
