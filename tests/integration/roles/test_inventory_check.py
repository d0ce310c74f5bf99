"""What every playbook looks at first: that no two databases of the inventory are taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.playbooks import Playbooks, Run

CHECK = "mobul.backup.check_inventory"
DISK = {"name": "disk", "type": "local", "path": "{{ root }}/backups"}
SECRET = "{{ lookup('ansible.builtin.file', '/nowhere/secret') }}"
BUCKET = {"name": "s3", "type": "s3", "bucket": "backups", "access_key": SECRET, "secret_key": "{{ not_here }}"}
HOSTS: dict[str, dict[str, Any]] = {
    "shop": {"backup_label": "shared"},
    "crm": {"backup_label": "{{ 'sha' ~ 'red' }}", "backup_locations": [{**DISK, "name": "other"}, BUCKET]},
    "apart": {"backup_locations": [DISK, BUCKET]},
    "empty": {"backup_label": "", "backup_locations": ""},
    "remote": {"backup_label": "shared", "ansible_connection": "ssh", "ansible_host": "db.example.com"},
    "strange": {"backup_label": SECRET},
    "stranger": {"backup_label": "shared", "backup_locations": "{{ nobody.knows }}"},
}


@pytest.fixture
def inventory(playbooks: Playbooks, tmp_path: Path) -> Path:
    """Two databases that share a label in a directory, and others of which some cannot be told."""
    return playbooks.inventory(HOSTS, root=str(tmp_path), backup_locations=[DISK])


def refusal(run: Run) -> str:
    assert run.status == 2, run.output
    (host,) = [host for host, counts in run.recap().items() if counts["failed"]]
    told: str = run.failure(host)["msg"]
    return told


@pytest.mark.next
def test_an_inventory_that_cannot_be_read_is_no_success_whatever_the_limit(
    playbooks: Playbooks, tmp_path: Path
) -> None:
    for arguments in (["--limit", "shop"], []):
        run = playbooks.run("mobul.backup.pre_deploy", tmp_path / "databses.yml", *arguments, MOBUL_DEPLOYMENT_ID="v1")
        assert run.status != 0
        assert "read the inventory: " in run.output


@pytest.mark.parametrize("limit", [None, "crm"], ids=["all", "one of the two"])
def test_two_databases_with_one_label_in_one_location_are_refused(
    playbooks: Playbooks, inventory: Path, limit: str | None
) -> None:
    message = refusal(playbooks.run(CHECK, inventory, *(["--limit", limit] if limit else [])))
    assert "crm, shop have the label 'shared' in one location, 'other' and 'disk'" in message
    assert "give each a backup_label of its own, or another location" in message


def test_a_limit_to_others_is_not_kept_from_them_nor_by_variables_that_are_not_set(
    playbooks: Playbooks, inventory: Path
) -> None:
    run = playbooks.run(CHECK, inventory, "--limit", "apart,remote,strange,stranger,empty")
    assert run.status == 0, run.output


def test_what_is_given_on_the_command_line_is_about_the_databases_that_are_run_for(
    playbooks: Playbooks, inventory: Path
) -> None:
    given = ("-e", "backup_label=old")
    assert playbooks.run(CHECK, inventory, "--limit", "apart", *given).status == 0
    message = refusal(playbooks.run(CHECK, inventory, "--limit", "apart,shop", *given))
    assert "apart, shop have the label 'old'" in message
