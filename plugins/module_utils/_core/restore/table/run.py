"""The operation behind ``restore_table``: parameters in, a report out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...catalogue.identity import Identity
from ...errors import ConfigError, after_change
from ...platforms.left_out_tables import unseen_tables
from ...platforms.profile import Profile
from ...postgres.activity import activity_reported
from ...postgres.archive import Toc
from ...postgres.connection import Connection, ConnectionOptions, connect
from ...postgres.names import TableName, display_name
from ...postgres.preflight import system_identifier
from ...postgres.standby import refuse_standby
from ...postgres.tables import NoSuchTableError, resolve_table
from ...progress import stage
from ...reading.access import open_access
from ...reading.set_archive import open_set_archive
from ..environments import unknown_environment
from ..origins import refuse_other
from ..outbound.of_table import NO_CALLS, TableCalls, find_table_calls
from .analyzing import analyze
from .dropped.run import recreate_table, undo_recreate
from .dropped.undo_record import read_undo_record
from .finalize import finalize, revert
from .kept_versions import kept_versions
from .muted_calls import calls_muted, report_muted
from .reporting import report_absent, report_finalized, report_restored
from .request import TableRequest
from .session import Session
from .source.export_rows import rows_of_export
from .source.file_rows import open_file
from .source.sources import Backup, defined_tables, find_in_backup, find_set, rows_of_set
from .strategies import find_strategy
from .strategy import Strategy
from .swap.schema_dump import Tools
from .swap.swap import verify_swap
from .target import STEP, Target, describe, read_target


def run_restore_table(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore one table as the parameters of ``restore_table`` say, or settle an earlier restore.

    :return: what the module returns.
    :raises BackupError: it could not be done; the table is what it was before.
    """
    request = TableRequest.parse(params)
    kind = find_strategy(request)
    options = ConnectionOptions.parse(params)
    with contextlib.ExitStack() as stack:
        connection = connect(options, lock_timeout=request.lock_timeout)
        stack.callback(connection.close)
        stack.enter_context(activity_reported(options))
        with connection.cursor() as cursor:
            refuse_standby(cursor, STEP)
        tools = Tools.find(options, connection, request.pg_bin_dir, unseen_tables(connection, request.profile))
        target = _find(connection, request)
        if isinstance(target, NoSuchTableError) and request.state != "restored":
            return report_absent(request, target)
        if isinstance(target, NoSuchTableError):
            return _return(params, connection, target, tools, request, stack, check_mode)
        if request.state != "restored":
            return _finalize_or_revert(connection, target, tools, request, check_mode)
        strategy = kind(request, tools)
        backup = _open(params, request, connection, target, strategy, stack)
        return _restore(connection, target, backup, strategy, request, check_mode)


def _find(connection: Connection, request: TableRequest) -> Target | NoSuchTableError:
    """The table, or the error that the database does not have it."""
    try:
        return read_target(Session(connection), request.table, request.profile)
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
    """Recreate a dropped table from the backup."""
    if request.src is not None:
        raise missing
    access = open_access(params, stack)
    good = find_set(request, access)
    what = f"table {request.table!r}"
    adopted = refuse_other(good.manifest, _connected_database(connection), request.adopt, missing=what)
    good = replace(good, warnings=(*good.warnings, *adopted))
    if not good.manifest.id.is_backup:
        message = f"{missing.message}, and {good.manifest.id} is an export, which contains only rows"
        raise ConfigError(missing.step, message, hint="take a backup, or make the table first; nothing was touched")
    archive = open_set_archive(good, access.decryption)
    try:
        table = resolve_table(request.table, defined_tables(archive.toc))
    except NoSuchTableError as unknown:
        message = f"there is no table {request.table!r} in the database, and none in {good.manifest.id}"
        hints = dict.fromkeys(hint for hint in (missing.hint, unknown.hint) if hint)
        raise ConfigError(missing.step, message, hint=" or, in the backup, ".join(hints)) from None
    request.check_return(makes_tables=find_strategy(request).makes_tables)
    return recreate_table(connection, table, (good, archive), tools, request, check_mode)


def _restore(
    connection: Connection,
    target: Target,
    backup: Backup,
    strategy: Strategy,
    request: TableRequest,
    check_mode: bool,
) -> dict[str, Any]:
    strategy.check(target)
    with locked(connection, target.table, request.profile) as (session, now):
        warnings = strategy.plan(session, now, backup)
        backup = replace(backup, warnings=(*backup.warnings, *warnings))
        calls = _calls(session, now, request, refreshes=strategy.refreshes)
        with calls_muted(session, calls):
            strategy.run(session, backup, check_mode=check_mode)
        if not check_mode:
            session.commit()
    if not check_mode:
        with after_change():
            strategy.finish(connection, target, calls)
    return report_muted(report_restored(request, target, backup, strategy.report(target, backup)), calls)


def _calls(session: Session, target: Target, request: TableRequest, *, refreshes: bool) -> TableCalls:
    """What would call out while rows are put into the table, where it must not.

    :param refreshes: whether what is computed from the table is computed anew.
    """
    if request.outbound == "active":
        return NO_CALLS
    with session.at("find what calls out"):
        calls = find_table_calls(session.execute, target.oid)
    calls.refuse_stored(target.name, refreshes=refreshes)
    return calls


def _finalize_or_revert(
    connection: Connection, target: Target, tools: Tools, request: TableRequest, check_mode: bool
) -> dict[str, Any]:
    with locked(connection, target.table) as (session, now):
        memory, kept = read_undo_record(session, now), kept_versions(session, now.table)
        returned = memory is not None and not (kept and kept[0].note.time > memory.time)
        if memory is not None and returned and request.state == "reverted":
            return undo_recreate(session, now, memory, tools, request, check_mode)
        if request.state == "finalized":
            outcome = finalize(session, now, check_mode=check_mode)
        else:
            outcome = revert(session, now, tools, request, check_mode=check_mode)
        if outcome.changed and not check_mode:
            session.commit()
    if outcome.swapped is not None and outcome.plan is not None:
        with after_change():
            analyze(connection, target.table, swapped=True)
            verify_swap(Session(connection), outcome.plan, outcome.swapped, tools, outcome.dropped)
    return report_finalized(request, target, outcome)


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


def _open(
    params: Mapping[str, Any],
    request: TableRequest,
    connection: Connection,
    target: Target,
    strategy: Strategy,
    stack: contextlib.ExitStack,
) -> Backup:
    access = open_access(params, stack)
    if access.file is not None:
        with stage("look for the rows"):
            return open_file(access.file, access.decryption, request, target, strategy.tools.pg_restore)
    good = find_set(request, access)
    adopted = refuse_other(good.manifest, _connected_database(connection), request.adopt)
    unknown = [*unknown_environment(good.manifest.environment, request.expect_environment), *adopted]
    if not good.manifest.id.is_backup:
        return rows_of_export(good, access.decryption, request, target, unknown, part_is_enough=strategy.keeps_rows)
    archive = open_set_archive(good, access.decryption)
    wanted = target.table
    if request.source_table is None:
        _check_same_name(request.table, target, archive.toc)
    if request.source_table is not None:
        wanted = find_in_backup(request.source_table, [*archive.tables(), *good.manifest.left_out])
    return rows_of_set(good, archive, wanted, strategy.tools.pg_restore, unknown)


def _connected_database(connection: Connection) -> Identity:
    """The identity of the database that the session is connected to."""
    return Identity(connection.info.dbname, system_identifier(connection))


def _check_same_name(name: str, target: Target, toc: Toc) -> None:
    """Refuse a name without a schema that meant another table when the backup was made: that one is gone."""
    with contextlib.suppress(NoSuchTableError):
        meant = resolve_table(name, defined_tables(toc))
        if meant != target.table:
            raise ConfigError(
                "find the table",
                f"{name!r} is {target.name} in the database, and was {display_name(meant)} in the backup",
                hint="write it with its schema",
            )
