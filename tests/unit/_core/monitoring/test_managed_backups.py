"""What a platform keeps by itself counts in the check and in the metrics, and so does that it could not be told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.metrics import (
    run_backup_metrics,
    supabase_text,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.request import CheckRequest
from prometheus_client.parser import text_string_to_metric_families
from support.small_sets import lay, small_set
from support.watched_sets import DEFAULTS, NEWEST

FINDING = {"check": "supabase_newest", "subject": "", "status": "passed", "message": "4711 is 5 hours old"}
DAILY: dict[str, Any] = {
    "verdict": "passed",
    "findings": [FINDING],
    "backups": [{"status": "COMPLETED"}, {"status": "FAILED"}, {"status": "COMPLETED"}],
    "newest": {"time": "2026-11-25T04:00:00Z"},
    "pitr_enabled": False,
    "pitr": None,
}
WINDOW = {"earliest": "2026-11-18T04:00:00Z", "latest": "2026-11-25T06:58:00Z"}
FAILED = {"failed": True, "msg": "look at the project: the access token is not accepted"}


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def written(result: dict[str, Any]) -> dict[str, float]:
    families = text_string_to_metric_families(supabase_text("shop", "production", result) or "")
    prefix = "mobul_backup_supabase_"
    found = [one for family in families for one in family.samples if one.name.startswith(prefix)]
    assert all(one.labels == {"label": "shop", "environment": "production"} for one in found)
    return {one.name.removeprefix(prefix): one.value for one in found}


@pytest.mark.parametrize("result", [{}, {"skipped": True}])
def test_nothing_is_written_or_found_where_nobody_looked(result: dict[str, Any]) -> None:
    assert written(result) == {}
    assert CheckRequest.parse({**DEFAULTS, "supabase": result}).others == ()


def test_what_there_is_is_written() -> None:
    daily = {"up": 1, "as_expected": 1, "backups": 2, "pitr_enabled": 0}
    assert written(DAILY) == {**daily, "last_backup_timestamp_seconds": seconds("2026-11-25T04:00:00Z")}
    recovery = {**DAILY, "verdict": "failed", "backups": [], "newest": None, "pitr_enabled": True, "pitr": WINDOW}
    assert written(recovery) == {
        **{"up": 1, "as_expected": 0, "backups": 0, "pitr_enabled": 1},
        "pitr_earliest_timestamp_seconds": seconds(WINDOW["earliest"]),
        "pitr_latest_timestamp_seconds": seconds(WINDOW["latest"]),
    }
    assert written(FAILED) == {"up": 0}


def test_its_findings_are_those_of_the_check() -> None:
    (found,) = CheckRequest.parse({**DEFAULTS, "supabase": DAILY}).others
    assert found.to_dict() == FINDING
    for result in (FAILED, {"unreachable": True, "msg": "no route to host"}):
        (found,) = CheckRequest.parse({**DEFAULTS, "supabase": result}).others
        assert (found.check, found.status, found.message) == ("supabase_api", "failed", result["msg"])
    with pytest.raises(ConfigError):
        CheckRequest.parse({**DEFAULTS, "supabase": {"findings": [{"check": "?"}]}})


def test_a_backup_that_writes_its_metrics_leaves_these_alone_and_a_check_without_removes_them(tmp_path: Path) -> None:
    root = tmp_path / "backups"
    root.mkdir(mode=0o700)
    lay(root, NEWEST, small_set(NEWEST), "shop")
    params = {"label": "shop", "environment": "", "directory": str(tmp_path), "cache_dir": str(tmp_path / "cache")}
    params |= {"verify_key": [], "record_verify_key": []}
    params |= {"locations": [{"name": "here", "type": "local", "path": str(root)}]}
    own = tmp_path / "mobul_supabase_shop.prom"
    assert run_backup_metrics({**params, "supabase": DAILY}, True)["changed"]
    assert not own.exists()
    run_backup_metrics({**params, "supabase": DAILY}, False)
    assert "mobul_backup_supabase_up" in own.read_text()
    run_backup_metrics({**params, "supabase": None}, False)
    assert not run_backup_metrics({**params, "supabase": DAILY}, False)["changed"]
    assert own.exists()
    assert "was removed" in run_backup_metrics({**params, "supabase": {}}, False)["summary"][1]
    assert not own.exists()
