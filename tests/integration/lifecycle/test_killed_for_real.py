"""Retention and replication killed with SIGKILL at work: nothing that is owed is lost, and the next run ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from support.module_runs import ForkedModule, run_module
from support.small_sets import contents, directory_of, lay, small_set

NOW = datetime.now(timezone.utc).replace(microsecond=0)
KILLS = 5


def ids(days: range) -> list[str]:
    return [str(SetId(NOW - timedelta(days=day), "daily")) for day in days]


KEPT, DUE = ids(range(1, 6)), ids(range(30, 90))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A local location in which most sets are due."""
    place = tmp_path / "first"
    place.mkdir(mode=0o700)
    for set_id in (*KEPT, *DUE):
        lay(place, set_id, small_set(set_id))
    yield place


def options(tmp_path: Path, *names: str, **more: Any) -> dict[str, Any]:
    locations = [{"name": name, "type": "local", "path": str(tmp_path / name)} for name in names]
    return {"label": "shop", "locations": locations, "cache_dir": str(tmp_path / "cache"), **more}


def whole(root: Path) -> set[str]:
    """The sets that have a manifest; each of them has to have everything."""
    found = set()
    for set_id in (*KEPT, *DUE):
        there = contents(directory_of(root, set_id))
        if "manifest.json" in there:
            assert there == small_set(set_id), set_id
            found.add(set_id)
    return found


def manifests(root: Path) -> int:
    return sum((directory_of(root, set_id) / "manifest.json").exists() for set_id in (*KEPT, *DUE))


def kill_when(process: ForkedModule, reached: Callable[[], bool]) -> None:
    """Kill it as soon as it has come so far; at its end if it never does."""
    while process.poll() is None and not reached():
        time.sleep(0.004)
    process.kill()
    process.communicate()


def test_a_clean_up_that_is_killed_again_and_again_loses_nothing_that_is_kept_and_is_finished_by_the_next(
    tmp_path: Path, root: Path
) -> None:
    given = options(tmp_path, "first", policy={"daily": "7d"})
    for left in range(len(DUE), 0, -len(DUE) // KILLS):
        kill_when(ForkedModule("backup_prune", given), lambda left=left: manifests(root) < left)
        assert whole(root) >= set(KEPT)
    assert whole(root) < {*KEPT, *DUE}
    assert not run_module("backup_prune", **given).get("failed")
    assert whole(root) == set(KEPT)


def test_a_replication_that_is_killed_again_and_again_shows_no_half_set_and_is_finished_by_the_next(
    tmp_path: Path, root: Path
) -> None:
    second = tmp_path / "second"
    second.mkdir(mode=0o700)
    given = options(tmp_path, "first", "second", policy={"daily": "1y"})
    for made in range(1, len(DUE), len(DUE) // KILLS):
        kill_when(ForkedModule("backup_replicate", given), lambda made=made: manifests(second) >= made)
        assert whole(root) == {*KEPT, *DUE}
        whole(second)
    assert whole(second)
    assert not run_module("backup_replicate", **given).get("failed")
    assert whole(second) == {*KEPT, *DUE}
