"""The catalogue on real files: what a killed writer leaves is removed, and what is planted is not followed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.signing import SigningKey
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import (
    find_unfinished,
    free_id,
    load_set,
    newest_set,
    reap,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.location import LocalLocation
from support.manifests import make_manifest

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SET_ID = f"weekly_{NOW:%Y%m%d_%H%M%S}"
PLACE = f"shop/{NOW:%Y/%m/%d}/{SET_ID}"
# Hours later: the files are written when the tests run, which may be long after they were collected.
TOMORROW = NOW + timedelta(days=1, hours=6)

KILLED_WRITER = """
import os, signal, sys
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.local.location import LocalLocation
location = LocalLocation("local", sys.argv[1])
location.put(sys.argv[2] + "/globals.sql.age", b"x" * 1000)
writer = location.writer(sys.argv[2] + "/backup.dump.age")
writer.write(b"x" * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def location(tmp_path: Path) -> LocalLocation:
    root = tmp_path / "root"
    location = LocalLocation("local", str(root))
    location.check()
    return location


def files(tmp_path: Path) -> list[str]:
    root = tmp_path / "root"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_signed_set_is_found_and_loaded(location: LocalLocation) -> None:
    key = SigningKey.generate()
    data = make_manifest(SET_ID).to_bytes()
    location.put(f"{PLACE}/manifest.json.sig", key.sign(data))
    location.put(f"{PLACE}/manifest.json", data)
    found = newest_set(location, "shop", [])
    assert found is not None
    assert found.data == data
    assert load_set(location, "shop", verify_keys=[key.verify_key]).signature == "good"
    assert str(free_id([location], "shop", "weekly", NOW)) > SET_ID


def test_what_a_killed_run_left_is_removed_after_a_day_and_not_before(location: LocalLocation, tmp_path: Path) -> None:
    data = make_manifest("daily_20260101_000000").to_bytes()
    location.put("shop/2026/01/01/daily_20260101_000000/manifest.json", data)
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path / "root"), PLACE], capture_output=True)
    assert done.returncode == -9, done.stderr
    left = files(tmp_path)
    assert len(left) == 3
    reap(location, find_unfinished(location, "shop", now=NOW))
    assert files(tmp_path) == left
    reaped = reap(location, find_unfinished(location, "shop", now=TOMORROW))
    assert reaped.failures == ()
    assert PLACE in reaped.removed
    assert reaped.freed == 1000
    assert files(tmp_path) == ["shop/2026/01/01/daily_20260101_000000/manifest.json"]
    assert not (tmp_path / "root" / PLACE).exists()


def symlink(path: Path) -> None:
    path.symlink_to("/etc")


@pytest.mark.parametrize("plant", [symlink, os.mkfifo])
def test_a_link_or_fifo_planted_in_the_catalogue_fails_the_sweep_and_removes_nothing(
    location: LocalLocation, tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    location.put(f"{PLACE}/backup.dump.age", b"x")
    plant(tmp_path / "root" / PLACE / "planted")
    with pytest.raises(LocationError, match="planted"):
        find_unfinished(location, "shop", now=TOMORROW)
    assert (tmp_path / "root" / PLACE / "backup.dump.age").exists()
