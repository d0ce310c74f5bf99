"""Retention on real stores: local, S3, and an rclone remote."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import run_backup_hold
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.incomplete import LocationsFailed
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.info import run_backup_info
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.planning import PruneRefused
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.run import run_backup_prune
from ansible_collections.mobul.backup.plugins.modules import backup_hold
from support.lab import MotoServer, RcloneRemote, S3Server
from support.module_parameters import parameters
from support.s3_proxy import Forward, Reply, Request, S3Proxy
from support.small_sets import directory_of, lay, small_set

NOW = datetime.now(timezone.utc).replace(microsecond=0)


def id_before(days: float, kind: str = "daily") -> str:
    return str(SetId(NOW - timedelta(days=days), kind))


KEPT = [id_before(days) for days in (6, 3, 1)]
DUE = [id_before(days) for days in (30, 20, 8)]


@pytest.fixture
def roots(
    tmp_path: Path, s3_server: S3Server, s3_bucket: str, rclone_config: RcloneRemote
) -> Iterator[dict[str, tuple[Path, dict[str, Any]]]]:
    """Name -> directory behind a location, and its description."""
    local = tmp_path / "local"
    local.mkdir(mode=0o700)
    found = {
        "local": (local, {"name": "local", "type": "local", "path": str(local)}),
        "s3": (s3_server.root / s3_bucket, s3_server.location(s3_bucket)),
        "gdrive": (rclone_config.root / "Backups", rclone_config.location("Backups")),
    }
    for root, _description in found.values():
        for set_id in (*KEPT, *DUE):
            age(lay(root, set_id, small_set(set_id)), SetId.parse(set_id).time)
    yield found


def age(place: Path, time: datetime) -> None:
    for path in (place, *place.iterdir()):
        os.utime(path, (time.timestamp(), time.timestamp()))


def options(roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "locations": [description for _root, description in roots.values()],
        "label": "shop",
        "verify_key": [],
        "cache_dir": str(tmp_path / "cache"),
        "policy": None,
        "kinds": [],
        "limit": 1000,
        "unfinished_after": 24,
        **changes,
    }


def there(root: Path) -> set[str]:
    return {path.name for path in root.glob("shop/*/*/*/*")}


def test_what_is_due_goes_from_every_store_and_a_second_run_changes_nothing(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    planned = run_backup_prune(options(roots, tmp_path), check_mode=True)
    assert planned["changed"]
    assert all(there(root) == {*KEPT, *DUE} for root, _description in roots.values())
    done = run_backup_prune(options(roots, tmp_path), check_mode=False)
    assert all(there(root) == set(KEPT) for root, _description in roots.values())
    for part in ("deleted", "freed", "plan", "table", "diff"):
        assert done[part] == planned[part]
    assert {(one["location"], one["id"]) for one in done["deleted"]} == {(name, one) for name in roots for one in DUE}
    again = run_backup_prune(options(roots, tmp_path), check_mode=False)
    assert (again["changed"], again["deleted"], again["freed"]) == (False, [], 0)


def test_the_catalogue_tells_copies_states_and_ends(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    local = roots["local"][0]
    shutil.rmtree(directory_of(local, KEPT[0]))
    next(directory_of(local, KEPT[1]).glob("*.dump.age")).write_bytes(b"short")
    (directory_of(local, KEPT[2]) / "manifest.json").unlink()
    (local / "shop" / "notes.txt").write_text("mine")
    told = run_backup_info(options(roots, tmp_path), check_mode=False)
    assert not told["changed"]
    assert [one["id"] for one in told["sets"]] == [*reversed(KEPT), *reversed(DUE)]
    found = {one["id"]: one for one in told["sets"]}
    assert found[KEPT[0]]["missing"] == ["local"]
    assert found[KEPT[1]]["copies"] == {"local": "damaged", "s3": "good", "gdrive": "good"}
    assert any("has 5 bytes" in problem for problem in found[KEPT[1]]["problems"])
    assert found[KEPT[2]]["copies"]["local"] == "unfinished"
    assert {one["state"] for one in told["sets"]} == {"good"}
    assert [(one["id"], one["location"]) for one in told["unfinished"]] == [(KEPT[2], "local")]
    assert told["foreign"] == ["local: 'shop/notes.txt' does not belong to any set"]
    assert told["newest_good"] == KEPT[2]
    assert found[DUE[0]]["retention"]["keep"] is False
    assert found[KEPT[2]]["retention"]["expires"][:10] == f"{SetId.parse(KEPT[2]).time + timedelta(days=7):%Y-%m-%d}"
    assert found[KEPT[1]]["environment"] == "production"
    newest = run_backup_info(options(roots, tmp_path, limit=2), check_mode=False)
    assert ([one["id"] for one in newest["sets"]], newest["count"]) == ([KEPT[2], KEPT[1]], 6)
    weekly = run_backup_info(options(roots, tmp_path, kinds=["weekly"]), check_mode=False)
    assert (weekly["sets"], weekly["count"], weekly["newest_good"]) == ([], 0, KEPT[2])


def test_the_catalogue_is_told_of_the_locations_that_answer(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    gone = {"name": "gone", "type": "s3", **{**roots["s3"][1], "name": "gone", "bucket": "no-such-bucket"}}
    given = options(roots, tmp_path)
    told = run_backup_info({**given, "locations": [gone, *given["locations"]]}, check_mode=False)
    assert len(told["sets"]) == 6
    assert "bucket does not exist" in told["locations"]["gone"]["error"]
    assert told["warnings"]
    with pytest.raises(BackupError, match="no location could be read"):
        run_backup_info({**given, "locations": [gone]}, check_mode=False)


def test_nothing_goes_while_a_location_is_down(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path, s3_server: S3Server
) -> None:
    down = {**roots["s3"][1], "name": "down", "bucket": "no-such-bucket"}
    given = options(roots, tmp_path)
    with pytest.raises(PruneRefused, match=r"down.*nothing was deleted"):
        run_backup_prune({**given, "locations": [*given["locations"], down]}, check_mode=False)
    assert all(there(root) == {*KEPT, *DUE} for root, _description in roots.values())


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({}, "the policy is empty"),
        ({"daily": "0d"}, "keep nothing|0d"),
        ({"daily": 7}, "no period"),
        ({"hourly": "7d"}, "unknown kind 'hourly'"),
        ({"monthly": "30d"}, "contradicts itself"),
        ({"daily": "-7d"}, "no period"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path, policy: dict[str, Any], reason: str
) -> None:
    for operation in (run_backup_prune, run_backup_info):
        with pytest.raises(ConfigError, match=reason):
            operation(options(roots, tmp_path, policy=policy), check_mode=False)
    assert all(there(root) == {*KEPT, *DUE} for root, _description in roots.values())


def test_what_the_store_has_locked_stays_and_is_told_in_check_mode_too(moto_server: MotoServer, tmp_path: Path) -> None:
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    client = moto_server.client()
    for set_id in (*KEPT, *DUE):
        for name, data in small_set(set_id).items():
            client.put_object(Bucket=bucket, Key=f"{SetId.parse(set_id).directory('shop')}/{name}", Body=data)
    locked = f"{SetId.parse(DUE[1]).directory('shop')}/manifest.json"
    client.put_object_legal_hold(Bucket=bucket, Key=locked, LegalHold={"Status": "ON"})
    until = datetime.now(timezone.utc) + timedelta(days=3)
    client.put_object_retention(
        Bucket=bucket,
        Key=f"{SetId.parse(DUE[2]).directory('shop')}/manifest.json",
        Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
    )
    for set_id in DUE[1:]:
        lay(tmp_path / "disk", set_id, small_set(set_id))
    disk = {"name": "disk", "type": "local", "path": str(tmp_path / "disk")}
    given = options({"s3": (Path(), moto_server.location(bucket)), "disk": (Path(), disk)}, tmp_path)
    for check_mode in (True, False):
        done = run_backup_prune(given, check_mode=check_mode)
        told = {(one["location"], one["id"]): one["reason"] for one in done["protected"]}
        assert told.keys() == {("s3", DUE[1]), ("s3", DUE[2])}
        assert f"Object Lock (COMPLIANCE) keeps it until {until:%Y-%m-%d %H:%M} UTC" in told["s3", DUE[2]]
        assert {(one["location"], one["id"]) for one in done["deleted"]} == {("s3", DUE[0]), ("disk", DUE[1])}
        assert [text for text in done["warnings"] if DUE[1] in text and "legal hold" in text]
        plan = {one["id"]: one for one in done["plan"]}
        assert (plan[DUE[2]]["keep"], plan[DUE[2]]["rule"], plan[DUE[2]]["goes_from"]) == (True, "locked", [])
        assert (plan[DUE[1]]["keep"], plan[DUE[1]]["goes_from"]) == (False, ["disk"])
        assert "stays in s3: it is under a legal hold" in plan[DUE[1]]["reason"]
        assert plan[DUE[0]]["goes_from"] == ["s3"]
    assert {one["id"] for one in run_backup_info(given, check_mode=False)["sets"]} == {*KEPT, DUE[1], DUE[2]}


def test_a_policy_shorter_than_the_buckets_lock_is_refused(moto_server: MotoServer, tmp_path: Path) -> None:
    bucket = moto_server.create_bucket(ObjectLockEnabledForBucket=True)
    given = options({"s3": (Path(), moto_server.location(bucket))}, tmp_path)
    assert run_backup_prune(given, check_mode=False)["changed"] is False
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
    moto_server.client().put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    with pytest.raises(ConfigError, match=r"7 days.*locks every object for 30"):
        run_backup_prune(given, check_mode=False)


def test_a_set_that_nobody_signed_is_no_good_one_to_whoever_gives_a_key(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    for root, _description in roots.values():
        for set_id, signer in ((KEPT[0], key), (KEPT[1], other), (DUE[2], key)):
            age(lay(root, set_id, small_set(set_id, key=signer)), SetId.parse(set_id).time)
    given = options(roots, tmp_path, verify_key=[key.verify_key.to_pem()])
    told = run_backup_info(given, check_mode=False)
    states = {one["id"]: (one["state"], one["signature"]) for one in told["sets"]}
    assert states[KEPT[0]] == states[DUE[2]] == ("good", "good")
    assert states[KEPT[1]] == ("damaged", "unverified")
    assert states[KEPT[2]] == states[DUE[0]] == ("damaged", "unsigned")
    assert told["newest_good"] == KEPT[0]
    run_backup_prune(options(roots, tmp_path, verify_key=[key.verify_key.to_pem()]), check_mode=False)
    assert all(there(root) == set(KEPT) for root, _description in roots.values())


def test_of_old_sets_those_that_are_signed_stay_as_the_newest_good_ones(
    roots: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    key = SigningKey.generate()
    for root, _description in roots.values():
        age(lay(root, DUE[0], small_set(DUE[0], key=key)), SetId.parse(DUE[0]).time)
    run_backup_prune(options(roots, tmp_path, verify_key=[key.verify_key.to_pem()]), check_mode=False)
    assert all(there(root) == {*KEPT, DUE[0]} for root, _description in roots.values())


def test_a_manifest_is_read_once_and_again_only_when_it_has_changed(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path
) -> None:
    root = s3_server.root / s3_bucket
    ids = [id_before(days) for days in range(1, 31)]
    for set_id in ids:
        age(lay(root, set_id, small_set(set_id)), SetId.parse(set_id).time)
    with S3Proxy(s3_server.endpoint_url) as proxy:
        location = {**s3_server.location(s3_bucket), "endpoint_url": proxy.endpoint_url}
        given = options({"s3": (root, location)}, tmp_path)

        def requests() -> dict[str, int]:
            proxy.clear()
            run_backup_info(given, check_mode=False)
            return {name: len(proxy.of(name)) for name in ("ListObjectsV2", "GetObject", "HeadObject")}

        assert requests() == {"ListObjectsV2": 1, "GetObject": 30, "HeadObject": 0}
        assert requests() == {"ListObjectsV2": 1, "GetObject": 0, "HeadObject": 0}
        lay(root, ids[0], {"manifest.json": small_set(ids[0], environment="other")["manifest.json"]})
        assert requests() == {"ListObjectsV2": 1, "GetObject": 1, "HeadObject": 0}
        (cache,) = (tmp_path / "cache").iterdir()
        assert cache.stat().st_mode & 0o777 == 0o600
        cache.write_text('{"version": 1, "objects": {"x": [1]}}')
        assert requests() == {"ListObjectsV2": 1, "GetObject": 30, "HeadObject": 0}


def test_a_hold_that_is_placed_while_a_real_store_is_slow_to_delete_the_manifest_is_not_confirmed(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path
) -> None:
    root = s3_server.root / s3_bucket
    for set_id in (KEPT[0], DUE[0]):
        age(lay(root, set_id, small_set(set_id)), SetId.parse(set_id).time)
    straight = s3_server.location(s3_bucket)
    told: list[str] = []

    def held_meanwhile(request: Request, forward: Forward) -> Reply:
        if not told and request.path.endswith("/manifest.json"):
            wanted = parameters(backup_hold, label="shop", backup=DUE[0], reason="INC-7", locations=[straight])
            with pytest.raises(LocationsFailed) as got:
                run_backup_hold(wanted, check_mode=False)
            told.append(str(got.value))
        return forward(request)

    with S3Proxy(s3_server.endpoint_url) as proxy:
        proxy.inject("DeleteObject", held_meanwhile)
        given = options({"s3": (root, {**straight, "endpoint_url": proxy.endpoint_url})}, tmp_path)
        done = run_backup_prune(given, check_mode=False)
    assert [one["id"] for one in done["deleted"]] == [DUE[0]]
    assert "the hold may have come too late" in told[0]
