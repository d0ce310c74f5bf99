"""``mobul.backup.info`` shows what there is, and ``mobul.backup.hold`` keeps it or lets it go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pages import not_told, shown_block
from support.playbooks import Playbooks
from support.small_sets import directory_of, lay, small_set

FIRST, LAST = "weekly_20261115_000000", "daily_20261122_000000"
INCIDENT = "post_incident_20261116_000000"
TABLE, SAID = shown_block("docs/hold.md", "set ").paragraphs()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A location with two sets."""
    for set_id in (FIRST, LAST):
        lay(tmp_path / "local", set_id, small_set(set_id))
    return tmp_path / "local"


def with_variables(inventory: Path, **variables: Any) -> Path:
    """The same inventory with more variables of its hosts."""
    described = yaml.safe_load(inventory.read_text())
    described["databases"]["vars"] |= variables
    inventory.write_text(yaml.safe_dump(described))
    return inventory


@pytest.fixture
def inventory(playbooks: Playbooks, root: Path) -> Path:
    """The database of these sets, and another one without any."""
    return playbooks.inventory(
        {"shop": {}, "crm": {}}, backup_locations=[{"name": "local", "type": "local", "path": str(root)}]
    )


def test_info_shows_the_sets_that_are_asked_for_as_a_table(playbooks: Playbooks, inventory: Path) -> None:
    run = playbooks.run("mobul.backup.info", inventory)
    assert run.status == 0
    assert FIRST in run.output
    assert LAST in run.output
    assert "'crm': 0 sets" in run.output
    # None of them was ever verified.
    assert not not_told(TABLE, run.output, {"2026-11-23  ": "-  "})

    some = playbooks.run(
        "mobul.backup.info", inventory, "-e", "info_kinds=daily,monthly", "-e", "info_limit=1", "--check"
    )
    assert some.status == 0
    assert f'"{LAST}' in some.output
    assert f'"{FIRST}' not in some.output


def test_info_refuses_what_cannot_be_meant(playbooks: Playbooks, root: Path) -> None:
    hosts = {"number": {"info_limit": "some"}, "kind": {"info_kinds": "nightly"}}
    locations = [{"name": "local", "type": "local", "path": str(root)}]
    run = playbooks.run("mobul.backup.info", playbooks.inventory(hosts, backup_locations=locations))
    assert run.status == 2
    assert "info_limit is 'some' (give a number" in run.failure("number")["msg"]
    assert "unknown kind 'nightly'" in run.failure("kind")["msg"]


def test_a_set_is_held_and_released(playbooks: Playbooks, inventory: Path, root: Path) -> None:
    forensic = root.parent / "forensic"
    for place in (root, forensic):
        lay(place, INCIDENT, small_set(INCIDENT))
    hold, release = (directory_of(root, INCIDENT) / name for name in ("hold.json", "released.json"))
    inventory = with_variables(inventory, incident_location={"name": "f", "type": "local", "path": str(forensic)})
    reason = "INC 4711 {{ lookup('pipe', 'touch pwned') }}"
    asked = ["--limit", "shop", "-e", json.dumps({"hold_backup": INCIDENT, "hold_reason": reason, "hold_until": ""})]
    shown = playbooks.run("mobul.backup.hold", inventory, *asked, "--check")
    assert (shown.status, shown.recap()["shop"]["changed"], hold.exists()) == (0, 1, False)
    assert f"would be held: {reason}" in shown.output

    held = playbooks.run("mobul.backup.hold", inventory, *asked, "-e", "hold_until=2099-01-31")
    assert held.status == 0
    assert not not_told(SAID, held.output, {"weekly_": "post_incident_", "INC-4711": reason, "s3:": "local:"})
    assert json.loads(hold.read_text())["reason"] == reason
    assert (directory_of(forensic, INCIDENT) / "hold.json").exists()
    assert not list(playbooks.directory.rglob("pwned"))
    assert "2099-01-31" in hold.read_text()

    released = playbooks.run("mobul.backup.hold", inventory, *asked, "-e", "hold_state=released")
    assert (released.status, hold.exists(), release.exists()) == (0, False, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--limit", "shop", "-e", "hold_backup=latest", "-e", "hold_reason="],
            "hold_reason is missing (say for whom and why: -e hold_reason=INC-4711)",
        ),
        (["-e", "hold_backup=latest", "-e", "hold_reason=INC-1"], "choose one host by --limit"),
        (["--limit", "shop", "-e", f"hold_backup={FIRST} hold_reason=INC-1 hold_until=2001-01-31"], "is past"),
    ],
)
def test_a_hold_that_cannot_be_meant_changes_nothing(
    playbooks: Playbooks, inventory: Path, root: Path, arguments: list[str], told: str
) -> None:
    run = playbooks.run("mobul.backup.hold", inventory, *arguments)
    assert run.status == 2
    assert told in run.failure("shop")["msg"]
    assert not list(root.rglob("hold.json"))
