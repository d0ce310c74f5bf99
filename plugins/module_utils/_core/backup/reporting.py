"""What a backup tells its caller: values for playbooks, and a summary that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..backupset.manifest import Manifest
from ..errors import BackupError
from ..findings import PASSED, WARNING, Finding
from ..postgres.names import display_name
from ..texts import bounded_list, page, readable_size
from .backup_run import Written
from .named_tables import missing_finding
from .preflight import Cleared, locations_without_newest
from .preparing import Ends, Plan
from .request import BackupRequest


def report_planned(request: BackupRequest, ends: Ends, plan: Plan, duration: float) -> dict[str, Any]:
    """Check mode: everything was checked, nothing was written."""
    locations = _locations(ends, plan.failures, good="planned")
    summary = [
        f"{request.label}: {plan.set_id} would be made of database {plan.server.database!r} "
        f"(PostgreSQL {plan.server.version}, {readable_size(plan.server.size)})",
        *_left_out(plan),
        *(_location_line(location, plan.directory(request.label)) for location in locations),
    ]
    return {
        "changed": True,
        **_common(request, ends, plan, duration),
        "locations": locations,
        "warnings": [*plan.warnings, *_missing(plan.failures)],
        "summary": summary,
        "diff": _diff(summary),
    }


def report_written(
    request: BackupRequest, ends: Ends, plan: Plan, written: Written, cleared: Sequence[Cleared], duration: float
) -> dict[str, Any]:
    """The result of a backup that at least one location has received."""
    manifest = written.manifest
    locations = _locations(ends, written.failures, good="good", proofs=written.proofs)
    size = sum(artifact.size for artifact in manifest.artifacts)
    summary = _summary(request, plan, manifest, locations, duration)
    return {
        "changed": True,
        **_common(request, ends, plan, duration),
        "copies": sum(location["status"] == "good" for location in locations),
        "locations": locations,
        "artifacts": [
            {"name": artifact.name, "role": artifact.role, "size": artifact.size, "sha256": artifact.sha256}
            for artifact in manifest.artifacts
        ],
        "manifest_sha256": written.manifest_sha256,
        "tables": len(manifest.tables),
        "rows": _rows(manifest),
        "size": size,
        "reaped": [text for one in cleared for text in one.removed],
        "warnings": [
            *manifest.warnings,
            *_missing(written.failures),
            *(text for one in cleared for text in one.warnings),
            *_unproven(ends, locations),
            *written.notices,
        ],
        "summary": summary,
        "diff": _diff(summary),
    }


def _common(request: BackupRequest, ends: Ends, plan: Plan, duration: float) -> dict[str, Any]:
    return {
        "id": str(plan.set_id),
        "label": request.label,
        "directory": plan.directory(request.label),
        "signed": ends.signing_key is not None,
        "database": {
            "name": plan.server.database,
            "system_identifier": plan.server.system_identifier,
            "server_version": plan.server.version,
            "size": plan.server.size,
        },
        "previous": None if plan.previous is None else str(plan.previous.id),
        "behind": locations_without_newest(plan.surveys),
        "duration": round(duration, 3),
        "left_out": list(map(display_name, plan.left_out)),
        "missing_tables": list(dict.fromkeys(one.name for one in plan.gone)),
        "findings": [_lock_finding(plan).to_dict(), missing_finding(plan.gone, plan.previous).to_dict()],
    }


def _lock_finding(plan: Plan) -> Finding:
    lock_warning = plan.snapshot.lock_warning
    if lock_warning is None:
        return Finding(check="backup_lock", status=PASSED, message="no session blocks backups")
    return Finding(check="backup_lock", status=WARNING, message=lock_warning)


def _locations(
    ends: Ends, failures: Mapping[str, BackupError], *, good: str, proofs: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for location in ends.locations:
        error = failures.get(location.name)
        status = good if error is None else "failed"
        rows.append(
            {
                "name": location.name,
                "type": location.type,
                "status": status,
                "proof": None if error is not None else (proofs or {}).get(location.name),
                "error": None if error is None else str(error),
            }
        )
    return rows


def _missing(failures: Mapping[str, BackupError]) -> list[str]:
    """A copy that is missing is no failure as long as there are enough others, and no matter of course either."""
    return [f"no copy in location '{name}': {error}" for name, error in failures.items()]


def _unproven(ends: Ends, locations: list[dict[str, Any]]) -> list[str]:
    """Copies of which no checksum was told, where one could have been."""
    enough = {location.name for location in ends.locations if location.size_proves}
    return [
        f"{location['name']}: the store's answers prove no more than the sizes of the objects"
        for location in locations
        if location["proof"] == "size" and location["name"] not in enough
    ]


def _summary(
    request: BackupRequest, plan: Plan, manifest: Manifest, locations: list[dict[str, Any]], duration: float
) -> list[str]:
    good = sum(location["status"] == "good" for location in locations)
    held = f"{len(manifest.tables)} tables" if request.dumps else f"{len(manifest.artifacts)} exports"
    return [
        f"{request.label}: {manifest.id}, {good} of {len(locations)} copies good, {duration:.1f} s",
        f"database {plan.server.database!r}, PostgreSQL {plan.server.version}, {readable_size(plan.server.size)}: "
        f"{held}, {_rows(manifest):,} rows",
        *_left_out(plan),
        *(f"  {artifact.name}  {readable_size(artifact.size)}" for artifact in manifest.artifacts),
        *(_location_line(location, plan.directory(request.label)) for location in locations),
    ]


def _rows(manifest: Manifest) -> int:
    """The sum of the row counts of all tables, or of all exports in a set that has no dump."""
    if manifest.id.is_backup:
        return sum(table.rows for table in manifest.tables)
    return sum(artifact.export.rows for artifact in manifest.artifacts if artifact.export is not None)


def _left_out(plan: Plan) -> list[str]:
    names = bounded_list(list(map(display_name, plan.left_out)))
    return [f"without the rows of {names}, on purpose"] if names else []


def _location_line(location: Mapping[str, Any], directory: str) -> str:
    detail = location["error"] or directory
    return f"{location['name']} ({location['type']}): {location['status']}: {detail}"


def _diff(summary: list[str]) -> dict[str, str]:
    return {"before": "", "after": page(summary)}
