"""The tables that an inventory names, found in the database; and those that are not there any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..catalogue import LoadedSet
from ..errors import ConfigError, PreflightError
from ..findings import PASSED, WARNING, Finding
from ..postgres.copying import prepare_copy
from ..postgres.names import TableName, display_name, parse_name
from ..postgres.tables import RELATIONS, NoSuchTableError, TableInfo, resolve_table, user_tables
from ..postgres.types import Connection
from .request import FAIL, FAIL_CRITICAL, BackupRequest, TablePolicy
from .small_artifacts import ResolvedExport

STEP = "check the tables"


@dataclass(frozen=True)
class MissingTable:
    """A table that the inventory names and the database does not have.

    :param name: as the inventory has it.
    :param error: with the nearest names.
    :param export: the export that is left out for it.
    """

    name: str
    error: NoSuchTableError
    priority: int | None = None
    export: str | None = None

    def message(self, previous: LoadedSet | None) -> str:
        """What is missing, and whether the previous set has it or another name was meant.

        :param previous: the last set of the label.
        """
        text = self.error.message
        if previous is not None and _had(previous, self.name):
            text += f", and {previous.id} has it: restore_table brings it back"
        elif self.error.hint:
            text += f" ({self.error.hint})"
        return text if self.export is None else f"{text}; the export {self.export!r} is left out"


def find_policies(
    request: BackupRequest, tables: Sequence[TableInfo]
) -> tuple[dict[TableName, TablePolicy], list[MissingTable]]:
    """What is said of every table that is named; of a partitioned one it holds for the partitions that are not.

    :raises ConfigError: a name means several tables, or two names mean one.
    """
    named: dict[TableName, TablePolicy] = {}
    missing: list[MissingTable] = []
    for policy in request.tables:
        try:
            table = resolve_table(policy.name, tables)
        except NoSuchTableError as error:
            missing.append(MissingTable(policy.name, error, policy.priority))
            continue
        if table in named:
            raise ConfigError(STEP, f"table given twice: {display_name(table)}")
        named[table] = policy
    parents = {info.table: info.partition_of for info in tables}
    policies: dict[TableName, TablePolicy] = {}
    for table in parents:
        nearest: TableName | None = table
        while nearest is not None and nearest not in named:
            nearest = parents.get(nearest)
        if nearest is not None:
            policies[table] = named[nearest]
    return policies, missing


def find_exports(
    request: BackupRequest, connection: Connection
) -> tuple[tuple[ResolvedExport, ...], list[MissingTable]]:
    """The exports, checked by the server, without those of tables that are not there."""
    relations = user_tables(connection, relkinds=RELATIONS) if request.exports else ()
    exports: list[ResolvedExport] = []
    missing: list[MissingTable] = []
    for spec in request.exports:
        try:
            copy = prepare_copy(connection, spec, name=spec.name, relations=relations)
        except NoSuchTableError as error:
            missing.append(MissingTable(spec.table or "", error, _priority(request, spec.table or ""), spec.name))
        else:
            exports.append(ResolvedExport(spec, copy))
    return tuple(exports), missing


def refuse_missing(request: BackupRequest, missing: Sequence[MissingTable], previous: LoadedSet | None) -> None:
    """End the backup for a table that is gone, where that was asked for.

    :raises PreflightError: naming all of them.
    """
    fatal = [one for one in missing if _is_fatal(request, one)]
    if fatal:
        messages = [
            f"{one.message(previous)} [priority {one.priority}]" if one.priority else one.message(previous)
            for one in fatal
        ]
        raise PreflightError(
            STEP,
            "; ".join(dict.fromkeys(messages)),
            hint="bring it back, or take it out of tables and exports; missing_tables: warn makes a backup without it",
        )


def missing_finding(missing: Sequence[MissingTable], previous: LoadedSet | None) -> Finding:
    """One finding about all missing tables: a warning, or ``passed`` if there are none."""
    messages = [one.message(previous) for one in missing]
    if messages:
        return Finding(check="missing_tables", status=WARNING, message="; ".join(messages))
    return Finding(check="missing_tables", status=PASSED, message="every table that is named is there")


def _is_fatal(request: BackupRequest, missing: MissingTable) -> bool:
    # What is exported by itself was asked for by name, and a set of nothing is none.
    critical = missing.priority == 1 or not request.dumps
    return request.missing_tables == FAIL or (request.missing_tables == FAIL_CRITICAL and critical)


def _priority(request: BackupRequest, name: str) -> int | None:
    return next((policy.priority for policy in request.tables if _qualified(policy.name) == _qualified(name)), None)


def _qualified(name: str) -> TableName:
    schema, table = parse_name(name)
    return schema or "public", table


def _had(previous: LoadedSet, name: str) -> bool:
    try:
        resolve_table(
            name, [TableInfo(one.schema, one.name, 0) for one in previous.manifest.tables if not one.left_out]
        )
    except ConfigError:
        return False
    return True
