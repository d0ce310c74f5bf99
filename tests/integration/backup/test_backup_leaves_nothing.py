"""Check mode and a run that is refused leave every place as it was, without even an empty folder.

What is there stays: of two runs that find no root, the one that fails must not take it from the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_location
from support.backup_bench import Bench
from support.backup_runs import backup
from support.fake_programs import FakePrograms
from support.lab import PostgresServer, RcloneRemote


@pytest.fixture
def options(postgres17: PostgresServer, database: str, bench: Bench, rclone_config: RcloneRemote) -> dict[str, Any]:
    """Of a backup to a directory and to a folder in a folder, none of which is there yet."""
    locations = [bench.location(), rclone_config.location("Some/where/else")]
    return bench.options(postgres17, database, locations=locations)


def untouched(bench: Bench, remote: RcloneRemote) -> bool:
    return not bench.root.exists() and list(remote.root.iterdir()) == []


def test_check_mode_makes_no_root(options: dict[str, Any], bench: Bench, rclone_config: RcloneRemote) -> None:
    report = backup(check_mode=True, **options)
    assert [location["status"] for location in report["locations"]] == ["planned", "planned"]
    assert untouched(bench, rclone_config)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_refused_run_makes_no_root(
    options: dict[str, Any], bench: Bench, rclone_config: RcloneRemote, check_mode: bool
) -> None:
    with pytest.raises(BackupError, match="there is no table 'nowhere'"):
        backup(check_mode=check_mode, **{**options, "tables": [{"name": "nowhere", "priority": 1}]})
    assert untouched(bench, rclone_config)


def test_a_failed_run_leaves_nothing_but_the_roots(
    postgres17: PostgresServer, options: dict[str, Any], bench: Bench, rclone_config: RcloneRemote, tmp_path: Path
) -> None:
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, status=3) as programs, pytest.raises(SourceError):
        backup(**{**options, "pg_bin_dir": str(programs)})
    assert list(bench.root.iterdir()) == []
    assert [path for path in rclone_config.root.rglob("*") if path.is_file()] == []


def test_roots_that_are_missing_are_made(options: dict[str, Any], bench: Bench) -> None:
    backup(**options)
    assert [path.name for path in bench.root.glob("*/*/*/*/*/manifest.json")] == ["manifest.json"]


def test_a_root_that_was_there_before_stays(options: dict[str, Any], bench: Bench, rclone_config: RcloneRemote) -> None:
    bench.root.mkdir(mode=0o700)
    (rclone_config.root / "Some").mkdir()
    backup(check_mode=True, **options)
    assert bench.root.exists()
    assert [str(path.relative_to(rclone_config.root)) for path in rclone_config.root.rglob("*")] == ["Some"]


def test_a_root_that_somebody_uses_meanwhile_stays(options: dict[str, Any], rclone_config: RcloneRemote) -> None:
    for given in options["locations"]:
        first, whole_seconds = open_location(given), open_location(given)
        assert first.check(trial=True) is False
        assert whole_seconds.check()
        assert first.check(trial=True)
        whole_seconds.put("label/object", b"data")
        first.close()
        assert whole_seconds.get("label/object") == b"data"
        whole_seconds.close()
