"""Everything that is proven and checked before a restore changes its first byte."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace

from ...backupset.manifest import Manifest
from ...errors import PreflightError
from ...platforms.left_out_tables import unseen_tables, without_tables
from ...postgres.any_bytes import server_encoding
from ...postgres.connection import ConnectionOptions, connect
from ...postgres.messages import database_errors
from ...postgres.pooler import is_pooled
from ...postgres.programs import Program, find_program
from ...postgres.types import Connection
from ...stream.process import child_environment
from ...texts import bounded_list
from ..outbound.forecast import NOTHING_FORESEEN, Forecast, foresee
from .children import tool_message
from .contents import Contents
from .extensions import without_extensions
from .locks import lock_target, refuse_running_backup
from .lost_settings import lost_settings
from .memory_file import archive_in_memory
from .plan import RestorePlan
from .psql_filter import check_restricts
from .request import RestoreRequest
from .reserved import reserved_warnings
from .rights import owner_of_restored, session_warnings
from .roles import entries_to_restore, plan_missing_roles, roles_left
from .script_calls import HINT
from .strategies import choose_strategy
from .strategy import Strategy
from .subscriptions import subscriptions_of, warn_before
from .target import (
    STEP,
    Target,
    check_quiet,
    close_maintenance,
    elsewhere,
    missing_names,
    open_maintenance,
    read_target,
)

_NO_DATA = "no data will be available"


def prepare(
    request: RestoreRequest, options: ConnectionOptions, contents: Contents, stack: contextlib.ExitStack
) -> RestorePlan:
    """Check the target and make the plan, for contents that are verified already.

    :param stack: holds the session with the restore's lock, which ends with it.
    :raises BackupError: what is in the way; nothing was touched.
    """
    maintenance = open_maintenance(options, request.beside, request.lock_timeout)
    stack.callback(close_maintenance, maintenance)
    options = options.pinned(maintenance)
    lock_warnings = lock_target(maintenance, request.database)
    target = read_target(maintenance, request.database)
    strategy = choose_strategy(request, target)
    request, lacking_extensions = without_extensions(
        replace(request, strategy=strategy.name), maintenance, contents.toc
    )
    _check_options(request, strategy, contents)
    version = _check_version(target, contents)
    if target.database is not None:
        refuse_running_backup(maintenance, options, target.name)
    subscriptions = subscriptions_of(maintenance, request.database)
    lacking = _missing_tablespaces(maintenance, contents)
    quiet = check_quiet(maintenance, target, replaced=strategy.replaces)
    warnings = [*contents.warnings, *lock_warnings, *quiet, *_identity(target, contents)]
    warnings += lacking_extensions
    warnings += [*_without_tablespaces(lacking), *lost_settings(contents.toc, target.database)]
    warnings += warn_before(subscriptions, request.database, replaced=strategy.replaces)
    roles = plan_missing_roles(maintenance, target, contents, request)
    owner = owner_of_restored(maintenance, target, contents.toc, roles)
    warnings += [*roles_left(roles, target), *session_warnings(maintenance, target)]
    if not target.superuser:
        warnings += reserved_warnings(list(entries_to_restore(target, contents, request)), target.version_num)
    warnings += strategy.check_rights(maintenance, target, contents, request, owner)
    pg_restore, pg_dump, psql = _programs(request, contents, target, strategy, version)
    check_readable(pg_restore, contents)
    forecast = NOTHING_FORESEEN if request.outbound == "active" else foresee(contents.toc)
    refuse_calls(forecast, request, contents)
    plan = RestorePlan(
        request=request,
        options=options,
        contents=contents,
        target=target,
        strategy=strategy.name,
        roles=roles,
        owner=owner,
        maintenance=maintenance,
        pg_restore=pg_restore,
        pg_dump=pg_dump,
        psql=psql,
        pooled=is_pooled(maintenance),
        tablespaces=not lacking,
        subscriptions=tuple(subscriptions),
        warnings=tuple(warnings),
        without=tuple(_without(request, options)),
        forecast=forecast,
    )
    return strategy.complete(plan)


def refuse_calls(forecast: Forecast, request: RestoreRequest, contents: Contents) -> None:
    """Refuse a restore whose rows could be right only if the server called out while they are loaded.

    :raises PreflightError: naming what stores the answers. What nobody is to use may be wrong in them.
    """
    if contents.file is not None and contents.file.acts and request.outbound != "active":
        raise PreflightError(
            STEP,
            f"{contents.name} is a script that calls out: {bounded_list(list(contents.file.acts))}",
            hint=f"nothing was touched; {HINT}",
        )
    if contents.archive is None and (calling := [*forecast.called_at_load, *map(str, forecast.unfilled)]):
        raise PreflightError(
            STEP,
            "to load it the server would have to call out, which can be prevented for a set only: "
            f"{bounded_list(calling)}",
            hint=f"nothing was touched; {HINT}",
        )
    stored = [name for name in forecast.stored if not request.expected(name)]
    if stored and not request.scratch:
        raise PreflightError(
            STEP,
            f"to fill it the server would have to call out, which a restore does not allow: {bounded_list(stored)}",
            hint=f"nothing was touched; {HINT}, expected_differences: ['{stored[0]}'] restores the rest without it",
        )


def _without(request: RestoreRequest, options: ConnectionOptions) -> list[str]:
    if not request.is_projects:
        return []
    with contextlib.closing(connect(elsewhere(options, request.database))) as connection:
        unseen = unseen_tables(connection, request.profile)
        return without_tables(unseen, server_encoding(connection))


def _missing_tablespaces(connection: Connection, contents: Contents) -> list[str]:
    toc = contents.toc
    wanted = {entry.tablespace for entry in toc.entries if entry.tablespace} if toc is not None else set()
    with database_errors(STEP), connection.cursor() as cursor:
        return missing_names(cursor, "pg_tablespace", "spcname", sorted(wanted))


def _without_tablespaces(lacking: list[str]) -> Iterator[str]:
    if lacking:
        yield (
            f"the server lacks the tablespaces {bounded_list(lacking)}, so that everything goes into that of the "
            "database: CREATE TABLESPACE them before a restore that is to use them"
        )


def _check_version(target: Target, contents: Contents) -> int:
    """The version whose programs read the backup; refuse a server that is older than the backup's."""
    made = _server_version(contents)
    if made // 10000 > target.major:
        raise PreflightError(
            STEP,
            f"the backup is of PostgreSQL {made // 10000}, the server is {target.version}",
            hint="nothing was touched; restore it on a server of that version or a newer one",
        )
    dumped_by = 0
    if contents.manifest is not None:
        dumped_by = _major(contents.manifest.tools.get("pg_dump", ""))
    elif contents.toc is not None:
        dumped_by = _major(contents.toc.pg_dump_version)
    return max(target.version_num, dumped_by * 10000)


def _check_options(request: RestoreRequest, strategy: Strategy, contents: Contents) -> None:
    strategy.check_contents(contents)
    if request.search_paths and not (strategy.takes_search_paths and contents.archive is not None):
        raise PreflightError(
            STEP,
            "entry_search_path is for a set and strategy side_by_side",
            hint="nothing was touched; restore-by-hand.md says how to do it otherwise",
        )


def _server_version(contents: Contents) -> int:
    if contents.manifest is not None:
        return contents.manifest.database.server_version_num
    return _major(contents.toc.server_version) * 10000 if contents.toc is not None else 0


def _major(version: str) -> int:
    digits = version.split(".")[0].split(" ")[0]
    return int(digits) if digits.isdigit() else 0


def _programs(
    request: RestoreRequest, contents: Contents, target: Target, strategy: Strategy, version: int
) -> tuple[Program, Program | None, Program | None]:
    folder = request.pg_bin_dir
    pg_restore = find_program("pg_restore", version, folder)
    wanted = contents.manifest is not None or strategy.by_script
    pg_dump = None if not wanted else find_program("pg_dump", target.version_num, folder)
    psql = None
    if contents.toc is None or strategy.by_script:
        psql = find_program("psql", version, folder)
        check_restricts(psql)
    return pg_restore, pg_dump, psql


def check_readable(pg_restore: Program, contents: Contents) -> None:
    """Refuse a pg_restore that cannot read the archive: one that was built without its compression, above all.

    :raises PreflightError: with its own words.
    """
    with contextlib.ExitStack() as stack:
        if contents.archive is not None:
            path = stack.enter_context(archive_in_memory(contents.archive.source(data=False)))
        elif contents.file is not None and contents.file.direct:
            path = contents.file.path
        else:
            return
        result = subprocess.run(
            [pg_restore.path, "--list", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            env=child_environment({"LC_ALL": "C"}),
        )
    if result.returncode != 0 or _NO_DATA in result.stderr:
        raise PreflightError(
            "check the backup",
            f"{pg_restore.path} ({pg_restore.version_text}) cannot read it: {tool_message(result.stderr)}",
            hint="nothing was touched; name the folder of another installation as pg_bin_dir",
        )


def _identity(target: Target, contents: Contents) -> list[str]:
    manifest: Manifest | None = contents.manifest
    if manifest is None or target.database is None or manifest.database.encoding == target.database.encoding:
        return []
    return [
        f"the backup has the encoding {manifest.database.encoding}, database {target.name!r} has "
        f"{target.database.encoding}: what the latter lacks cannot be restored"
    ]
