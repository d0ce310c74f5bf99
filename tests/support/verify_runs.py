"""Verifications as tests start them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.verification.run import run_verify_dump
from ansible_collections.mobul.backup.plugins.modules import verify_dump

from .module_parameters import parameters


def verify(cache_dir: Path, **options: Any) -> dict[str, Any]:
    """Run one in this process and return its report, whatever its verdict."""
    asked = {"fail": False, "cache_dir": str(cache_dir), **options}
    return run_verify_dump(parameters(verify_dump, **asked), False)


def statuses(report: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """A mapping from check and subject to status."""
    return {(one["check"], one["subject"]): one["status"] for one in report["findings"]}


def bad(report: Mapping[str, Any]) -> dict[str, str]:
    """A mapping from the name of each failed check to its message."""
    return {one["check"]: one["message"] for one in report["findings"] if one["status"] == "failed"}
