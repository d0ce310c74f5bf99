"""The operation behind ``restore_table``: parameters in, a report out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...catalogue.identity import Identity
from ...errors import ConfigError, PreflightError, SourceError, after_change
from ...platforms.profile import Profile
from ...platforms.reading import unseen_tables
from ...postgres.archive import Toc
from ...postgres.connection import Connection, ConnectionOptions, connect
from ...postgres.names import TableName, display_name
from ...postgres.preflight import system_identifier
from ...postgres.standby import refuse_standby
from ...postgres.tables import NoSuchTableError, resolve_table
from ...reading.access import open_access
from ...reading.set_archive import open_set_archive
from ...texts import bounded_list
from ..environments import unknown_environment
from ..origins import refuse_other
from ..outbound.of_table import NO_CALLS, TableCalls, find_table_calls
from .dropped.belongings import Present, missing_around
from .dropped.memory import recall
from .dropped.run import return_table, undo_return
from .finalize import finalize, revert
from .kept_versions import kept_versions
from .merge.merge import Merged, merge_rows, prepare_merge, replace_rows
from .merge.sample import hidden_columns, sample
from .reporting import report_absent, report_merged, report_planned, report_settled, report_swapped
from .request import TableRequest
from .session import Session
from .silence import silenced_calls, told_silenced
from .source.export_rows import rows_of_export
from .source.file_rows import open_file
from .source.sources import Backup, defined_tables, find_in_backup, find_set, quoted, rows_of_set
from .swap.schema_dump import Tools
from .swap.swap import SwapPlan, plan_swap, swap, verify_swap
from .target import STEP, Target, describe, is_platforms, look_at

_OVER_SEVERAL_COLUMNS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext WHERE stxrelid = pg_catalog.to_regclass(%s))
"""


def run_restore_table(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore one table as the parameters of ``restore_table`` say, or settle an earlier restore.

    :return: what the module returns.
    :raises BackupError: it could not be done; the table is what it was before.
    """
    request = TableRequest.parse(params)
    options = ConnectionOptions.parse(params)
    with contextlib.ExitStack() as stack:
        connection = connect(options, lock_timeout=request.lock_timeout)
        stack.callback(connection.close)
        with connection.cursor() as cursor:
            refuse_standby(cursor, STEP)
        tools = Tools.find(options, connection, request.pg_bin_dir, unseen_tables(connection, request.profile))
        target = _find(connection, request)
        if isinstance(target, NoSuchTableError) and request.state != "restored":
            return report_absent(request, target)
        if isinstance(target, NoSuchTableError):
            return _return(params, connection, target, tools, request, stack, check_mode)
        if request.state != "restored":
            return _settle(connection, target, tools, request, check_mode)
        backup = _open(params, request, connection, target, tools, stack)
        return _restore(connection, target, backup, tools, request, check_mode)


def _find(connection: Connection, request: TableRequest) -> Target | NoSuchTableError:
    """The table, or that there is none."""
    try:
        return look_at(Session(connection), request.table, request.profile)
    except NoSuchTableError as missing:
        return missing


def _return(
    params: Mapping[str, Any],
    connection: Connection,
    missing: NoSuchTableError,
    tools: Tools,
    request: TableRequest,
    stack: contextlib.ExitStack,
    check_mode: bool,
) -> dict[str, Any]:
    """Bring back a table that is gone, if the backup has it."""
    if request.src is not None:
        raise missing
    access = open_access(params, stack)
    good = find_set(request, access)
    what = f"table {request.table!r}"
    adopted = refuse_other(good.manifest, _here(connection), request.adopt, missing=what)
    good = replace(good, warnings=(*good.warnings, *adopted))
    if not good.manifest.id.is_backup:
        told = f"{missing.message}, and {good.manifest.id} is an export, which has rows only"
        raise ConfigError(missing.step, told, hint="take a backup, or make the table first; nothing was touched")
    archive = open_set_archive(good, access.decryption)
    try:
        table = resolve_table(request.table, defined_tables(archive.toc))
    except NoSuchTableError as unknown:
        told = f"there is no table {request.table!r} in the database, and none in {good.manifest.id}"
        hints = dict.fromkeys(hint for hint in (missing.hint, unknown.hint) if hint)
        raise ConfigError(missing.step, told, hint=" or, in the backup, ".join(hints)) from None
    request.check_return()
    return return_table(connection, table, (good, archive), tools, request, check_mode)


def _restore(
    connection: Connection, target: Target, backup: Backup, tools: Tools, request: TableRequest, check_mode: bool
) -> dict[str, Any]:
    if request.strategy != "swap":
        return _change_rows(connection, target, backup, request, check_mode)
    if request.profile is not None and is_platforms(request.profile, target.table, target.owner):
        raise PreflightError(
            STEP,
            f"{target.name} is {request.profile.title}'s own table, which nothing else may take the place of",
            hint="nothing was touched; strategy: merge or replace restores its rows",
        )
    with locked(connection, target.table) as (session, now):
        plan = plan_swap(session, now, backup, tools, request.column_map)
        backup = replace(backup, warnings=(*backup.warnings, *_told_missing(backup, plan)))
        calls = _calls(session, now, request)
        if check_mode:
            return told_silenced(report_planned(request, plan, backup), calls)
        with silenced_calls(session, calls):
            swapped = swap(session, plan, backup, request)
        session.commit()
    with after_change():
        _settle_down(connection, target.table, calls, swapped=True)
        verify_swap(Session(connection), plan, swapped, tools)
    return told_silenced(report_swapped(request, plan, backup, swapped), calls)


def _calls(session: Session, target: Target, request: TableRequest) -> TableCalls:
    """What would call out while rows are put into the table, where it must not."""
    if request.outbound == "active":
        return NO_CALLS
    with session.at("find what calls out"):
        calls = find_table_calls(session.execute, target.oid)
    calls.refuse_stored(target.name, refreshes=request.strategy == "swap")
    return calls


def _told_missing(backup: Backup, plan: SwapPlan) -> list[str]:
    """A warning where the backup has more with the table: it may have been dropped, and made anew without that."""
    if backup.toc is None:
        return []
    missing = missing_around(backup.toc, plan.target.table, Present(plan.before.toc, loose=True))
    if not missing:
        return []
    told = f"{backup.name} has with {plan.target.name} what the database has not, and a swap does not make: "
    return [f"{told}{bounded_list(missing)} (to bring it back, rename the table and run again)"]


def _change_rows(
    connection: Connection, target: Target, backup: Backup, request: TableRequest, check_mode: bool
) -> dict[str, Any]:
    """The strategies that leave the table where it is."""
    with locked(connection, target.table, request.profile) as (session, now):
        calls = _calls(session, now, request)
        with silenced_calls(session, calls):
            merge = prepare_merge(session, now, backup, request)
            diff = None
            if request.strategy == "merge":
                diff = sample(merge, hidden_columns(merge, backup.personal_data, request.mask_columns))
            if check_mode and request.strategy == "merge":
                merged = Merged(merge.count(), merge.loaded)
            else:
                merged = merge_rows(merge, backup) if request.strategy == "merge" else replace_rows(merge, backup)
        if not check_mode:
            session.commit()
    if not check_mode:
        with after_change():
            _settle_down(connection, target.table, calls)
    return told_silenced(report_merged(request, target, backup, merged, diff), calls)


def _settle(
    connection: Connection, target: Target, tools: Tools, request: TableRequest, check_mode: bool
) -> dict[str, Any]:
    with locked(connection, target.table) as (session, now):
        memory, kept = recall(session, now), kept_versions(session, now.table)
        returned = memory is not None and not (kept and kept[0].note.time > memory.time)
        if memory is not None and returned and request.state == "reverted":
            return undo_return(session, now, memory, tools, request, check_mode)
        if request.state == "finalized":
            settled = finalize(session, now, check_mode=check_mode)
        else:
            settled = revert(session, now, tools, request, check_mode=check_mode)
        if settled.changed and not check_mode:
            session.commit()
    if settled.swapped is not None and settled.plan is not None:
        with after_change():
            _settle_down(connection, target.table, swapped=True)
            verify_swap(Session(connection), settled.plan, settled.swapped, tools, settled.dropped)
    return report_settled(request, target, settled)


@contextlib.contextmanager
def locked(
    connection: Connection, table: TableName, profile: Profile | None = None
) -> Iterator[tuple[Session, Target]]:
    """A transaction in which nobody else changes the table's definition; reads and writes go on."""
    from psycopg2 import sql

    with Session(connection) as session:
        with session.at("lock the table"):
            statement = sql.SQL("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE")
            session.execute(statement.format(sql.Identifier(*table)))
        yield session, describe(session, table, profile)


def _settle_down(
    connection: Connection, table: TableName, calls: TableCalls = NO_CALLS, *, swapped: bool = False
) -> None:
    """Collect the planner's statistics.

    :param calls: which to evaluate would call out.
    :param swapped: the table has them from before it took its place, all but those over several columns.
    """
    from psycopg2 import sql

    session = Session(connection)
    try:
        if calls.analyzed and (not swapped or session.value(_OVER_SEVERAL_COLUMNS, [quoted(table)])):
            session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*table)))
    except SourceError as error:
        raise SourceError(
            "collect the statistics",
            f"{display_name(table)} was restored, which stays so, but not analyzed: {error.message}",
            hint="ANALYZE it before it is used",
        ) from None


def _open(
    params: Mapping[str, Any],
    request: TableRequest,
    connection: Connection,
    target: Target,
    tools: Tools,
    stack: contextlib.ExitStack,
) -> Backup:
    access = open_access(params, stack)
    if access.file is not None:
        return open_file(access.file, access.decryption, request, target, tools.pg_restore)
    good = find_set(request, access)
    adopted = refuse_other(good.manifest, _here(connection), request.adopt)
    unknown = [*unknown_environment(good.manifest.environment, request.expect_environment), *adopted]
    if not good.manifest.id.is_backup:
        return rows_of_export(good, access.decryption, request, target, unknown)
    archive = open_set_archive(good, access.decryption)
    wanted = target.table
    if request.source_table is None:
        _check_meant(request.table, target, archive.toc)
    if request.source_table is not None:
        wanted = find_in_backup(request.source_table, [*archive.tables(), *good.manifest.left_out])
    return rows_of_set(good, archive, wanted, tools.pg_restore, unknown)


def _here(connection: Connection) -> Identity:
    """The database that is connected to."""
    return Identity(connection.info.dbname, system_identifier(connection))


def _check_meant(name: str, target: Target, toc: Toc) -> None:
    """Refuse a name without a schema that meant another table when the backup was made: that one is gone."""
    with contextlib.suppress(NoSuchTableError):
        meant = resolve_table(name, defined_tables(toc))
        if meant != target.table:
            raise ConfigError(
                "find the table",
                f"{name!r} is {target.name} in the database, and was {display_name(meant)} in the backup",
                hint="write it with its schema",
            )
