"""The operation behind ``backup_compare``: what a database has by now, beside what a set of it says."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..backupset.manifest import Manifest
from ..catalogue.good_set import GoodSet, find_good_set
from ..catalogue.selector import BackupSelector
from ..errors import ConfigError, ReportedError
from ..platforms.left_out_tables import unseen_tables, without_tables
from ..platforms.profiles import find_profile
from ..postgres.activity import activity_reported
from ..postgres.archive import Toc, schema_differences, schema_objects
from ..postgres.connection import ConnectionOptions, connect
from ..postgres.counting import count_rows
from ..postgres.environment import child_environment_for
from ..postgres.messages import database_errors
from ..postgres.names import TableName, display_name
from ..postgres.preflight import check_server
from ..postgres.programs import Program, find_program
from ..postgres.tables import user_tables
from ..postgres.types import Connection
from ..reading.access import Access, open_access
from ..reading.set_archive import open_set_archive
from ..restore.database.comparing import schema_of
from ..restore.database.expected_differences import ExpectedDifferences
from ..texts import first_lines, page

STEP = "compare with the backup"
_VALUES = "SEQUENCE SET "
"""Where a sequence is moves with the data, and no schema has it."""
_SHOWN = 200


@dataclass(frozen=True)
class Change:
    """One difference between the database and the set.

    :param name: the object as the manifest calls it.
    :param what: ``lost``, ``new``, ``fewer_rows``, ``more_rows`` or ``changed``.
    :param expected: whether whoever asked said so by its name.
    """

    name: str
    what: str
    message: str
    expected: bool = False

    @property
    def is_loss(self) -> bool:
        """Whether an object or rows are gone that were not expected to go."""
        return self.what in ("lost", "fewer_rows") and not self.expected

    def __str__(self) -> str:
        return f"{self.name}: {self.message}{' (expected)' if self.expected else ''}"


class Lost(ReportedError):
    """Objects or rows are gone."""


def run_backup_compare(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Compare as the parameters of ``backup_compare`` say; changes nothing.

    :return: what the module returns.
    :raises Lost: something is gone that was not expected to be.
    :raises BackupError: there is no such set, or the database cannot be read.
    """
    expected = ExpectedDifferences.parse(params["expected_differences"], "check the options")
    options = ConnectionOptions.parse(params)
    with contextlib.ExitStack() as stack:
        access = open_access(params, stack)
        wanted = BackupSelector.parse(params["backup"])
        good = find_good_set(access.locations, params["label"], wanted, access.verify_keys)
        manifest = good.manifest
        if manifest.database.name != options.database:
            raise ConfigError(
                STEP,
                f"{manifest.id} is of database {manifest.database.name!r}, not of {options.database!r}",
                hint="is it the right label?",
            )
        connection = connect(options)
        stack.callback(connection.close)
        stack.enter_context(activity_reported(options))
        unseen = unseen_tables(connection, find_profile(params.get("profile")))
        server = check_server(connection, options, unseen)
        program = find_program("pg_dump", server.version_num, params["pg_bin_dir"])
        version = None if server.pooled else server.version_num
        environment = stack.enter_context(child_environment_for(options, server_version_num=version))
        toc = schema_of(program, environment, without_tables(unseen, server.encoding))
        counted = _count(connection, _counted(manifest))
        changes = list(_changes(good, access, toc, counted, program, server.version_num // 10000, expected))
    return _report(manifest, changes, len(counted), opened=access.decryption.given, warnings=good.warnings)


def _count(connection: Connection, wanted: Collection[TableName]) -> dict[TableName, int]:
    """The rows of those of the tables that are there, all at one moment."""
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        there = {info.table for info in user_tables(connection)}
        counted = count_rows(connection, [table for table in wanted if table in there])
        cursor.execute("COMMIT")
    return counted


def _counted(manifest: Manifest) -> dict[TableName, int]:
    """The tables whose rows the set has, and how many."""
    return {(table.schema, table.name): table.rows for table in manifest.tables if not table.left_out}


def _changes(
    good: GoodSet,
    access: Access,
    toc: Toc,
    counted: Mapping[TableName, int],
    program: Program,
    server_major: int,
    expected: ExpectedDifferences,
) -> Iterator[Change]:
    manifest = good.manifest
    before = {name for name in manifest.schema.objects if not name.startswith(_VALUES)}
    after = {name for name in schema_objects(toc) if not name.startswith(_VALUES)}
    lost = sorted(before - after)
    gone = [name for name in lost if name.startswith("TABLE ") and expected(name)]
    for name in lost:
        known = expected(name) or any(_belongs(name, table) for table in gone)
        yield Change(name, "lost", "it was there before and is gone", known)
    for table, rows in _counted(manifest).items():
        now = counted.get(table)
        if now is not None and now != rows:
            name = f"TABLE {'.'.join(table)}"
            what = "fewer_rows" if now < rows else "more_rows"
            yield Change(name, what, f"{display_name(table)} has {now:,} rows, and had {rows:,}", expected(name))
    if access.decryption.given:
        dumped = open_set_archive(good, access.decryption).toc
        made_by = manifest.tools.get("pg_dump", "").split(".")[0]
        same = (made_by, manifest.database.server_version_num // 10000) == (str(program.major), server_major)
        found = schema_differences(dumped, toc, same_version=same)
        for name in (*found.changed, *found.rewritten, *found.doubtful):
            yield Change(name, "changed", "it is defined otherwise than before", expected(name))
        for name in found.moved:
            yield Change(name, "changed", "it has another owner or place than before", expected(name))
    for name in sorted(after - before):
        yield Change(name, "new", "it was not there before", expected(name))


def _belongs(name: str, table: str) -> bool:
    """Whether an object is part of a table: a constraint, a trigger, a policy, grants on it."""
    schema, _dot, own = table.removeprefix("TABLE ").partition(".")
    return (
        f" {schema}.{own} " in f"{name} "
        or name.endswith(f" {schema}.TABLE {own}")
        or f" {schema}.COLUMN {own}." in name
    )


def _report(
    manifest: Manifest, changes: Sequence[Change], tables: int, *, opened: bool, warnings: Sequence[str]
) -> dict[str, Any]:
    losses = [one for one in changes if one.is_loss]
    ordered = [*losses, *(one for one in changes if not one.is_loss)]
    objects = sum(not name.startswith(_VALUES) for name in manifest.schema.objects)
    definitions = "with their definitions" if opened else "by their names (no key was given that opens definitions)"
    lines = first_lines([str(one) for one in ordered], limit=_SHOWN)
    report: dict[str, Any] = {
        "changed": False,
        "id": str(manifest.id),
        "label": manifest.label,
        "verdict": "failed" if losses else "passed",
        "changes": [
            {"name": one.name, "what": one.what, "message": one.message, "expected": one.expected}
            for one in ordered[:_SHOWN]
        ],
        "count": len(changes),
        "differences": lines,
        "summary": [
            f"{manifest.label}: {len(losses)} losses, {len(changes) - len(losses)} other differences from "
            f"{manifest.id}: {objects} objects compared {definitions}, rows of {tables} tables"
        ],
        "warnings": list(warnings),
        "diff": {"before": "", "after": page(lines)},
    }
    if losses:
        message = "; ".join(first_lines([str(one) for one in losses], limit=10))
        named = ", ".join(first_lines([one.name for one in losses], limit=10))
        hint = f"if that is meant, expect it by name in expected_differences: {named}"
        raise Lost(STEP, f"the database has lost something: {message}", report, hint=hint)
    return report
