"""What a platform keeps of a database by itself, from the registered result of ``supabase_backup_info``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..findings import FAILED, PASSED, Finding
from ..platforms.supabase.info import API


def failure_of(result: Mapping[str, Any]) -> Finding | None:
    """The finding that the platform's backups could not be read; None if they could."""
    if not result.get("failed") and not result.get("unreachable"):
        return None
    message = str(result.get("msg") or "it could not be read")
    return Finding(check=API, status=FAILED, message=message)


def is_asked(result: Mapping[str, Any]) -> bool:
    """Whether there is a result of asking for the platform's backups."""
    return bool(result) and not result.get("skipped")


def add_managed(result: Mapping[str, Any], own: tuple[str, str], gauge: Any) -> None:
    """The gauges of a project.

    :param own: label and environment.
    :param gauge: makes one, given its name, words and further labels.
    """
    up = gauge("supabase_up", "Whether the API has returned the project's backups.").labels(*own)
    up.set(failure_of(result) is None)
    if failure_of(result) is not None:
        return
    expected = gauge("supabase_as_expected", "Whether the backups meet the expectations.").labels(*own)
    expected.set(result["verdict"] == PASSED)
    count = sum(one["status"] == "COMPLETED" for one in result["backups"])
    gauge("supabase_backups", "Completed daily backups.").labels(*own).set(count)
    enabled = gauge("supabase_pitr_enabled", "Whether there is point-in-time recovery.").labels(*own)
    enabled.set(result["pitr_enabled"])
    newest, window = result.get("newest") or {}, result.get("pitr") or {}
    for name, words, time in (
        ("last_backup", "When the newest completed daily backup was made.", newest.get("time")),
        ("pitr_earliest", "The first moment of point-in-time recovery.", window.get("earliest")),
        ("pitr_latest", "The last moment of point-in-time recovery.", window.get("latest")),
    ):
        if time:
            seconds = datetime.fromisoformat(time).timestamp()
            gauge(f"supabase_{name}_timestamp_seconds", words).labels(*own).set(seconds)
