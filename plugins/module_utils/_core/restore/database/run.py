"""The operation behind ``restore_database``: parameters in, a report out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...catalogue.identity import Identity
from ...errors import ConfigError, after_change
from ...platforms.profiles import find_profile
from ...postgres.connection import ConnectionOptions
from ...postgres.messages import database_errors
from ...postgres.preflight import system_identifier
from ...reading.access import open_access
from ..origins import refuse_other
from .contents import Contents, open_file, open_set
from .expected_differences import ExpectedDifferences
from .extensions import check_extensions
from .locks import lock_target
from .plan import RestorePlan
from .preparing import prepare
from .replaced_database import finalize, reap_unfinished, revert
from .reporting import report_kept, report_planned, report_restored, report_resumed
from .request import STEP, RestoreRequest
from .resuming import resume_paused
from .roles import make_roles
from .safety import check_safety, make_safety_backup
from .search_paths import SearchPaths
from .strategies import STRATEGIES, check_strategy
from .target import close_maintenance, elsewhere, is_empty, open_maintenance, read_target


def run_restore_database(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore one database as the parameters of ``restore_database`` say, or settle an earlier restore.

    :return: what the module returns.
    :raises BackupError: it could not be done; the database is what it was before.
    """
    # A session that is lost shows wherever it is asked next.
    with database_errors("restore the database"):
        return _run(params, check_mode)


def _run(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    request = parse_request(params)
    options = ConnectionOptions.parse(params)
    if request.state == "restored":
        return _restore(params, request, options, check_mode)
    connection = open_maintenance(options, request.beside, request.lock_timeout)
    try:
        lock_warnings = lock_target(connection, request.database)
        target = read_target(connection, request.database)
        if request.state == "resumed":
            resumed = resume_paused(options, target, check_mode=check_mode)
            report = report_resumed(request, resumed, check_mode=check_mode)
            return {**report, "warnings": [*lock_warnings, *report["warnings"]]}
        if request.state == "finalized":
            kept = finalize(connection, options, target, request, check_mode=check_mode)
        else:
            kept = revert(connection, options, target, request, check_mode=check_mode)
        return {**report_kept(request, kept), "warnings": lock_warnings}
    finally:
        close_maintenance(connection)


def parse_request(params: Mapping[str, Any]) -> RestoreRequest:
    """What the parameters ask for, checked as far as that goes without touching the world."""
    names = (
        "label", "backup", "before", "location", "src", "state", "strategy", "jobs", "expect_environment",
        "environment", "expect_database", "adopt", "safety_backup", "maintenance_db", "end_connections", "lock_timeout",
        "pg_bin_dir", "outbound",
    )  # fmt: skip
    given = {name: params[name] for name in names if params.get(name) is not None}
    expected = ExpectedDifferences.parse(params.get("expected_differences"), STEP)
    paths = SearchPaths.parse(params.get("entry_search_path"), STEP)
    database = ConnectionOptions.parse(params).database
    profile = find_profile(params.get("profile"))
    request = RestoreRequest(database=database, expected=expected, search_paths=paths, profile=profile, **given)
    check_strategy(request)
    return request


def _restore(
    params: Mapping[str, Any], request: RestoreRequest, options: ConnectionOptions, check_mode: bool
) -> dict[str, Any]:
    began = time.monotonic()
    safety = check_safety(request, params)
    with contextlib.ExitStack() as stack:
        contents = _open(params, request, stack)
        plan = _check_origin(check_extensions(prepare(request, options, contents, stack)))
        if check_mode:
            return report_planned(plan, time.monotonic() - began)
        reaped = reap_unfinished(plan.maintenance, plan.options, plan.target)
        made = make_safety_backup(safety, plan) if safety is not None else None
        with after_change(bool(reaped or made)):
            warnings = make_roles(plan.maintenance, plan.target, plan.roles)
        with after_change(bool(reaped or made or plan.roles.statements)):
            restored = STRATEGIES[plan.strategy].run(plan)
        return report_restored(plan, restored, made, reaped, warnings, time.monotonic() - began)


def _open(params: Mapping[str, Any], request: RestoreRequest, stack: contextlib.ExitStack) -> Contents:
    access = open_access(params, stack)
    if access.file is not None:
        return open_file(request, access.decryption, access.file)
    return open_set(request, access)


def _check_origin(plan: RestorePlan) -> RestorePlan:
    """Refuse to replace a database by the set of one on another server; a new or an empty one may be of any."""
    manifest, target = plan.contents.manifest, plan.target
    if manifest is None or target.database is None:
        return plan
    there = Identity(target.name, system_identifier(plan.maintenance))
    try:
        warnings = refuse_other(manifest, there, plan.request.adopt, any_name=True)
    except ConfigError:
        if is_empty(elsewhere(plan.options, target.name), plan.request.profile):
            return plan
        raise
    return replace(plan, warnings=(*plan.warnings, *warnings))
