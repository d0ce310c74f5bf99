"""Everything that is checked before a backup writes its first byte, and the plan that comes of it.

Check mode ends with the plan; the real run carries out that same plan.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ..backupset.naming import SetId
from ..backupset.signing import SigningKey, VerifyKey
from ..catalogue import LoadedSet, free_id
from ..catalogue.identity import Identity, refuse_other
from ..encryption.cipher import Encryption
from ..errors import BackupError, PreflightError
from ..locations.base import Location
from ..platforms.left_out_tables import unseen_tables
from ..postgres.activity import activity_reported
from ..postgres.blockers import blockers_named
from ..postgres.clock import check_clock
from ..postgres.connection import ConnectionOptions, connect
from ..postgres.environment import child_environment_for
from ..postgres.names import TableName, display_name
from ..postgres.preflight import ServerFacts, check_server
from ..postgres.programs import Program, find_program
from ..postgres.snapshot import Snapshot
from ..postgres.tables import TableInfo, user_tables
from ..postgres.types import Connection
from ..postgres.unchanged import Unchanged, relation_states
from ..stream.zstd import require_library
from ..texts import bounded_list
from .dumping import DumpCompression, resolve_compression
from .left_out import LeftOut, find_left_out
from .named_tables import MissingTable, find_exports, find_policies, refuse_missing
from .parts import Part, plan_parts
from .preflight import Survey, Surveyors, check_surveys, disagreements, expected_size, previous_set, reason_against
from .request import BackupRequest, TablePolicy
from .small_artifacts import ResolvedExport


@dataclass(frozen=True)
class Ends:
    """The source database, the target locations and the keys of one backup.

    :param locations: all that were asked for.
    :param verify_keys: of which one must have signed the set that this one says it came after.
    """

    connection: ConnectionOptions
    locations: Sequence[Location]
    encryption: Encryption
    signing_key: SigningKey | None
    verify_keys: Sequence[VerifyKey] = ()


@dataclass(frozen=True)
class Plan:
    """A backup that can begin: the lock is held, the snapshot taken, the locations proven writable.

    :param look: a session outside any transaction, which sees the database as it is now.
    :param unchanged: compares that with the snapshot.
    :param locations: those that will be written to.
    :param gone: tables that are named and not there.
    :param left_out: tables whose rows are left out on purpose.
    :param unseen: what the dump does without, see :class:`LeftOut`.
    :param failures: name -> why a location will not be.
    :param environment: of the programs that are started.
    """

    set_id: SetId
    started: datetime
    server: ServerFacts
    snapshot: Snapshot
    look: Connection
    unchanged: Unchanged
    pg_dump: Program
    pg_dumpall: Program
    compression: DumpCompression
    parts: tuple[Part, ...]
    policies: Mapping[TableName, TablePolicy]
    exports: tuple[ResolvedExport, ...]
    locations: tuple[Location, ...]
    failures: Mapping[str, BackupError]
    surveys: tuple[Survey, ...]
    previous: LoadedSet | None
    gone: tuple[MissingTable, ...]
    left_out: tuple[TableName, ...]
    unseen: tuple[TableName, ...]
    environment: Mapping[str, str]
    warnings: tuple[str, ...]

    def directory(self, label: str) -> str:
        """The key of the set's directory, the same in every location."""
        return self.set_id.directory(label)


def prepare(request: BackupRequest, ends: Ends, stack: contextlib.ExitStack) -> Plan:
    """Check everything and plan the backup; what must be given back at the end is put on *stack*.

    :raises BackupError: something is wrong; nothing was written anywhere.
    """
    started = datetime.now(timezone.utc)
    wanted = request.copies_wanted(len(ends.locations))
    surveyors = Surveyors(ends.locations, request.label, started, ends.verify_keys)
    stack.callback(surveyors.close)
    connection = connect(ends.connection, lock_timeout=request.lock_timeout)
    stack.callback(connection.close)
    stack.enter_context(activity_reported(ends.connection.pinned(connection)))
    check_clock(connection)
    server = check_server(connection, ends.connection, unseen_tables(connection, request.profile))
    pg_dump = find_program("pg_dump", server.version_num, request.pg_bin_dir)
    pg_dumpall = find_program("pg_dumpall", server.version_num, request.pg_bin_dir)
    compression = resolve_compression(request.compress, pg_dump)
    if compression.wrapper is not None or any(export.compress == "zstd" for export in request.exports):
        require_library()
    _policies, missing_tables = find_policies(request, user_tables(connection))
    with blockers_named(connection):
        exports, missing_exports = find_exports(request, connection)
    surveys = surveyors.wait()
    previous = previous_set(surveys)
    own = Identity(server.database, server.system_identifier)
    adopted = refuse_other(request.label, own, previous, request.adopt)
    refuse_missing(request, [*(missing_tables if request.dumps else ()), *missing_exports], previous)
    if not request.dumps and not exports:
        raise PreflightError(
            "check the tables", "none of the exports is of a table that is there", hint="check their names"
        )
    expected = expected_size(server.size, None if previous is None else _set_size(previous)) if request.dumps else 0
    check_surveys(surveys, wanted=wanted, expected_bytes=expected)
    failures = {survey.location.name: reason for survey in surveys if (reason := reason_against(survey, expected))}
    usable = tuple(location for location in ends.locations if location.name not in failures)
    missing = {survey.location.name for survey in surveys if survey.missing}
    with blockers_named(connection):
        snapshot = stack.enter_context(Snapshot(ends.connection.pinned(connection), lock_timeout=request.lock_timeout))
    # What pg_dump will see, whatever has come and gone since the options were checked.
    tables = user_tables(snapshot.connection)
    policies, missing_tables = find_policies(request, tables)
    gone = (*(missing_tables if request.dumps else ()), *missing_exports)
    refuse_missing(request, gone, previous)
    left_out = find_left_out(request, tables, policies, snapshot.connection) if request.dumps else LeftOut()
    seen = [info for info in tables if info.table not in left_out.unseen]
    stored = [info for info in seen if info.relkind == "r"] if request.dumps else []
    unlogged = _check_unlogged(stored, policies) if server.in_recovery else []
    version = None if server.pooled else server.version_num
    return Plan(
        set_id=free_id([one for one in usable if one.name not in missing], request.label, request.kind, started),
        started=started,
        server=server,
        snapshot=snapshot,
        look=connection,
        unchanged=Unchanged(relation_states(snapshot.connection), connection),
        pg_dump=pg_dump,
        pg_dumpall=pg_dumpall,
        compression=compression,
        parts=_plan_parts(request, stored, left_out),
        policies=policies,
        exports=exports,
        locations=usable,
        failures=failures,
        surveys=tuple(surveys),
        previous=previous,
        gone=gone,
        left_out=left_out.tables,
        unseen=left_out.unseen,
        environment=stack.enter_context(
            child_environment_for(snapshot.options, server_version_num=version, tables_only=True)
        ),
        warnings=(
            *ends.encryption.warnings,
            *server.warnings,
            *unlogged,
            *left_out.warnings,
            *adopted,
            *(one.message(previous) for one in gone),
            *_warn_of(ends, surveys, snapshot),
        ),
    )


def _plan_parts(request: BackupRequest, stored: Sequence[TableInfo], left_out: LeftOut) -> tuple[Part, ...]:
    if not request.dumps:
        return ()
    return plan_parts([(info.table, info.bytes) for info in stored], request.jobs, left_out.tables)


def _check_unlogged(tables: Sequence[TableInfo], policies: Mapping[TableName, TablePolicy]) -> list[str]:
    """Warnings about unlogged tables, whose rows a standby does not have.

    :param tables: those that store rows.
    :raises PreflightError: the inventory names one of them.
    """
    unlogged = [info.table for info in tables if info.unlogged]
    if named := [display_name(table) for table in unlogged if table in policies]:
        raise PreflightError(
            "check the tables",
            f"unlogged tables have no rows on a standby: {bounded_list(named)}",
            hint="back up from the primary, ALTER TABLE ... SET LOGGED, or do not name them in the inventory",
        )
    names = [display_name(table) for table in unlogged]
    return [f"unlogged tables have no rows on a standby, nor in this backup: {bounded_list(names)}"] if names else []


def _set_size(found: LoadedSet) -> int:
    """The sum of the sizes of all artifacts of a set, in bytes."""
    return sum(artifact.size for artifact in found.manifest.artifacts)


def _warn_of(ends: Ends, surveys: Sequence[Survey], snapshot: Snapshot) -> list[str]:
    warnings = [] if snapshot.lock_warning is None else [snapshot.lock_warning]
    if ends.signing_key is None:
        warnings.append("no signing_key: whoever can write to a location can forge this set unnoticed")
    for survey in surveys:
        warnings += [f"{survey.location.name}: {line}" for line in survey.problems.messages()]
    return warnings + disagreements(surveys)
