"""An empty answer in a location or a channel, as surveys and variables of the environment give it, is none."""

from __future__ import annotations

from pathlib import Path

from support.module_runs import run_module


def test_a_location_with_empty_options_is_one_without_them(tmp_path: Path) -> None:
    location = {"name": "here", "type": "local", "path": str(tmp_path), "bucket": "", "sse": "", "stall_timeout": ""}
    result = run_module("backup_info", label="shop", locations=[location])
    assert not result.get("failed"), result["msg"]


def test_an_option_that_must_be_given_is_missing_where_it_is_empty() -> None:
    result = run_module("backup_info", label="shop", locations=[{"name": "", "type": "local", "path": "/"}])
    assert result["failed"]
    assert "name" in result["msg"]
