"""The columns of a backup and those of the table, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import ConfigError, PreflightError
from .target import Column, Target

STEP = "match the columns"


@dataclass(frozen=True)
class Matching:
    """What becomes of each column.

    :param source: all columns of the backup, in its order.
    :param pairs: of the backup -> of the table, those that are filled, in the backup's order.
    :param dropped: only in the backup.
    :param computed: in the backup, but computed by the table.
    :param added: only in the table: they get their defaults.
    """

    source: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the table's columns that are filled."""
        return tuple(name for _source, name in self.pairs)

    @property
    def direct(self) -> bool:
        """Whether every column of the backup goes into the table."""
        return len(self.pairs) == len(self.source)

    @property
    def same(self) -> bool:
        """Whether backup and table have the same columns."""
        return not self.dropped and not self.added and all(source == name for source, name in self.pairs)


def match_columns(source: Sequence[str], target: Target, column_map: Mapping[str, str]) -> Matching:
    """Match by name, or as *column_map* says.

    :raises ConfigError: *column_map* names what is not there, or the same column twice.
    :raises PreflightError: columns only here and only there may be the same under another name, or a column that
        needs a value gets none.
    """
    known = {column.name: column for column in target.columns}
    _check_source(source, known, target, column_map)
    _check_map(source, known, target, column_map)
    renamed = {name: column_map.get(name, name) for name in source}
    if doubled := sorted({new for new in renamed.values() if new and list(renamed.values()).count(new) > 1}):
        raise ConfigError(STEP, f"several columns of the backup would become {', '.join(map(repr, doubled))}")
    pairs, dropped, computed = [], [], []
    for name, new in renamed.items():
        if new not in known:
            dropped.append(name)
        elif known[new].generated:
            computed.append(name)
        else:
            pairs.append((name, new))
    filled = set(renamed.values())
    added = [one for one in target.columns if one.name not in filled and not one.generated]
    _check_ambiguous([name for name in dropped if name not in column_map], added, target)
    if missing := [column.name for column in added if not column.optional]:
        raise PreflightError(
            STEP,
            f"{target.name} has columns that the backup does not have and that need a value: {', '.join(missing)}",
            hint="give them a default for the time of the restore; nothing was touched",
        )
    return Matching(
        tuple(source), tuple(pairs), tuple(dropped), tuple(computed), tuple(column.name for column in added)
    )


def _check_source(
    source: Sequence[str], known: Mapping[str, Column], target: Target, column_map: Mapping[str, str]
) -> None:
    # What the table does not know is not told: without a header it would be values, or a secret from a wrong file.
    if source and known and not column_map and not known.keys() & set(source):
        raise PreflightError(
            STEP,
            f"the backup has none of the columns of {target.name}, which are {', '.join(known)}",
            hint="is it the right table or file, and has it a header? If all columns have other names, give column_map",
        )
    if len(set(source)) < len(source):
        doubled = [repr(name) for name in known if source.count(name) > 1] or ["another than the table's"]
        raise PreflightError(STEP, f"the backup has a column several times: {', '.join(doubled)}")


def _check_map(
    source: Sequence[str], known: Mapping[str, Column], target: Target, column_map: Mapping[str, str]
) -> None:
    for old, new in column_map.items():
        if old not in source:
            raise ConfigError(STEP, f"column_map: the backup has no column {old!r}", hint=f"it has {', '.join(source)}")
        if new and new not in known:
            message = f"column_map: {target.name} has no column {new!r}"
            raise ConfigError(STEP, message, hint=f"it has {', '.join(known)}")


def _check_ambiguous(dropped: Sequence[str], added: Sequence[Column], target: Target) -> None:
    if not dropped or not added:
        return
    only_here = ", ".join(column.name for column in added)
    raise PreflightError(
        STEP,
        f"only the backup has {', '.join(dropped)}, and only {target.name} has {only_here}: that may be a renaming",
        hint=f"say which, column_map: {{{dropped[0]}: {added[0].name}}}, or leave it out, {{{dropped[0]}: ''}}",
    )
