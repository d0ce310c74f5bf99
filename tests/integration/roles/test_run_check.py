"""A run that would do nothing, or something else than was meant, is no success. The texts are golden."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.playbooks import Playbooks
from support.programs import PROJECT

NOTHING = "selects nothing of this playbook (leave it out, and choose databases by --limit); nothing was done"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["--tags", "backup"], f"check the tags: --tags backup {NOTHING}", marks=pytest.mark.next),
        (["--skip-tags", "all", "--limit", "shop"], f"check the tags: --skip-tags all {NOTHING}"),
        (
            ["-e", "backup_recipient=age1x"],
            "check the variables: backup_recipient is no variable, and backup_recipients is one (rename it, or name it "
            "in backup_own_variables if it is your own); nothing was done",
        ),
        (
            ["-e", json.dumps({"backup_environment": False, "backup_login_port": False, "backup_replicate": "maybe"})],
            "check the variables: shop: backup_environment is false, as YAML reads no, off and false (give a text in "
            "quotes, or leave it out); shop: backup_login_port is false, as YAML reads no, off and false (give a "
            "number, or leave it out); shop: backup_replicate is 'maybe' (true or false); nothing was done",
        ),
    ],
    ids=["tags", "skip-tags", "a variable's name", "values"],
)
def test_a_run_that_would_do_nothing_is_refused(playbooks: Playbooks, arguments: list[str], told: str) -> None:
    inventory = playbooks.inventory({"shop": {}}, backup_helper_of_mine=1)
    run = playbooks.run("mobul.backup.cleanup", inventory, *arguments)
    assert run.status == 2
    (host,) = run.recap()
    assert run.failure(host) == {"changed": False, "msg": told, "step": told.partition(": ")[0]}


@pytest.mark.parametrize(
    ("playbook", "told"),
    [
        (
            "bucket",
            "check the options: no location of backup_locations is of type s3, so there is nothing to do (correct it, "
            "or name the databases by bucket_hosts); nothing was changed",
        ),
        (
            "supabase_info",
            "check the options: none of shop has supabase_project_ref, so there is nothing to look at (give it to the "
            "databases that are of Supabase)",
        ),
    ],
)
def test_a_run_that_finds_nothing_to_do_is_refused(playbooks: Playbooks, playbook: str, told: str) -> None:
    run = playbooks.run(f"mobul.backup.{playbook}", playbooks.inventory({"shop": {}}))
    assert run.status == 2
    assert run.failure("shop") == {"changed": False, "msg": told, "step": "check the options"}


def test_a_run_that_begins_in_the_middle_is_refused(playbooks: Playbooks) -> None:
    run = playbooks.run("mobul.backup.restore", playbooks.inventory({"shop": {}}), "--start-at-task", "Restore")
    assert run.status != 0
    assert "check the run: --start-at-task 'Restore' leaves out what is checked first" in run.output


@pytest.mark.parametrize("path", sorted(PROJECT.glob("playbooks/*.yml")), ids=lambda path: path.stem)
def test_every_playbook_looks_at_how_it_was_started(path: Path) -> None:
    plays = yaml.safe_load(path.read_text())
    first = plays[0]
    checked = first.get("ansible.builtin.import_playbook") == "check_inventory.yml"
    tasks = first.get("tasks") or [{}]
    assert checked or ("mobul.backup.run_check" in tasks[0] and tasks[0]["tags"] == ["always"])
