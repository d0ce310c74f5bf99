"""A set whose large objects a bucket has archived becomes readable for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.thaw import NotThawed, run_backup_thaw
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from support.lab import MotoServer
from support.small_sets import lay, small_set

ID = "weekly_20251102_000000"


@pytest.fixture
def parameters(moto_server: MotoServer, tmp_path: Path) -> dict[str, Any]:
    bucket = moto_server.create_bucket()
    for name, data in small_set(ID).items():
        moto_server.client().put_object(
            Bucket=bucket,
            Key=f"{SetId.parse(ID).directory('shop')}/{name}",
            Body=data,
            StorageClass="GLACIER" if ".dump" in name else "STANDARD",
        )
    local = tmp_path / "local"
    lay(local, ID, small_set(ID))
    return {
        "locations": [moto_server.location(bucket), {"name": "local", "type": "local", "path": str(local)}],
        "label": "shop",
        "backup": ID,
        "days": 7,
        "tier": "Standard",
    }


def test_an_archived_set_says_so_when_it_is_read_and_can_be_thawed(parameters: dict[str, Any]) -> None:
    location = open_location(parameters["locations"][0])
    dump = next(info.key for info in location.list("shop") if ".dump" in info.key)
    with pytest.raises(BackupError, match=r"is archived.*backup_thaw"):
        list(location.read(dump))
    planned = run_backup_thaw(parameters, check_mode=True)
    assert planned["changed"]
    assert [(one["location"], one["state"]) for one in planned["copies"]] == [
        ("s3", "archived"),
        ("local", "available"),
    ]
    asked = run_backup_thaw(parameters, check_mode=False)
    assert asked["changed"]
    assert asked["copies"][0]["state"] in ("thawing", "available")
    assert asked["copies"][0]["archived_objects"] == 1
    again = run_backup_thaw({**parameters, "backup": "latest"}, check_mode=False)
    assert not again["changed"]
    assert again["copies"][0]["state"] == "available"
    assert again["copies"][0]["until"]
    location.close()


def test_a_set_that_is_not_there_is_named(parameters: dict[str, Any]) -> None:
    with pytest.raises(BackupError, match="there is no backup weekly_20251109_000000"):
        run_backup_thaw({**parameters, "backup": "weekly_20251109_000000"}, check_mode=False)
    with pytest.raises(ConfigError, match="is not the id of a backup"):
        run_backup_thaw({**parameters, "backup": "../x"}, check_mode=False)
    with pytest.raises(NotThawed, match="from 1 to 365"):
        run_backup_thaw({**parameters, "days": 0}, check_mode=False)


def test_a_location_that_is_down_hides_no_other(parameters: dict[str, Any]) -> None:
    down = {**parameters["locations"][0], "name": "down", "bucket": "no-such-bucket"}
    with pytest.raises(NotThawed, match="down") as failure:
        run_backup_thaw({**parameters, "locations": [down, *parameters["locations"]]}, check_mode=False)
    assert [one["location"] for one in failure.value.report["copies"]] == ["s3", "local"]
