"""The operation behind ``backup_check``: parameters in, findings out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ..backupset.record_keys import record_verify_keys
from ..backupset.signing import load_verify_keys
from ..catalogue.all_locations import Catalogue, read_catalogue
from ..catalogue.cache import default_directory
from ..catalogue.index import objects_stay
from ..errors import ReportedError
from ..findings import FAILED, PASSED, Finding, verdict, worst_first
from ..locations import enter_locations
from ..locations.base import Location
from ..texts import text_table
from .checks import (
    check_clock,
    check_copies,
    check_drills,
    check_holds,
    check_identity,
    check_integrity,
    check_recovery_points,
    check_review,
    check_sizes,
    check_skips,
    scheduled_sets,
)
from .content_checks import check_checksums, check_rows
from .request import CheckRequest

STEP = "check the backups"


class CheckFailed(ReportedError):
    """At least one check has failed."""


def run_backup_check(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look at the backups of one database as the parameters of ``backup_check`` say; changes nothing.

    :return: what the module returns.
    :raises CheckFailed: a check failed.
    """
    request = CheckRequest.parse(params)
    keys, record_keys = load_verify_keys(params["verify_key"]), record_verify_keys(params)
    with objects_stay(), contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        cache_dir = params["cache_dir"] or default_directory()
        catalogue = read_catalogue(
            locations, request.label, cache_dir=cache_dir, verify_keys=keys, record_keys=record_keys
        )
        findings = find_all(catalogue, request, locations, datetime.now(timezone.utc))
    report = report_findings(request.label, findings)
    if report["verdict"] == FAILED and params["fail"]:
        failed = [finding for finding in findings if finding.status == FAILED]
        raise CheckFailed(STEP, "; ".join(f"{_name(one)}: {one.message}" for one in failed), report)
    return report


def find_all(
    catalogue: Catalogue, request: CheckRequest, locations: Sequence[Location], now: datetime
) -> list[Finding]:
    """The findings of all checks."""
    found = [
        *check_recovery_points(catalogue, request, now),
        check_clock(catalogue, now),
        check_identity(catalogue, request),
        *check_skips(catalogue, request),
        *check_copies(catalogue, request, [location.name for location in locations]),
        *check_integrity(catalogue, request, now),
        *check_sizes(catalogue, request),
        *check_rows(catalogue, locations),
        *check_drills(catalogue, request, now),
        *check_holds(catalogue, request, now),
        *check_review(request, now),
        *request.others,
    ]
    if request.read:
        found += check_checksums(catalogue, scheduled_sets(catalogue, request), locations, request.min_copies)
    return found


def report_findings(label: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """The result of ``backup_check``."""
    ordered = worst_first(findings)
    counts = {status: sum(one.status == status for one in findings) for status in ("failed", "warning", PASSED)}
    counted = ", ".join(f"{count} {status}" for status, count in counts.items())
    return {
        "changed": False,
        "label": label,
        "verdict": verdict(findings),
        "findings": [finding.to_dict() for finding in ordered],
        "table": text_table(
            ("check", "subject", "status", "what was found"),
            [(one.check, one.subject, one.status, one.message) for one in ordered],
        ),
        "summary": [
            f"{label}: {verdict(findings)}: {counted}",
            *(f"  {finding}" for finding in ordered if finding.status != PASSED),
        ],
    }


def _name(finding: Finding) -> str:
    return f"{finding.check} ({finding.subject})" if finding.subject else finding.check
