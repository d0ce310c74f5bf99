"""``mobul.backup.pre_deploy`` as a pipeline calls it, through ansible-runner; and one database of several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml
from support.backup_bench import Keys
from support.playbooks import Playbooks

LOCAL = "local"


@pytest.fixture
def inventory(playbooks: Playbooks, keys: Keys, login: dict[str, Any], tmp_path: Path) -> Path:
    """Two databases with a local location."""
    return playbooks.inventory(
        {"shop": {}, "catalogue": {"backup_login_db": "postgres"}},
        **login,
        backup_recipients=keys.recipients,
        backup_locations=[{"name": LOCAL, "type": "local", "path": str(tmp_path / LOCAL)}],
    )


@pytest.mark.next
def test_a_pipeline_gets_the_set_of_the_one_database_that_it_asked_for(
    playbooks: Playbooks, inventory: Path, tmp_path: Path
) -> None:
    private = tmp_path / "runner"
    private.mkdir()
    run = ansible_runner.run(
        private_data_dir=str(private),
        playbook="mobul.backup.pre_deploy",
        inventory=str(inventory),
        extravars={"deployment_id": 2026.3},
        limit="shop",
        envvars=playbooks.environment,
        quiet=True,
    )

    assert (run.status, run.rc) == ("successful", 0), run.stdout.read()
    (result,) = [
        event["event_data"]["res"]
        for event in run.events
        if event["event"] == "runner_on_ok" and event["event_data"]["task"] == "Back up the database"
    ]
    assert result["id"].startswith("pre_deploy_")
    assert result["copies"] == 1
    (manifest,) = (tmp_path / LOCAL).glob("*/*/*/*/*/manifest.json")
    assert manifest.parent == tmp_path / LOCAL / result["directory"]
    told = json.loads(manifest.read_text())
    assert (told["label"], told["kind"], told["labels"]) == ("shop", "pre_deploy", {"deployment": "2026.3"})
    stored = yaml.safe_load(inventory.read_text())["databases"]["vars"]["backup_login_password"]
    assert not [path for path in private.rglob("*") if path.is_file() and stored in path.read_text(errors="replace")]


@pytest.mark.parametrize("arguments", [(), ("-e", "deployment_id= ")], ids=["missing", "blank"])
def test_without_a_deployment_nothing_is_done(
    playbooks: Playbooks, inventory: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    run = playbooks.run("mobul.backup.pre_deploy", inventory, *arguments)

    assert run.status == 2
    assert "deployment_id is missing (give the deployment that waits: -e deployment_id=...)" in run.output
    assert sum(counts["failed"] for counts in run.recap().values()) == 1
    assert "Back up the database" not in run.output
    assert not (tmp_path / LOCAL).exists()


def test_a_limit_that_names_no_database_is_no_success(playbooks: Playbooks, inventory: Path) -> None:
    run = playbooks.run("mobul.backup.weekly", inventory, "--limit", "shp")
    assert run.status != 0


@pytest.mark.next
def test_module_defaults_of_the_group_reach_every_module(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], inventory: Path, tmp_path: Path
) -> None:
    connection = {name.removeprefix("backup_"): value for name, value in login.items()}
    play = {
        "hosts": "shop",
        "gather_facts": False,
        "module_defaults": {"group/mobul.backup.all": {**connection, "recipients": keys.recipients}},
        "tasks": [
            {"mobul.backup.table_export": {"table": "recipients", "dest": str(tmp_path / "recipients.csv.age")}},
            {
                "mobul.backup.pg_backup": {
                    "label": "shop",
                    "locations": [{"name": LOCAL, "type": "local", "path": str(tmp_path / LOCAL)}],
                }
            },
        ],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    run = playbooks.run(playbook, inventory)

    assert run.status == 0, run.output
    assert (tmp_path / "recipients.csv.age").read_bytes().startswith(b"age-encryption.org/v1\n")
    assert list((tmp_path / LOCAL).glob("shop/*/*/*/manual_*/manifest.json"))
