"""What the registered results of the collection's tasks mean for an alert."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.findings import Finding
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.alerting.findings_of_results import (
    findings_of,
    read_findings,
)

GOOD = {"name": "s3", "status": "good", "error": None}
GONE = {"name": "gdrive", "status": "failed", "error": "upload: location 'gdrive': the quota is used up"}
BACKUP = {"changed": True, "copies": 2, "locations": [GOOD], "summary": ["shop: weekly_1, 1 of 1 copies good", "more"]}


def told(*results: dict[str, Any], source: str = "weekly") -> dict[tuple[str, str], tuple[str, str]]:
    """Check and subject -> status and message."""
    return {(one.check, one.subject): (one.status, one.message) for one in findings_of(results, source)}


def test_a_good_backup_passes_as_a_job_and_for_each_location() -> None:
    assert told(BACKUP) == {
        ("job", "weekly"): ("passed", "shop: weekly_1, 1 of 1 copies good"),
        ("upload", "s3"): ("passed", "the copy is there"),
    }


def test_a_missing_copy_fails_where_the_backup_failed_for_it_and_warns_where_others_were_enough() -> None:
    both = {**BACKUP, "locations": [GOOD, GONE]}
    assert told(both)["upload", "gdrive"] == ("warning", GONE["error"])
    failed = {**both, "failed": True, "msg": "1 of 2 copies are good, 2 needed"}
    assert told(failed) == {
        ("job", "weekly"): ("failed", "1 of 2 copies are good, 2 needed"),
        ("upload", "s3"): ("passed", "the copy is there"),
        ("upload", "gdrive"): ("failed", GONE["error"]),
    }


def test_in_check_mode_no_copy_is_said_to_be_there() -> None:
    planned = {"changed": True, "locations": [{**GOOD, "status": "planned"}], "summary": ["would be made"]}
    assert told(planned) == {("job", "weekly"): ("passed", "would be made")}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"failed": True, "msg": "connect to the database: refused"}, "connect to the database: refused"),
        ({"unreachable": True, "msg": "Failed to connect"}, "Failed to connect"),
        (
            {"failed": True, "msg": "not found", "module_stderr": "x\n/bin/sh: 1: python: not found\n"},
            "python: not found",
        ),
        ({"failed": True, "censored": "the output has been hidden"}, "hidden"),
        ({"failed": True}, "ended without a message"),
        ({}, "ended without a message"),
    ],
)
def test_a_task_that_failed_or_never_ran_is_a_job_that_failed(result: dict[str, Any], reason: str) -> None:
    ((condition, (status, message)),) = told(result).items()
    assert (condition, status) == (("job", "weekly"), "failed")
    assert reason in message


@pytest.mark.parametrize("result", [{"skipped": True}, {"changed": False, "skipped_because": "another backup runs"}])
def test_what_was_skipped_says_nothing(result: dict[str, Any]) -> None:
    assert told(result) == {}


def test_each_item_of_a_loop_counts() -> None:
    loop = {"results": [{"changed": False}, {"failed": True, "msg": "second"}], "failed": True, "msg": "One or more"}
    assert [(one.status, one.message) for one in findings_of([loop], "verify")] == [
        ("passed", "ended"),
        ("failed", "second"),
    ]


def test_findings_of_a_result_are_told_as_they_are_and_say_why_the_task_failed() -> None:
    own = {"check": "checksum", "subject": "s3", "status": "failed", "message": "differs"}
    found = told({"failed": True, "msg": "verdict failed", "findings": [own]}, source="verify")
    assert found["checksum", "s3"] == ("failed", "differs")
    assert found["job", "verify"][0] == "passed"


def test_a_task_that_failed_beside_good_findings_is_a_job_that_failed() -> None:
    own = {"check": "checksum", "subject": "s3", "status": "passed", "message": "fits"}
    assert told({"failed": True, "msg": "interrupted", "findings": [own]})["job", "weekly"] == ("failed", "interrupted")


def test_damaged_copies_warn_until_there_are_none() -> None:
    damaged = {"id": "daily_1", "location": "disk", "problem": "a file is missing", "repaired": False}
    status, message = told({"damaged": [damaged]})["damaged_copies", ""]
    assert status == "warning"
    assert "daily_1 in location 'disk': a file is missing" in message
    for good in ([], [{**damaged, "repaired": True}]):
        assert told({"damaged": good})["damaged_copies", ""][0] == "passed"


@pytest.mark.parametrize("given", [{}, {"status": "unknown"}, {"status": None, "message": 5}, "text", None])
def test_what_is_no_finding_counts_as_a_failure(given: Any) -> None:
    (found,) = read_findings([given])
    assert isinstance(found, Finding)
    assert found.status == "failed"
    assert found.message
