"""Restore points of the platform in the procedures: made beside the set, kept in its labels, and taken back to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Keys
from support.playbooks import Playbooks
from support.procedure_documents import migrate
from support.supabase_api import REF, TOKEN, FakeProject, SupabaseApi

WITHOUT = "pitrlessaaaaaaaaaaaa"


@pytest.fixture
def api() -> Iterator[SupabaseApi]:
    with SupabaseApi() as server:
        server.project.with_pitr().after_restore = ["RESTORING", "ACTIVE_HEALTHY"]
        server.projects[WITHOUT] = FakeProject().with_daily(7)
        server.tokens = {TOKEN: {REF, WITHOUT}}
        yield server
    assert server.problems == []


def steps(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in told["steps"]}


def test_a_migration_begins_with_a_restore_point_and_goes_back_to_it(
    playbooks: Playbooks, api: SupabaseApi, login: dict[str, Any], keys: Keys, tmp_path: Path
) -> None:
    hosts = {
        "shop": {"supabase_project_ref": REF},
        "plain": {"supabase_project_ref": WITHOUT},
        "expired": {"supabase_project_ref": WITHOUT, "supabase_access_token": "sbp_expired_or_revoked"},
    }
    common = {
        **login,
        "backup_environment": "test",
        "backup_recipients": keys.recipients,
        "backup_locations": [{"name": "here", "type": "local", "path": str(tmp_path / "sets")}],
        "supabase_api_url": api.url,
        "supabase_access_token": TOKEN,
    }
    inventory = playbooks.inventory(hosts, **common)
    # All are one database, of which there is one backup at a time.
    run, told = migrate(playbooks, inventory, "--forks", "1")
    assert run.status == 0, run.output
    (name,) = api.project.points
    assert len(name) <= 20
    (manifest,) = tmp_path.glob("sets/shop/*/*/*/*/manifest.json")
    assert json.loads(manifest.read_text())["labels"] == {"migration": "2026/11-add", "restore_point": name}
    assert steps(told["shop"])["restore_point"]["status"] == "done"
    left = steps(told["plain"])["restore_point"]
    assert (left["status"], left["required"]) == ("skipped", False)
    assert "point-in-time recovery is off" in left["evidence"][0]
    failed = steps(told["expired"])["restore_point"]
    assert (failed["status"], failed["required"], told["expired"]["verdict"]) == ("failed", False, "go")
    assert "the access token is not accepted" in failed["evidence"][0]

    back = {"migration_state": "reverted", "migration_revert_by": "restore_point", "expect_environment": "test"}
    back["expect_database"] = login["backup_login_db"]
    run, told = migrate(playbooks, inventory, "--limit", "plain", **back)
    assert run.status == 2
    assert "has none beside it" in told["plain"]["reason"]
    assert told["plain"]["verdict"] == "no_go"

    run, told = migrate(playbooks, inventory, "--limit", "shop", **back)
    assert run.status == 0, run.output
    assert api.project.restored == [("/undo", {"name": name})]
    done = {step: one["status"] for step, one in steps(told["shop"]).items()}
    assert done | {"prove": "done", "safety_backup": "done", "restore": "done"} == done
    assert done["maintenance_on"] == done["maintenance_off"] == "skipped"
    assert told["shop"]["verdict"] == "go"
