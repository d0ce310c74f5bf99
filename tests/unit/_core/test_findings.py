"""A verdict never comes of nothing, and warnings are no failures."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding, verdict, worst_first


def _finding(status: str) -> Finding:
    return Finding(check="size", status=status, message="words")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "failed"),
        (["passed"], "passed"),
        (["passed", "warning"], "passed"),
        (["warning"], "passed"),
        (["passed", "failed", "passed"], "failed"),
    ],
)
def test_only_a_failure_or_nothing_at_all_fails(statuses: list[str], expected: str) -> None:
    assert verdict(map(_finding, statuses)) == expected


def test_the_worst_is_told_first_and_the_rest_keeps_its_order() -> None:
    told = worst_first([_finding(status) for status in ("passed", "warning", "failed", "passed")])
    assert [one.status for one in told] == ["failed", "warning", "passed", "passed"]
