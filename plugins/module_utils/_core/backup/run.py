"""The operation behind ``pg_backup``: parameters in, a report out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..backupset.signing import load_signing_key, load_verify_keys
from ..encryption.recipients import parse_encryption
from ..errors import ReportedError
from ..locations import enter_locations
from ..platforms.profiles import find_profile
from ..postgres.connection import ConnectionOptions
from ..postgres.snapshot import LockBusy
from ..postgres.standby import conflicts_named
from .attachments import Attachment
from .backup_run import BackupRun
from .preparing import Ends, prepare
from .reporting import report_planned, report_written
from .request import RESERVED_NAMES, BackupRequest, Compression, ExportSpec, TablePolicy
from .skipping import note_skip, report_skipped


class TooFewCopies(ReportedError):
    """Good copies exist, but fewer than were asked for."""


def run_pg_backup(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Back up one database as the parameters of ``pg_backup`` say.

    :return: what the module returns.
    :raises BackupError: it could not be done, or not often enough (:class:`TooFewCopies`).
    """
    began = time.monotonic()
    request = parse_request(params)
    with contextlib.ExitStack() as stack:
        ends = _open_ends(params, request, stack)
        try:
            plan = prepare(request, ends, stack)
        except LockBusy as busy:
            if params["if_running"] == "skip":
                return report_skipped(
                    request,
                    busy,
                    [] if check_mode else note_skip(request, ends.locations, busy, datetime.now(timezone.utc)),
                )
            raise
        if check_mode:
            return report_planned(request, ends, plan, time.monotonic() - began)
        cleared = [survey.reap() for survey in plan.surveys]
        with conflicts_named(plan.snapshot.options, in_recovery=plan.server.in_recovery):
            written = BackupRun(request, ends, plan).run()
        report = report_written(request, ends, plan, written, cleared, time.monotonic() - began)
    wanted = request.copies_wanted(len(ends.locations))
    if report["copies"] < wanted:
        message = "; ".join(str(error) for error in written.failures.values())
        raise TooFewCopies(
            "write the copies",
            f"{report['copies']} of {len(ends.locations)} copies are good, {wanted} needed: {message}",
            report,
            hint="the good copies are kept; make up for the others",
        )
    return report


def parse_request(params: Mapping[str, Any]) -> BackupRequest:
    """What the parameters ask for, checked as far as that goes without touching the world."""
    return BackupRequest(
        label=params["label"],
        kind=params["kind"],
        environment=params["environment"],
        labels={str(name): str(value) for name, value in params["labels"].items()},
        jobs=params["jobs"],
        compress=Compression.parse(params["compress"]),
        tables=tuple(TablePolicy(**table) for table in params["tables"]),
        exports=tuple(ExportSpec.parse(export) for export in params["exports"]),
        fingerprint=params["fingerprint"],
        min_copies=params["min_copies"],
        missing_tables=params["missing_tables"],
        exclude_table_data=tuple(params["exclude_table_data"]),
        lock_timeout=params["lock_timeout"],
        pg_bin_dir=params["pg_bin_dir"],
        allow_unencrypted=params["allow_unencrypted"],
        adopt=params.get("adopt"),
        attachments=_attachments(params),
        profile=find_profile(params.get("profile")),
    )


def _attachments(params: Mapping[str, Any]) -> tuple[Attachment, ...]:
    taken = {*RESERVED_NAMES, *(ExportSpec.parse(export).name for export in params["exports"])}
    return tuple(Attachment.parse(one, taken) for one in params["attachments"])


def _open_ends(params: Mapping[str, Any], request: BackupRequest, stack: contextlib.ExitStack) -> Ends:
    request.check_encryption(encrypted=bool(params["recipients"]))
    encryption = parse_encryption(params["recipients"], gnupghome=params["gnupghome"])
    stack.callback(encryption.close)
    for attachment in request.attachments:
        attachment.check(encryption)
    signing_key = load_signing_key(params["signing_key"]) if params["signing_key"] else None
    verify_keys = load_verify_keys(params["verify_key"] or ())
    if signing_key is not None:
        # What this key signs now, a later run takes for the set before it.
        verify_keys = tuple(dict.fromkeys((*verify_keys, signing_key.verify_key)))
    locations = enter_locations(stack, params["locations"])
    request.copies_wanted(len(locations))
    return Ends(ConnectionOptions.parse(params), locations, encryption, signing_key, verify_keys)
