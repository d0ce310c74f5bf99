"""``mobul.backup.export``: selected tables become a set of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Keys
from support.pages import not_told, shown_block
from support.playbooks import Playbooks


@pytest.fixture
def variables(keys: Keys, login: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Those of an inventory with a local location."""
    return {
        **login,
        "backup_recipients": keys.recipients,
        "backup_locations": [{"name": "local", "type": "local", "path": str(tmp_path / "local")}],
    }


def exported(directory: Path) -> list[tuple[str, str | None, int]]:
    """Format, condition and rows of every file of the one set."""
    (path,) = directory.glob("local/shop/*/*/*/export_*/manifest.json")
    files = json.loads(path.read_text())["artifacts"]
    return sorted((one["format"], one["export"]["where"], one["export"]["rows"]) for one in files)


def test_what_the_inventory_exports_is_exported_and_anything_else_that_is_asked_for(
    playbooks: Playbooks, variables: dict[str, Any], tmp_path: Path
) -> None:
    inventory = playbooks.inventory({"shop": {}}, **variables, backup_exports=[{"table": "recipients"}])
    shown = playbooks.run("mobul.backup.export", inventory, "--check")
    assert (shown.status, shown.recap()["shop"]["changed"]) == (0, 1)
    assert not (tmp_path / "local").exists()

    # As a survey hands it on.
    asked = json.dumps(["campaigns", {"table": "recipients", "where": "id <= 10 AND phone ~ '^[+]'", "format": "json"}])
    run = playbooks.run("mobul.backup.export", inventory, "-e", json.dumps({"export_tables": asked}))
    assert run.status == 0
    assert exported(tmp_path) == [("csv", None, 50), ("json", "id <= 10 AND phone ~ '^[+]'", 10)]


def test_tables_are_named_in_one_text(playbooks: Playbooks, variables: dict[str, Any], tmp_path: Path) -> None:
    inventory = playbooks.inventory({"shop": {}}, **variables)
    run = playbooks.run("mobul.backup.export", inventory, "-e", "export_tables=campaigns,public.recipients")
    assert run.status == 0
    database = variables["backup_login_db"]
    names = {"'shop'": f"'{database}'", "s3 (s3)": "local (local)", "sms_opt_ins": "campaigns", ".json": ".csv"}
    assert not not_told(shown_block("docs/export.md", "shop: export_"), run.output, names)
    assert exported(tmp_path) == [("csv", None, 50), ("csv", None, 300)]


def test_an_export_of_nothing_or_of_a_table_that_is_not_there_is_refused(
    playbooks: Playbooks, variables: dict[str, Any], tmp_path: Path
) -> None:
    hosts = {"nothing": {"export_tables": ""}, "shop": {"export_tables": "campaign"}}
    run = playbooks.run("mobul.backup.export", playbooks.inventory(hosts, **variables))
    assert run.status == 2
    assert "export_tables is empty, and so is backup_exports" in run.failure("nothing")["msg"]
    assert "did you mean public.campaigns?" in run.failure("shop")["msg"]
    assert not list(tmp_path.glob("local/**/manifest.json"))
