"""``mobul.backup.backup``: the kind of the backup is said by a variable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Keys
from support.pages import not_told, shown_block
from support.playbooks import Playbooks


@pytest.fixture
def inventory(playbooks: Playbooks, keys: Keys, login: dict[str, Any], tmp_path: Path) -> Path:
    """One database with a local location."""
    return playbooks.inventory(
        {"shop": {}},
        **login,
        backup_recipients=keys.recipients,
        backup_locations=[{"name": "local", "type": "local", "path": str(tmp_path / "local")}],
    )


def manifests(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in directory.glob("local/shop/*/*/*/*/manifest.json")]


def test_the_kind_and_the_labels_that_are_asked_for_are_those_of_the_set(
    playbooks: Playbooks, inventory: Path, login: dict[str, Any], tmp_path: Path
) -> None:
    asked = json.dumps({"backup_kind": "monthly", "backup_labels": {"ticket": "OPS 12"}})
    shown = playbooks.run("mobul.backup.backup", inventory, "-e", asked, "--check")
    assert shown.status == 0
    assert "monthly_" in shown.output
    assert not (tmp_path / "local").exists()

    given = json.dumps({"backup_kind": "daily", "backup_exclude_table_data": ["campaigns"]})
    run = playbooks.run("mobul.backup.backup", inventory, "-e", given)
    assert run.status == 0
    names = {"'shop'": f"'{login['backup_login_db']}'", "s3 (s3)": "local (local)", "demo_campaigns": "campaigns"}
    assert not not_told(shown_block("docs/backup.md", "shop: daily_"), run.output, names)
    (manifest,) = manifests(tmp_path)
    assert (manifest["kind"], manifest["labels"]) == ("daily", {})


def test_without_a_kind_it_is_a_manual_one(playbooks: Playbooks, inventory: Path) -> None:
    # A survey hands on an empty text for what nobody has answered.
    assert "manual_" in playbooks.run("mobul.backup.backup", inventory, "-e", "backup_kind=", "--check").output
    assert "manual_" in playbooks.run("mobul.backup.backup", inventory, "--check").output


def test_another_kind_is_refused_in_one_line(playbooks: Playbooks, tmp_path: Path) -> None:
    location = {"name": "local", "type": "local", "path": str(tmp_path / "local")}
    kinds = ("nightly", "pre_restore", "export")
    inventory = playbooks.inventory({kind: {"backup_kind": kind} for kind in kinds}, backup_locations=[location])
    run = playbooks.run("mobul.backup.backup", inventory)
    assert run.status == 2
    for kind in kinds:
        assert f"backup_kind is '{kind}' (one of daily, weekly, monthly, yearly, manual)" in run.failure(kind)["msg"]
    assert not (tmp_path / "local").exists()
