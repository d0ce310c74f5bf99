"""What a drill tells its caller, and the report for the record: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...errors import BackupError
from ...findings import FAILED, PASSED, Finding, worst_first
from ...texts import visible
from .rehearsal import Rehearsal
from .request import DrillRequest

STEP = "write the report"
_FORMAT = "mobul.backup/drill-report"


def report_drills(
    request: DrillRequest, drills: Sequence[Rehearsal], records: Mapping[str, str], paths: Sequence[str]
) -> dict[str, Any]:
    """What the module returns.

    :param records: the name of the record, by location.
    """
    findings = [finding for drill in drills for finding in drill.findings]
    return {
        "label": request.label,
        "id": str(drills[0].set_id),
        "verdict": verdict_of(drills),
        "findings": [finding.to_dict() for finding in worst_first(findings)],
        "drills": [_describe(drill, records.get(drill.location)) for drill in drills],
        "reports": list(paths),
        "summary": [line for drill in drills for line in _summary(request, drill)],
        "warnings": [f"{drill.location}: {warning}" for drill in drills for warning in drill.warnings],
    }


def verdict_of(drills: Sequence[Rehearsal]) -> str:
    """``passed`` if every copy has passed, otherwise ``failed``."""
    return PASSED if drills and all(drill.verdict == PASSED for drill in drills) else FAILED


def report_planned(request: DrillRequest, drills: Sequence[Rehearsal]) -> dict[str, Any]:
    """Check mode: the copies are proven, and could be restored."""
    report = report_drills(request, drills, {}, ())
    report["summary"] = [line for drill in drills for line in _planned(request, drill)]
    return report


def _planned(request: DrillRequest, drill: Rehearsal) -> list[str]:
    if drill.verdict != PASSED:
        return _summary(request, drill)
    whence = f"{request.label}: {drill.set_id} from location '{drill.location}'"
    calls = [f"  {one.message}" for one in drill.findings if one.check == "outbound"]
    return [f"{whence} would be restored into a scratch database of PostgreSQL {drill.server_version}", *calls]


def write_reports(request: DrillRequest, drills: Sequence[Rehearsal], directory: str) -> list[str]:
    """Write both files and return their paths; files of other drills are left alone.

    :raises BackupError: they could not be written.
    """
    stem = f"drill_{request.label}_{drills[-1].finished:%Y%m%d_%H%M%S}"
    texts = {
        f"{stem}.md": markdown(request, drills),
        f"{stem}.json": json.dumps(_document(request, drills), indent=2) + "\n",
    }
    paths = []
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for name, text in texts.items():
            path = os.path.join(directory, name)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            paths.append(path)
    except OSError as error:
        raise BackupError(STEP, f"{directory}: {error.strerror}", hint="name another report_dir") from None
    return paths


def markdown(request: DrillRequest, drills: Sequence[Rehearsal]) -> str:
    """The report in Markdown, for people."""
    first = drills[0]
    lines = [
        f"# Restore drill of {_cell(request.label)}: {verdict_of(drills)}",
        "",
        f"- Backup: {first.set_id}",
        f"- Environment: {_cell(request.environment or 'not asked for')}",
        f"- Begun: {_time(first.started)}, ended: {_time(drills[-1].finished)}",
        f"- Copies: {', '.join(_cell(drill.location) for drill in drills)}",
    ]
    for drill in drills:
        lines += ["", f"## Location {_cell(drill.location)}: {drill.verdict}", ""]
        lines.append(f"- Manifest: {drill.manifest_sha256 or 'not readable'}, signature {drill.signature or 'unknown'}")
        if drill.restore_seconds is not None:
            lines.append(f"- Recovery time: {drill.restore_seconds:.1f} s, into PostgreSQL {drill.server_version}")
        lines += ["", "| Check | Result | What was found |", "|---|---|---|"]
        lines += [_row(finding, drill.location) for finding in worst_first(drill.findings)]
        if drill.differences:
            lines += ["", f"All {len(drill.differences):,} differences:", ""]
            lines += [f"- {_cell(one.message)}" for one in drill.differences]
        lines += [f"- Warning: {_cell(warning)}" for warning in drill.warnings]
    return "\n".join([*lines, ""])


def _row(finding: Finding, location: str) -> str:
    subject = finding.subject.removeprefix(location).lstrip(": ")
    check = f"{finding.check}: {subject}" if subject else finding.check
    status = finding.status if finding.status == PASSED else f"**{finding.status}**"
    return f"| {_cell(check)} | {status} | {_cell(finding.message)} |"


def _cell(text: str) -> str:
    """As text in Markdown, whatever is in it: names come from a database."""
    flat = " ".join(visible(text).split())
    return "".join(f"\\{character}" if character in "\\|`*_<>[]#" else character for character in flat)


def _document(request: DrillRequest, drills: Sequence[Rehearsal]) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": 1,
        "label": request.label,
        "id": str(drills[0].set_id),
        "environment": request.environment,
        "verdict": verdict_of(drills),
        "drills": [_describe(drill, None) for drill in drills],
    }


def _describe(drill: Rehearsal, record: str | None) -> dict[str, Any]:
    return {
        "location": drill.location,
        "verdict": drill.verdict,
        "started": _time(drill.started),
        "finished": _time(drill.finished),
        "manifest_sha256": drill.manifest_sha256,
        "signature": drill.signature,
        "server_version": drill.server_version,
        "restore_seconds": None if drill.restore_seconds is None else round(drill.restore_seconds, 3),
        "findings": [finding.to_dict() for finding in drill.findings],
        "differences": [{"check": one.check, "object": one.name, "message": one.message} for one in drill.differences],
        "record": record,
    }


def _summary(request: DrillRequest, drill: Rehearsal) -> list[str]:
    took = "" if drill.restore_seconds is None else f", restored and compared in {drill.restore_seconds:.1f} s"
    head = f"{request.label}: drill of {drill.set_id} from location '{drill.location}' {drill.verdict}{took}"
    return [head, *(f"  {finding}" for finding in worst_first(drill.findings) if finding.status != PASSED)]


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
