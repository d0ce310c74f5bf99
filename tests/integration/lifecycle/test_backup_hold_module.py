"""The module backup_hold: check, apply, apply again (in a real run of Ansible); exchange, release; and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.lab import RcloneRemote, S3Server
from support.manifests import make_manifest
from support.module_plays import Result, play
from support.module_runs import run_module
from support.set_copies import opened, states

MANIFEST = make_manifest("post_incident_20261122_000000", artifacts=())
SET_ID = str(MANIFEST.id)
PLACE = MANIFEST.id.directory("shop")
HELD = {"label": "shop", "backup": SET_ID, "reason": "INC-4711"}
RELEASED = {**HELD, "state": "released", "reason": "INC-4711 closed"}


@pytest.fixture
def roots(tmp_path: Path, s3_server: S3Server, s3_bucket: str, rclone_config: RcloneRemote) -> list[Path]:
    """Where the files of :func:`locations` are."""
    return [tmp_path / "local", s3_server.root / s3_bucket, rclone_config.root / "backups", tmp_path / "empty"]


@pytest.fixture
def locations(tmp_path: Path, s3_server: S3Server, s3_bucket: str, rclone_config: RcloneRemote) -> list[dict[str, Any]]:
    """One of each kind with the set in it, and one without."""
    made = [
        {"name": "local", "type": "local", "path": str(tmp_path / "local")},
        s3_server.location(s3_bucket),
        rclone_config.location("backups"),
    ]
    for location in opened(made):
        location.check()
        location.put(f"{PLACE}/manifest.json", MANIFEST.to_bytes())
    (tmp_path / "empty").mkdir()
    return [*made, {"name": "empty", "type": "local", "path": str(tmp_path / "empty")}]


def names(roots: list[Path]) -> list[list[str]]:
    """What is in the set's directory in each location."""
    return [sorted(path.name for path in (root / PLACE).glob("*")) for root in roots]


@pytest.mark.next
def test_check_apply_apply_again_in_every_kind_of_location(
    tmp_path: Path, locations: list[dict[str, Any]], roots: list[Path]
) -> None:
    before = names(roots)
    checked = run_module("backup_hold", check_mode=True, locations=locations, **HELD)
    assert names(roots) == before == [["manifest.json"]] * 3 + [[]]
    given = {"locations": locations, **HELD}
    results, output = play(tmp_path, "backup_hold", {**given, "check_mode": True}, given)
    again = run_module("backup_hold", **given)
    assert [result["changed"] for result in (checked, *results, again)] == [True, True, True, False]
    for result in (checked, *results, again):
        assert states(result) == ["held", "held", "held", "missing"]
        assert result["id"] == SET_ID
    assert checked["summary"][0] == f"shop: {SET_ID} would be held: INC-4711"
    assert results[1]["summary"][0] == f"shop: {SET_ID} is held: INC-4711"
    assert "+local: held: INC-4711" in output
    assert names(roots) == [["hold.json", "manifest.json"]] * 3 + [[]]


def test_a_hold_is_exchanged_and_released_and_set_again_in_every_kind_of_location(
    locations: list[dict[str, Any]], roots: list[Path]
) -> None:
    def run(**options: Any) -> Result:
        return run_module("backup_hold", diff=True, locations=locations, **options)

    assert run(**HELD)["changed"]
    exchanged = run(**HELD, until="2999-01-01")
    assert exchanged["changed"]
    assert exchanged["copies"][1]["hold"]["until"] == "2999-01-01T00:00:00Z"
    assert "gdrive: held: INC-4711" in exchanged["diff"]["before"]
    assert run_module("backup_hold", check_mode=True, locations=locations, **RELEASED)["changed"]
    assert names(roots) == [["hold.json", "manifest.json"]] * 3 + [[]]
    released, again = run(**RELEASED), run(**RELEASED)
    assert (released["changed"], again["changed"]) == (True, False)
    assert states(released) == ["released", "released", "released", "missing"]
    assert "s3: released: INC-4711 closed" in released["diff"]["after"]
    assert names(roots) == [["manifest.json", "released.json"]] * 3 + [[]]
    held = run(**{**HELD, "backup": "latest"})
    assert (held["changed"], held["id"]) == (True, SET_ID)
    assert names(roots) == [["hold.json", "manifest.json"]] * 3 + [[]]


def test_a_location_that_is_down_fails_the_module_with_what_was_done(
    locations: list[dict[str, Any]], roots: list[Path]
) -> None:
    down = {**locations[1], "name": "down", "endpoint_url": "http://127.0.0.1:9", "bucket": "nowhere"}
    result = run_module("backup_hold", locations=[locations[0], down], **HELD)
    assert result["failed"]
    assert "location 'down'" in result["msg"]
    assert f"run it again with backup: {SET_ID}" in result["msg"]
    assert states(result) == ["held", "failed"]
    assert result["changed"] is True
    assert names(roots[:1]) == [["hold.json", "manifest.json"]]
    assert locations[1]["secret_key"] not in json.dumps(result)


def test_mistakes_are_told_and_nothing_is_changed(locations: list[dict[str, Any]], roots: list[Path]) -> None:
    before = names(roots)
    mistakes = {
        "is past": {"until": "2026-01-01"},
        "is no time": {"until": "soon"},
        "the reason is empty": {"reason": ""},
        "only a hold has an end": {"until": "2999-01-01", "state": "released"},
        f"the nearest: {SET_ID}": {"backup": "post_incident_20261122_000001"},
        "is not the id of a backup": {"backup": "newest"},
        "missing required arguments: reason": {"reason": None},
        "there is no good backup of 'other'": {"label": "other", "backup": "latest"},
    }
    for told, changes in mistakes.items():
        given = {name: value for name, value in {**HELD, **changes}.items() if value is not None}
        result = run_module("backup_hold", locations=locations, **given)
        assert result["failed"]
        assert told in result["msg"]
    assert names(roots) == before
