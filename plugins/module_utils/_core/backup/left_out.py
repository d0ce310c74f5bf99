"""Tables whose rows a backup leaves out on purpose: demo data, and what else can be made again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import ConfigError
from ..platforms.left_out_tables import rows_left_out, unseen_tables
from ..platforms.profile import Profile
from ..postgres.messages import database_errors
from ..postgres.names import TableName, display_name, parse_name
from ..postgres.tables import TableInfo
from ..postgres.types import Connection
from ..texts import bounded_list
from .request import BackupRequest, TablePolicy

STEP = "check the tables"
_CRITICAL = 1
_WILD = {"*": ".*", "?": "."}

# A constraint that was not validated is restored as such, whatever rows there are.
_FOREIGN_KEYS = """
SELECT n.nspname, c.relname, fn.nspname, fc.relname
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class fc ON fc.oid = k.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
WHERE k.contype = 'f' AND k.convalidated AND k.conparentid = 0
ORDER BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class LeftOut:
    """What of the rows is left out.

    :param tables: those that would have had rows, partitions among them.
    :param unseen: tables and sequences that the role may not read, so that the dump does not even have their
        definitions: of the platform that hosts the database.
    :param warnings: patterns that match nothing, and what is the platform's.
    """

    tables: tuple[TableName, ...] = ()
    unseen: tuple[TableName, ...] = ()
    warnings: tuple[str, ...] = ()


def find_left_out(
    request: BackupRequest,
    tables: Sequence[TableInfo],
    policies: Mapping[TableName, TablePolicy],
    connection: Connection,
) -> LeftOut:
    """The tables that ``exclude_table_data`` and the profile mean; of a partitioned one they are its partitions.

    :param connection: in the snapshot, for the foreign keys.
    :raises ConfigError: one of them is critical, or the backup could not be restored without its rows.
    """
    unseen = unseen_tables(connection, request.profile)
    platforms = [one for one in rows_left_out(connection, request.profile) if one not in unseen]
    if not request.exclude_table_data and not platforms and not unseen:
        return LeftOut()
    above = _ancestors(tables)
    found = set(platforms)
    warnings = list(_warnings(request.profile, platforms, unseen))
    _refuse_critical(f"profile {_name(request.profile)}", {*platforms, *unseen}, policies)
    for pattern in request.exclude_table_data:
        named = {info.table for info in tables if matches(pattern, info.table)}
        if not named:
            warnings.append(
                f"exclude_table_data: {pattern!r} is the name of no table, so that nothing is left out by it"
            )
        meant = {table for table in above if not named.isdisjoint(above[table])}
        _refuse_critical(f"exclude_table_data: {pattern!r}", meant, policies)
        found |= meant
    stored = {info.table for info in tables if info.relkind == "r"} - set(unseen)
    left_out = found & stored
    if left_out:
        _refuse_referenced(connection, above, left_out, stored - left_out)
    # Of an extension's tables, which are none of the user's, the dump may have rows all the same.
    hidden = {info.table for info in tables if info.relkind == "r"} & set(unseen)
    return LeftOut(tuple(sorted({*left_out, *platforms, *hidden})), tuple(unseen), tuple(warnings))


def _name(profile: Profile | None) -> str:
    return "" if profile is None else profile.name


def _warnings(profile: Profile | None, rows: Sequence[TableName], unseen: Sequence[TableName]) -> Iterator[str]:
    """What the user has to know of what is the platform's."""
    if profile is None:
        return
    secret = [display_name(table) for table in rows if table[0] in profile.secret]
    if secret:
        yield (
            f"profile {profile.name}: nobody but the project itself can read the secrets in {bounded_list(secret)}, "
            "which are not in the backup: keep them elsewhere, too"
        )
    if others := [display_name(table) for table in rows if table[0] not in profile.secret]:
        yield f"profile {profile.name}: without the rows of {bounded_list(others)}, which {profile.title} makes itself"
    if names := list(map(display_name, unseen)):
        yield (
            f"profile {profile.name}: the role may not read {bounded_list(names)}, which are {profile.title}'s own, "
            "and the backup is without them"
        )


def matches(pattern: str, table: TableName) -> bool:
    """Whether a table is meant: ``*`` stands for any text and ``?`` for a character, unless the pattern has quotes.

    Without a schema it is about those in ``public``.
    """
    schema, name = parse_name(pattern)
    wanted = ("public" if schema is None else schema, name)
    if '"' in pattern:
        return table == wanted
    return all(_expression(part).fullmatch(text) for part, text in zip(wanted, table, strict=True))


def _expression(part: str) -> re.Pattern[str]:
    return re.compile("".join(_WILD.get(character) or re.escape(character) for character in part), re.DOTALL)


def _ancestors(tables: Sequence[TableInfo]) -> dict[TableName, list[TableName]]:
    """Table -> the table itself and all partitioned tables above it."""
    parents = {info.table: info.partition_of for info in tables}

    def line(table: TableName) -> Iterator[TableName]:
        nearest: TableName | None = table
        while nearest is not None:
            yield nearest
            nearest = parents.get(nearest)

    return {table: list(line(table)) for table in parents}


def _refuse_critical(option: str, meant: set[TableName], policies: Mapping[TableName, TablePolicy]) -> None:
    critical = [table for table in sorted(meant) if table in policies and policies[table].priority == _CRITICAL]
    if critical:
        raise ConfigError(
            STEP,
            f"{option} leaves out what has priority 1: {bounded_list(list(map(display_name, critical)))}",
            hint="what is critical is never left out: narrow the pattern, or give the table another priority",
        )


def _refuse_referenced(
    connection: Connection,
    above: Mapping[TableName, Sequence[TableName]],
    left_out: set[TableName],
    kept: set[TableName],
) -> None:
    """Refuse to leave out what rows that stay refer to: the foreign key could not be made again."""
    targets = {table for one in left_out for table in above[one]}
    sources = {table for one in kept for table in above[one]}
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute(_FOREIGN_KEYS)
        keys = [((schema, table), (of, target)) for schema, table, of, target in cursor.fetchall()]
    broken = [
        f"{display_name(source)} refers to {display_name(target)}"
        for source, target in keys
        if source in sources and target in targets
    ]
    if broken:
        raise ConfigError(
            STEP,
            f"a backup without these rows could not be restored: {bounded_list(broken)}",
            hint="exclude_table_data: leave out what refers to it, too, or neither",
        )
