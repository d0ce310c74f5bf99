"""The operation behind ``restore_drill``: parameters in, a report out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...backupset.record_keys import record_signing_key
from ...backupset.signing import SigningKey
from ...catalogue.good_set import choose_id
from ...errors import BackupError, ReportedError
from ...findings import FAILED, WARNING
from ...locations.base import Location
from ...postgres.connection import ConnectionOptions
from ...postgres.messages import database_errors
from ...postgres.throwaway import ThrowawayServer, check_host
from ...reading.access import open_access
from .record import record_of, write_record
from .rehearsal import Drill, Rehearsal
from .reporting import report_drills, report_planned, write_reports
from .request import THROWAWAY, DrillRequest

STEP = "verify the backup"
_BAD = "do not count on this copy; take a new backup, and look into the report"
_UNREPLAYABLE = (
    "the copy is what was backed up, and a new backup would fail in the same way: correct the object that is named"
)


class DrillFailed(ReportedError):
    """A copy could not be restored or differs from its manifest."""


class _Servers:
    """The way to the server that drills use; a throwaway one is started when it is first asked for."""

    def __init__(self, request: DrillRequest, options: ConnectionOptions, stack: contextlib.ExitStack) -> None:
        self._request = request
        self._options = options
        self._stack = stack
        self._throwaway: ThrowawayServer | None = None

    def __call__(self, version_num: int) -> ConnectionOptions:
        request = self._request
        if request.target != THROWAWAY:
            return self._options
        if self._throwaway is None:
            server = ThrowawayServer(
                version_num,
                pg_bin_dir=request.pg_bin_dir,
                directory=request.throwaway_dir,
                run_as=request.run_as,
            )
            self._throwaway = self._stack.enter_context(server)
        return self._throwaway.options


def run_restore_drill(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore and compare a set as the parameters of ``restore_drill`` say.

    :return: what the module returns.
    :raises DrillFailed: a copy failed.
    :raises BackupError: nothing could be found out: the server or every location is out of reach.
    """
    request = DrillRequest.parse(params)
    options = ConnectionOptions.parse(params)
    if request.target == THROWAWAY:
        check_host(request.throwaway_dir, request.run_as)
    key = record_signing_key(params)
    with database_errors(STEP), contextlib.ExitStack() as stack:
        access = open_access(params, stack)
        # A location that cannot be asked fails its own drill.
        set_id = choose_id(access.locations, request.label, request.wanted, {})
        drill = Drill(request, access, set_id, _Servers(request, options, stack))
        if check_mode:
            drills = [drill.rehearse(location, only_check=True) for location in access.locations]
            report = {"changed": request.record or request.report_dir is not None, **report_planned(request, drills)}
        else:
            drills, records = _rehearse_all(request, drill, access.locations, key)
            paths = [] if request.report_dir is None else write_reports(request, drills, request.report_dir)
            report = {"changed": bool(records or paths), **report_drills(request, drills, records, paths)}
    if report["verdict"] == FAILED and params.get("fail", True):
        failed = [one for one in drills if one.verdict == FAILED]
        hint = _UNREPLAYABLE if all(one.unreplayable for one in failed) else _BAD
        raise DrillFailed(STEP, _reason(drills), report, hint=hint)
    return report


def _rehearse_all(
    request: DrillRequest, drill: Drill, locations: Sequence[Location], key: SigningKey | None
) -> tuple[list[Rehearsal], dict[str, str]]:
    """Drill every copy; each record is written at once, as the server may be gone before the next."""
    drills: list[Rehearsal] = []
    records: dict[str, str] = {}
    for location in locations:
        rehearsal = drill.rehearse(location)
        drills.append(rehearsal)
        record = record_of(rehearsal, request.label) if request.record else None
        if record is not None:
            try:
                records[location.name] = write_record(location, record, key)
            except BackupError as error:
                rehearsal.add_finding("record", WARNING, f"the outcome could not be written beside the set: {error}")
    return drills, records


def _reason(drills: Sequence[Rehearsal]) -> str:
    failed = [
        f"location '{drill.location}': {finding.check}: {finding.message}"
        for drill in drills
        for finding in drill.findings
        if finding.status == FAILED
    ]
    return f"{drills[0].set_id} did not pass its drill: {'; '.join(failed)}"
