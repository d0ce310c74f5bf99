"""Verifications as tests start them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.run import run_verify
from ansible_collections.mobul.backup.plugins.modules import verify_dump


def verify(cache_dir: Path, **options: Any) -> dict[str, Any]:
    """Run one in this process and return its report, whatever its verdict."""
    given: dict[str, Any] = {}
    original = verify_dump.run_module
    verify_dump.run_module = lambda spec, _operation: given.update(spec)
    try:
        verify_dump.main()
    finally:
        verify_dump.run_module = original
    asked = {"fail": False, "cache_dir": str(cache_dir), **options}
    result = ArgumentSpecValidator(given).validate({k: v for k, v in asked.items() if v is not None})
    if result.error_messages:
        raise ValueError(result.error_messages)
    return run_verify(dict(result.validated_parameters), False)


def statuses(report: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Check and subject -> status."""
    return {(one["check"], one["subject"]): one["status"] for one in report["findings"]}


def bad(report: Mapping[str, Any]) -> dict[str, str]:
    """Check -> message of what failed."""
    return {one["check"]: one["message"] for one in report["findings"] if one["status"] == "failed"}
