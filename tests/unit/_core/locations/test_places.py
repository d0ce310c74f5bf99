"""Which databases of an inventory keep their sets in one place under one label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.places import ListedDatabase, shared_labels

DISK = {"name": "disk", "type": "local", "path": "/srv/backups"}
BUCKET = {"name": "s3", "type": "s3", "bucket": "backups", "prefix": "pg", "endpoint_url": "https://s3.example.com"}
DRIVE = {"name": "drive", "type": "rclone", "remote": "gdrive:Backups"}


def listed(host: str, *locations: dict[str, Any], label: str = "shop", runs_on: str = "") -> ListedDatabase:
    return ListedDatabase(host, label, runs_on, locations)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (listed("a", DISK), listed("b", {**DISK, "name": "other", "path": "/srv//backups/"})),
        (listed("a", DISK, runs_on="ssh://db:"), listed("b", DISK, runs_on="ssh://db:")),
        (listed("a", BUCKET), listed("b", {**BUCKET, "prefix": "pg/", "region": "eu"}, runs_on="ssh://db:")),
        (listed("a", BUCKET), listed("b", DISK, {**BUCKET, "endpoint_url": "https://s3.example.com/"})),
        (listed("a", {**BUCKET, "prefix": ""}), listed("b", {k: v for k, v in BUCKET.items() if k != "prefix"})),
        (listed("a", DRIVE), listed("b", DRIVE, runs_on="ssh://db:")),
    ],
    ids=["one directory", "on another host", "one bucket", "among others", "no prefix", "one remote"],
)
def test_two_databases_with_one_label_in_one_place_are_told(first: ListedDatabase, second: ListedDatabase) -> None:
    (line,) = shared_labels([first, second], ["b"])
    assert line.startswith("a, b have the label 'shop' in one location, '")
    assert shared_labels([first, second], ["c"]) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (listed("a", DISK), listed("b", DISK, label="crm")),
        (listed("a", DISK), listed("b", DISK, runs_on="ssh://db:")),
        (listed("a", DISK, runs_on="ssh://db:22"), listed("b", DISK, runs_on="ssh://db:23")),
        (listed("a", DISK), listed("b", {**DISK, "path": "/srv/others"})),
        (listed("a", BUCKET), listed("b", {**BUCKET, "prefix": "others"})),
        (listed("a", BUCKET), listed("b", {**BUCKET, "endpoint_url": "https://s3.example.org"})),
        (
            listed("a", {**BUCKET, "endpoint_url": "http://127.0.0.1:9000"}),
            listed("b", {**BUCKET, "endpoint_url": "http://127.0.0.1:9000"}, runs_on="ssh://db:"),
        ),
        (listed("a", DRIVE), listed("b", {**DRIVE, "config": "/etc/other.conf"})),
        (listed("a", DISK, DISK), listed("b")),
    ],
    ids=[
        *("other labels", "other hosts", "other machines", "other directories", "other prefixes", "other stores"),
        *("stores of their own hosts", "other remotes", "one database alone"),
    ],
)
def test_databases_that_keep_their_sets_apart_are_not_told(first: ListedDatabase, second: ListedDatabase) -> None:
    assert shared_labels([first, second], ["a", "b"]) == []


def test_a_directory_of_this_host_is_the_same_by_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path))
    ways = ["~/real", "$HOME/link/.", str(tmp_path / "real")]
    found = shared_labels([listed(name, {**DISK, "path": name}) for name in ways], ways)
    assert [line.count(", ") for line in found] == [3]


def test_one_run_takes_a_place_under_two_names_for_one() -> None:
    disk, bucket = open_location(DISK).place, open_location(BUCKET).place
    assert disk == open_location({**DISK, "name": "other", "path": "/srv/./backups/"}).place
    assert bucket != open_location({**BUCKET, "bucket": "others"}).place
