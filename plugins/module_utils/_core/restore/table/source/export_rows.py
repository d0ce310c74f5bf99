"""The rows of an export: a set that has tables or queries as files, and no dump."""

from __future__ import annotations

from collections.abc import Sequence

from ....backupset.artifact import Artifact, Export
from ....catalogue.good_set import GoodSet
from ....encryption.identities import Decryption
from ....errors import ConfigError, PreflightError
from ....postgres.names import display_name
from ....reading.plain import open_plain
from ..request import TableRequest
from ..target import Target
from .json_file import DocumentRows, first_columns
from .plain_file import csv_header, json_rows
from .rows import CSV_OPTIONS, CopiedRows, RowSource
from .sources import STEP, Backup, Expected


def rows_of_export(
    good: GoodSet,
    decryption: Decryption,
    request: TableRequest,
    target: Target,
    warnings: Sequence[str] = (),
    *,
    part_is_enough: bool,
) -> Backup:
    """The verified rows of one table in a set of exports.

    :param part_is_enough: whether the other rows of the table stay.
    :raises BackupError: it has none of it, has only a part where a whole is wanted, is not authentic, or no key fits.
    """
    artifact, export = _find(good, request, target)
    if not part_is_enough:
        _refuse_part(good, export, target)
    reader = open_plain(good, artifact, decryption)
    name = f"{display_name(target.table)} in {artifact.name}"
    rows: RowSource
    if artifact.format == "json":
        longest = request.max_row_size * 1024**2
        columns = first_columns(json_rows(reader.pieces(), name, longest), target)
        rows = DocumentRows(name, columns, json_rows(reader.pieces(), name, longest))
    else:
        rows = CopiedRows(name, csv_header(reader.pieces(), name), reader.pieces(), CSV_OPTIONS)
    return Backup(
        str(good.manifest.id),
        rows,
        Expected(export.rows),
        # An export tells nothing of that.
        personal_data=True,
        warnings=(*good.warnings, *warnings),
        passed_over=good.passed_over,
        time=good.manifest.database.snapshot.time,
    )


def _find(good: GoodSet, request: TableRequest, target: Target) -> tuple[Artifact, Export]:
    """The file that is meant: by the table that it is of, or by its name, which a query's has alone."""
    known = {_name(good, artifact): (artifact, artifact.export) for artifact in good.manifest.artifacts}
    exports = {name: (artifact, export) for name, (artifact, export) in known.items() if export is not None}
    wanted = request.source_table
    found = [name for name, (_artifact, export) in exports.items() if _is_of(export, wanted, target)]
    if wanted in exports:
        found = [wanted]
    if len(found) == 1:
        return exports[found[0]]
    if found:
        raise ConfigError(
            STEP,
            f"{good.manifest.id} has {target.name} several times: {', '.join(found)}",
            hint="say which, as source_table; nothing was touched",
        )
    raise ConfigError(
        STEP,
        f"{good.manifest.id} is an export, and has none of {wanted or target.name}",
        hint=f"as source_table it can be one of {', '.join(exports)}; nothing was touched",
    )


def _is_of(export: Export, wanted: str | None, target: Target) -> bool:
    if export.schema is None or export.table is None:
        return False
    table = (export.schema, export.table)
    return table == target.table if wanted is None else wanted in (display_name(table), ".".join(table))


def _name(good: GoodSet, artifact: Artifact) -> str:
    """What the inventory calls it: the file's name up to the time of the set."""
    return artifact.name.partition(f"_{good.manifest.id.stamp}")[0]


def _refuse_part(good: GoodSet, export: Export, target: Target) -> None:
    """Refuse to let a part of the rows or columns take the place of all."""
    if export.query is not None:
        part = "the result of a query"
    elif export.where is not None:
        part = f"only the rows where {export.where}"
    elif export.columns is not None:
        part = f"only the columns {', '.join(export.columns)}"
    else:
        return
    raise PreflightError(
        STEP,
        f"{good.manifest.id} has {part}, which must not take the place of all that {target.name} has",
        hint="use strategy: merge, without delete_extra; nothing was touched",
    )
