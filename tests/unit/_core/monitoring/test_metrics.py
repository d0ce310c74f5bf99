"""The file for Prometheus: whole or not there, readable for its reader, and written only when something changed."""

from __future__ import annotations

import os
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.metrics import (
    metrics_text,
    run_backup_metrics,
)
from prometheus_client.parser import text_string_to_metric_families
from support.small_sets import lay, small_set
from support.watched_sets import NEWEST, NOW, WEEKS, Bench


def samples(text: str) -> dict[tuple[str, str], float]:
    """Name without its prefix, and its label of its own -> value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            assert (one.labels["label"], one.labels["environment"]) == ("shop", "production")
            own = next((value for name, value in one.labels.items() if name not in ("label", "environment")), "")
            found[one.name.removeprefix("mobul_backup_"), own] = one.value
    return found


def of(bench: Bench, days: float = 0) -> dict[tuple[str, str], float]:
    catalogue = read_catalogue(bench.locations, "shop", cache_dir=None)
    return samples(metrics_text(catalogue, "production", NOW + timedelta(days=days)))


def test_the_newest_good_set_of_a_kind_and_the_last_drill_of_a_location_are_told() -> None:
    bench = Bench()
    bench.remove(NEWEST, bench.second)
    bench.drill(WEEKS[-2], 0.5, "failed", "second")
    found = of(bench)
    assert found["sets", "weekly"] == len(WEEKS)
    assert (found["last_copies", "weekly"], found["expected_copies", "weekly"]) == (1, 2)
    assert found["last_snapshot_timestamp_seconds", "weekly"] == (NOW - timedelta(days=3)).timestamp()
    assert found["last_size_bytes", "weekly"] > 100_000
    assert found["last_drill_passed", "first"] == 1
    assert found["last_drill_passed", "second"] == 0
    assert found["last_drill_restore_seconds", "first"] == 3
    assert found["last_drill_timestamp_seconds", "first"] == (NOW - timedelta(days=1)).timestamp()
    assert found["damaged_copies", "first"] == found["held_sets", ""] == 0


def test_no_label_has_a_character_that_cannot_be_seen() -> None:
    catalogue = read_catalogue(Bench().locations, "shop", cache_dir=None)
    text = metrics_text(catalogue, "prod\x1b[2J\u202e\u2028\n", NOW)
    assert all(line.isprintable() for line in text.split("\n"))
    assert r'environment="prod\\x1b[2J\\u202e' in text


def test_a_location_that_is_down_is_told_and_lacks_its_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    def down(prefix: str) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(bench.second, "list", down)
    found = of(bench)
    assert (found["location_up", "first"], found["location_up", "second"]) == (1, 0)
    assert (found["last_copies", "weekly"], found["expected_copies", "weekly"]) == (1, 2)


def test_nothing_in_the_file_depends_on_when_it_is_written() -> None:
    bench = Bench()
    assert of(bench) == of(bench, days=100)


@pytest.fixture
def parameters(tmp_path: Path) -> dict[str, Any]:
    root = tmp_path / "backups"
    root.mkdir(mode=0o700)
    lay(root, NEWEST, small_set(NEWEST))
    (tmp_path / "metrics").mkdir()
    return {
        "label": "shop",
        "environment": "production",
        "locations": [{"name": "local", "type": "local", "path": str(root)}],
        "verify_key": [],
        "cache_dir": str(tmp_path / "cache"),
        "directory": str(tmp_path / "metrics"),
    }


def test_a_file_is_written_once_and_can_be_read_by_everybody(parameters: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "mobul_backup_shop.prom"
    mask = os.umask(0o077)
    try:
        assert run_backup_metrics(parameters, True)["changed"]
        assert not path.exists()
        first = run_backup_metrics(parameters, False)
    finally:
        os.umask(mask)
    assert (first["changed"], first["path"], first["diff"]["before"]) == (True, str(path), "")
    assert path.read_text() == first["diff"]["after"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not run_backup_metrics(parameters, False)["changed"]
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("check_mode", [False, True], ids=["run", "check mode"])
def test_a_directory_that_is_not_there_is_an_error_that_says_which_is_meant(
    parameters: dict[str, Any], check_mode: bool
) -> None:
    with pytest.raises(BackupError, match=r"textfile\.directory"):
        run_backup_metrics({**parameters, "directory": "/nonexistent"}, check_mode)


def test_a_write_that_fails_leaves_the_old_file(
    parameters: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_backup_metrics(parameters, False)
    path = tmp_path / "metrics" / "mobul_backup_shop.prom"
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackupError, match="No space left on device"):
        run_backup_metrics({**parameters, "environment": "other"}, False)
    assert (path.read_bytes(), os.listdir(path.parent)) == (before, [path.name])


def test_without_any_location_nothing_is_written(parameters: dict[str, Any], tmp_path: Path) -> None:
    parameters["locations"][0]["path"] = str(tmp_path / "nowhere")
    with pytest.raises(BackupError, match="no location could be read"):
        run_backup_metrics(parameters, False)
    assert os.listdir(tmp_path / "metrics") == []


def test_a_missing_library_is_named(parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(PreflightError, match="pip install prometheus-client"):
        run_backup_metrics(parameters, False)
