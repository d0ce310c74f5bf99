"""``mobul.backup.cleanup`` as an operator runs it, and the repair of missing copies by the weekly run."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import load_signing_key
from support.backup_bench import Keys
from support.manifests import make_manifest
from support.playbooks import Playbooks
from support.small_sets import directory_of, lay, small_set

NOW = datetime.now(timezone.utc)
KEPT, LAST, DUE = (str(SetId((NOW - timedelta(days=days)).replace(microsecond=0), "daily")) for days in (2, 1, 30))


def fill(stored: list[Path], keys: Keys) -> None:
    """Lay three signed sets into each store, one of which is due; the last one is missing in the second store."""
    key = load_signing_key(str(keys.signing))
    for root in stored:
        for set_id in (KEPT, LAST, DUE):
            place = lay(root, set_id, small_set(set_id, key=key))
            time = SetId.parse(set_id).time.timestamp()
            for path in (place, *place.iterdir()):
                os.utime(path, (time, time))
    shutil.rmtree(directory_of(stored[1], LAST))


@pytest.fixture
def filled(stored: list[Path], keys: Keys) -> list[Path]:
    """The directories behind the three stores, with sets."""
    fill(stored, keys)
    return stored


@pytest.fixture
def disks(tmp_path: Path, keys: Keys) -> list[dict[str, Any]]:
    """Three local locations, with sets."""
    roots = [tmp_path / name for name in ("first", "second", "third")]
    for root in roots:
        root.mkdir(mode=0o700)
    fill(roots, keys)
    return [{"name": root.name, "type": "local", "path": str(root)} for root in roots]


def there(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("shop/*/*/*/*/manifest.json")}


@pytest.mark.next
def test_the_plan_is_shown_first_and_then_carried_out_with_what_was_missing(
    playbooks: Playbooks, locations: list[dict[str, Any]], filled: list[Path]
) -> None:
    inventory = playbooks.inventory({"shop": {}}, backup_locations=locations, backup_signing_key="")
    shown = playbooks.run("mobul.backup.cleanup", inventory, "--check", "--diff")
    assert shown.status == 0
    assert re.search(rf'"delete +{DUE} .*ended on', shown.output)
    assert re.search(rf"^-s3: {DUE}$", shown.output, re.MULTILINE)
    assert [there(root) for root in filled] == [{KEPT, LAST, DUE}, {KEPT, DUE}, {KEPT, LAST, DUE}]
    done = playbooks.run("mobul.backup.cleanup", inventory, XDG_CACHE_HOME=str(playbooks.directory / "cache"))
    assert done.recap()["shop"]["changed"] == 2
    assert [there(root) for root in filled] == [{KEPT, LAST}] * 3
    again = playbooks.run("mobul.backup.cleanup", inventory, XDG_CACHE_HOME=str(playbooks.directory / "cache"))
    assert again.recap()["shop"]["changed"] == 0
    assert locations[0]["secret_key"] not in shown.output + done.output


def test_a_refused_clean_up_fails_and_copies_are_made_up_for_nevertheless(
    playbooks: Playbooks, disks: list[dict[str, Any]]
) -> None:
    roots = [Path(disk["path"]) for disk in disks]
    (roots[0] / "shop" / "notes.txt").write_text("mine")
    inventory = playbooks.inventory({"shop": {}}, backup_locations=disks)
    run = playbooks.run("mobul.backup.cleanup", inventory)
    assert run.status == 2
    assert "nothing was deleted" in run.failure("shop")["msg"]
    assert [there(root) for root in roots] == [{KEPT, LAST, DUE}] * 3


def test_the_weekly_run_makes_up_for_a_copy_that_an_earlier_one_missed(
    playbooks: Playbooks, login: dict[str, Any], keys: Keys, disks: list[dict[str, Any]]
) -> None:
    roots = [Path(disk["path"]) for disk in disks]
    given = {"backup_recipients": keys.recipients, "backup_signing_key": str(keys.signing), "backup_locations": disks}
    adopt = make_manifest().database.system_identifier
    inventory = playbooks.inventory({"shop": {}}, **login, **given, backup_adopt=adopt)
    run = playbooks.run("mobul.backup.weekly", inventory)
    assert run.status == 0
    assert run.recap()["shop"]["changed"] == 2
    assert there(roots[1]) == there(roots[0])
    assert len(there(roots[1])) == 4
    assert playbooks.run("mobul.backup.weekly", inventory).recap()["shop"]["changed"] == 1
