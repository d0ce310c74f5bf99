"""Supabase's own backups in the playbooks: the daily check tells each condition, and a restore is guarded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from support.backup_bench import Keys
from support.playbooks import Playbooks
from support.small_sets import lay, small_set
from support.supabase_api import TOKEN, FakeProject, SupabaseApi

NOW = datetime.now(timezone.utc)
FAULTS = {
    "missing": ("supabase_newest", "there is no completed backup"),
    "failed": ("supabase_result", "is FAILED"),
    "old": ("supabase_newest", "26 hours are allowed"),
    "short": ("supabase_window", "7 days are expected"),
    "expired": ("supabase_api", "the access token is not accepted"),
}


def reference(name: str) -> str:
    return f"{name:a<20}"


def project(name: str) -> FakeProject:
    """One with the fault that it is called after."""
    found = FakeProject(name=name).with_daily(7)
    if name == "missing":
        found.backups = []
    elif name == "failed":
        found.backups[0]["status"] = "FAILED"
    elif name == "old":
        found.backups = FakeProject().with_daily(9).backups[2:]
    elif name == "short":
        found.with_pitr(3)
    return found


@pytest.fixture
def api() -> Iterator[SupabaseApi]:
    with SupabaseApi() as server:
        server.projects = {reference(name): project(name) for name in [*FAULTS, "good"]}
        server.tokens = {TOKEN: set(server.projects)}
        yield server
    assert server.problems == []


def test_the_daily_check_tells_what_supabase_lacks_and_shows_no_token(
    playbooks: Playbooks, api: SupabaseApi, tmp_path: Path
) -> None:
    root, metrics = tmp_path / "sets", tmp_path / "metrics"
    metrics.mkdir()
    hosts: dict[str, dict[str, Any]] = {}
    for name in FAULTS:
        place = root / name
        place.mkdir(parents=True, mode=0o700)
        set_id = str(SetId(NOW - timedelta(days=1), "weekly"))
        lay(place, set_id, small_set(set_id, label=name), name)
        hosts[name] = {
            "supabase_project_ref": reference(name),
            "backup_locations": [{"name": "here", "type": "local", "path": str(place)}],
        }
    hosts["expired"]["supabase_access_token"] = "sbp_expired_or_revoked"
    hosts["short"]["backup_metrics_directory"] = str(metrics)
    common = {"supabase_api_url": api.url, "supabase_expect": {"daily": 7}}
    inventory = playbooks.inventory(hosts, **common, daily_check_read="none")
    run = playbooks.run("mobul.backup.daily_check", inventory, "-vvv", SUPABASE_ACCESS_TOKEN=TOKEN)

    assert run.status == 2
    assert TOKEN not in run.output
    assert "sbp_expired" not in run.output
    for name, fault in FAULTS.items():
        check, words = fault
        if name == "expired":
            # Its first failure is that of the question, which ends nothing.
            assert f"  failed: {check}: look at the project: {words}" in run.output
            continue
        findings = run.result(name, "findings")["findings"]
        told = {one["check"]: one["message"] for one in findings if one["status"] == "failed"}
        assert words in told[check], name
        assert set(told) <= {check, "supabase_newest"}
    own = 'environment="",label="{}"'
    written = (metrics / "mobul_supabase_short.prom").read_text()
    assert f"mobul_backup_supabase_as_expected{{{own.format('short')}}} 0.0" in written


def test_a_restore_is_checked_then_backed_up_and_then_ordered(
    playbooks: Playbooks, api: SupabaseApi, login: dict[str, Any], keys: Keys, tmp_path: Path
) -> None:
    asked = api.projects[reference("good")]
    asked.after_restore = ["RESTORING", "ACTIVE_HEALTHY"]
    hosts = {"good": {"supabase_project_ref": reference("good")}, "plain": {}}
    variables = {
        **login,
        "supabase_api_url": api.url,
        "supabase_access_token": TOKEN,
        "backup_environment": "test",
        "backup_recipients": keys.recipients,
        "backup_locations": [{"name": "here", "type": "local", "path": str(tmp_path / "sets")}],
    }
    inventory = playbooks.inventory(hosts, **variables)
    limited = ("--limit", "good", "-e", "expect_environment=test")
    # As if the database were away already: without the safety backup nothing is ordered.
    away = ("-e", "backup_login_db=no_such_database", "-e", "supabase_backup_id=998")
    run = playbooks.run("mobul.backup.supabase_restore", inventory, *limited, *away)
    assert run.status == 2
    assert "no_such_database" in run.failure("good")["msg"]
    assert (asked.restored, list(tmp_path.glob("sets/**/manifest.json"))) == ([], [])

    run = playbooks.run("mobul.backup.supabase_restore", inventory, *limited, "-e", "supabase_backup_id=998")
    assert run.status == 0, run.output
    assert asked.restored == [("/restore", {"id": 998})]
    (manifest,) = tmp_path.glob("sets/good/*/*/*/*/manifest.json")
    assert manifest.parent.name.startswith("pre_restore_")

    run = playbooks.run("mobul.backup.supabase_info", inventory)
    assert run.status == 0, run.output
    assert "7 completed daily backups" in run.output
    assert len(asked.restored) == 1
