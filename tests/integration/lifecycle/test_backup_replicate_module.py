"""Sets are brought to the stores that lack them: local, S3, and an rclone remote."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.reporting import StillMissing
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate
from support.lab import RcloneRemote, S3Server
from support.small_sets import contents, directory_of, lay, small_set

IDS = ["weekly_20260104_000000", "weekly_20260111_000000"]
Roots = dict[str, tuple[Path, dict[str, Any]]]


@pytest.fixture
def roots(tmp_path: Path, s3_server: S3Server, s3_bucket: str, rclone_config: RcloneRemote) -> Iterator[Roots]:
    """Name -> directory behind a location, and its description; all have both sets."""
    local = tmp_path / "local"
    local.mkdir(mode=0o700)
    found: Roots = {
        "local": (local, {"name": "local", "type": "local", "path": str(local)}),
        "s3": (s3_server.root / s3_bucket, s3_server.location(s3_bucket)),
        "gdrive": (rclone_config.root / "Backups", rclone_config.location("Backups")),
    }
    for root, _description in found.values():
        for set_id in IDS:
            lay(root, set_id, small_set(set_id))
    yield found


def replicate(roots: Roots, tmp_path: Path, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    given = {
        "locations": [description for _root, description in roots.values()],
        "label": "shop",
        "backup": "all",
        "since": None,
        "policy": {"weekly": "50y", "monthly": None, "yearly": None},
        "repair": False,
        "verify_key": [],
        "cache_dir": str(tmp_path / "cache"),
        **changes,
    }
    return run_backup_replicate(given, check_mode)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("lacking", [("local",), ("s3",), ("gdrive",), ("s3", "gdrive"), ("local", "s3")])
def test_a_set_is_brought_to_every_store_that_lacks_it(roots: Roots, tmp_path: Path, lacking: tuple[str, ...]) -> None:
    for name in lacking:
        shutil.rmtree(directory_of(roots[name][0], IDS[0]))
    planned = replicate(roots, tmp_path, check_mode=True)
    assert planned["changed"]
    assert not any(directory_of(roots[name][0], IDS[0]).exists() for name in lacking)
    done = replicate(roots, tmp_path)
    assert {(one["id"], one["location"]) for one in done["copied"]} == {(IDS[0], name) for name in lacking}
    for root, _description in roots.values():
        assert contents(directory_of(root, IDS[0])) == small_set(IDS[0])
    assert not replicate(roots, tmp_path)["changed"]


def test_a_copy_with_a_flipped_bit_is_not_spread(roots: Roots, tmp_path: Path) -> None:
    for name in ("s3", "gdrive"):
        shutil.rmtree(directory_of(roots[name][0], IDS[0]))
    dump = next(directory_of(roots["local"][0], IDS[0]).glob("*.dump.age"))
    data = bytearray(dump.read_bytes())
    data[100] ^= 1
    dump.write_bytes(data)
    with pytest.raises(StillMissing, match=IDS[0]):
        replicate(roots, tmp_path)
    for name in ("s3", "gdrive"):
        assert not (directory_of(roots[name][0], IDS[0]) / "manifest.json").exists()


def test_a_damaged_copy_is_written_anew_only_where_that_is_asked_for(roots: Roots, tmp_path: Path) -> None:
    dump = next(directory_of(roots["s3"][0], IDS[0]).glob("*.dump.age"))
    dump.write_bytes(b"short")
    told = replicate(roots, tmp_path)
    assert not told["changed"]
    assert [(one["id"], one["location"]) for one in told["damaged"]] == [(IDS[0], "s3")]
    assert dump.read_bytes() == b"short"
    assert replicate(roots, tmp_path, repair=True)["changed"]
    assert contents(directory_of(roots["s3"][0], IDS[0])) == small_set(IDS[0])


def test_a_store_that_is_down_keeps_no_other_from_its_copy(roots: Roots, tmp_path: Path) -> None:
    shutil.rmtree(directory_of(roots["gdrive"][0], IDS[1]))
    down = {**roots["s3"][1], "name": "down", "bucket": "no-such-bucket"}
    with pytest.raises(StillMissing, match="down"):
        replicate({**roots, "down": (tmp_path, down)}, tmp_path)
    assert contents(directory_of(roots["gdrive"][0], IDS[1])) == small_set(IDS[1])


def test_what_the_policy_lets_go_does_not_come_back(roots: Roots, tmp_path: Path) -> None:
    for set_id in IDS:
        shutil.rmtree(directory_of(roots["local"][0], set_id))
    done = replicate(roots, tmp_path, policy={"weekly": "1d", "monthly": None, "yearly": None})
    assert [(one["id"], one["location"]) for one in done["copied"]] == [(IDS[1], "local")]
    assert replicate(roots, tmp_path, policy=None, backup=IDS[0])["changed"]
