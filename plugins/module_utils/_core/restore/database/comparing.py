"""Whether a restored database is what the manifest tells of: rows, fingerprints, sequences, and every object."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...backupset.manifest import Manifest
from ...postgres.archive import ArchiveWalker, Toc, TocEntry, schema_differences, schema_fingerprint, schema_objects
from ...postgres.counting import ALGORITHM, count_rows, fingerprints
from ...postgres.large_objects import (
    CONTENTS_ALGORITHM,
    RIGHTS_ALGORITHM,
    contents_of_large_objects,
    rights_on_large_objects,
)
from ...postgres.messages import database_errors
from ...postgres.names import TableName, display_name
from ...postgres.programs import Program
from ...postgres.types import Connection, Cursor
from ...stream.pipeline import Pipeline
from ...stream.process import ProcessSource
from ...texts import bounded_list
from .expected_rows import ExpectedRows, add_fingerprints

STEP = "compare with the backup"
COMPARING = "compare it with the backup"
"""The stage of the work."""
_SEQUENCE_SET = "SEQUENCE SET"
_SETVAL = re.compile(
    r"SELECT pg_catalog\.setval\('(?P<name>.*)', (?P<value>-?\d+), (?P<called>true|false)\);\s*", re.DOTALL
)
_BATCH = 200
_DOUBTS_SHOWN = 10
_LARGE_OBJECTS = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata"


@dataclass(frozen=True)
class Difference:
    """One object that is not the same in the backup and the database.

    :param check: what was compared: ``rows``, ``contents``, ``large_objects``, ``sequences``, ``policies``, ``grants``
        or ``schema``.
    :param name: the object as :func:`archive.schema_objects` names it.
    :param message: names the object and what is wrong with it.
    """

    check: str
    name: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Comparison:
    """What was found.

    :param differences: none means that all is as it was.
    :param extra: objects of the database that the backup does not have.
    :param doubtful: objects that were restored without an error and are written otherwise than in the backup.
    :param warnings: what could not be compared, and why.
    """

    tables: int
    rows: int
    fingerprints: int
    differences: tuple[Difference, ...]
    extra: tuple[str, ...] = ()
    doubtful: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()


@contextlib.contextmanager
def _asking(connection: Connection) -> Iterator[Cursor]:
    with database_errors(STEP), connection.cursor() as cursor:
        yield cursor


def compare_tables(connection: Connection, units: Sequence[ExpectedRows]) -> list[Difference]:
    """Differences in rows and fingerprints of some tables, in one snapshot.

    :param connection: into the restored database, outside any transaction.
    """
    wanted = [table for unit in units for table in unit.tables]
    with _asking(connection) as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        there = _present(connection, wanted)
        whole = [unit for unit in units if there.issuperset(unit.tables)]
        marked = [table for unit in whole if unit.fingerprint is not None for table in unit.tables]
        found = fingerprints(connection, marked)
        others = [table for unit in whole if unit.fingerprint is None for table in unit.tables]
        rows = {**count_rows(connection, others), **{table: one.rows for table, one in found.items()}}
        cursor.execute("COMMIT")
    missing = (table for table in wanted if table not in there)
    return [
        *(Difference("rows", _of_table(table), f"table {display_name(table)} is missing") for table in missing),
        *_row_differences(whole, rows, {table: one.value for table, one in found.items()}),
    ]


def _row_differences(
    units: Sequence[ExpectedRows], rows: Mapping[TableName, int], values: Mapping[TableName, str]
) -> Iterator[Difference]:
    for unit in units:
        count = sum(rows[table] for table in unit.tables)
        if count != unit.rows:
            yield Difference("rows", unit.object_name, f"{unit} has {count} rows instead of {unit.rows}")
        elif unit.fingerprint not in (None, _fingerprint(unit, values)):
            wrong = "has other contents than when it was backed up"
            yield Difference("contents", unit.object_name, f"{unit} {wrong}")


def _fingerprint(unit: ExpectedRows, values: Mapping[TableName, str]) -> str | None:
    found = [values[table] for table in unit.tables if table in values]
    return add_fingerprints(found) if found else None


def _of_table(table: TableName) -> str:
    return f"TABLE {'.'.join(table)}"


def _present(connection: Connection, names: Sequence[TableName]) -> set[TableName]:
    with _asking(connection) as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S')"
        )
        there = set(cursor.fetchall())
    return {name for name in names if name in there}


def compare_large_objects(connection: Connection, manifest: Manifest) -> Iterator[Difference]:
    """Differences in the number of large objects, in what is in them, and in whose they are."""
    with _asking(connection) as cursor:
        cursor.execute(_LARGE_OBJECTS)
        row = cursor.fetchone()
    if row is not None and row[0] != manifest.large_objects:
        message = f"there are {row[0]} large objects instead of {manifest.large_objects}"
        yield Difference("large_objects", "LARGE OBJECTS", message)
        return
    contents, rights = manifest.large_object_contents, manifest.large_object_rights
    known = contents is not None and contents.algorithm == CONTENTS_ALGORITHM
    if known and contents is not None and contents.value != contents_of_large_objects(connection):
        message = "large objects have other contents than when they were backed up"
        yield Difference("large_objects", "LARGE OBJECTS", message)
    known = rights is not None and rights.algorithm == RIGHTS_ALGORITHM
    if known and rights is not None and rights.value != rights_on_large_objects(connection):
        message = "large objects have other owners or grants than when they were backed up"
        yield Difference("grants", "ACL LARGE OBJECTS", message)


def compare_sequences(connection: Connection, toc: Toc) -> list[Difference]:
    """The sequences whose values differ from the dump's."""
    from psycopg2 import sql

    wanted = [
        (entry, match["value"], match["called"])
        for entry in toc.entries
        if entry.desc == _SEQUENCE_SET and (match := _SETVAL.fullmatch(entry.defn))
    ]
    there = _present(connection, [_name(entry) for entry, _value, _called in wanted])
    differences = [_sequence(one[0], "is missing") for one in wanted if _name(one[0]) not in there]
    wanted = [one for one in wanted if _name(one[0]) in there]
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        selects = [
            sql.SQL("SELECT {}, last_value::text, is_called::text FROM {}").format(
                sql.Literal(number), sql.Identifier(entry.namespace, entry.tag)
            )
            for number, (entry, _value, _called) in enumerate(batch)
        ]
        with _asking(connection) as cursor:
            cursor.execute(sql.SQL(" UNION ALL ").join(selects))
            for number, value, called in cursor.fetchall():
                entry, expected, was_called = batch[number]
                if (value, called) != (expected, was_called):
                    differences.append(_sequence(entry, f"is at {value} instead of {expected}"))
    return differences


def _sequence(entry: TocEntry, wrong: str) -> Difference:
    key = f"SEQUENCE {entry.namespace}.{entry.tag}"
    return Difference("sequences", key, f"sequence {display_name(_name(entry))} {wrong}")


def _name(entry: TocEntry) -> TableName:
    return entry.namespace, entry.tag


def schema_of(program: Program, environment: Mapping[str, str], without: Sequence[str] = ()) -> Toc:
    """Every object of a database, as the table of contents of a dump without data.

    :param program: pg_dump.
    :param environment: leads it to the database.
    :param without: its options that leave out what the role may not read.
    """
    walker = ArchiveWalker()
    argv = [program.path, "--format=custom", "--schema-only", "--no-password", "--compress=0", *without]
    Pipeline(ProcessSource(argv, environment=environment, step=STEP), [walker], []).run()
    return walker.toc


def compare_schema(
    manifest: Manifest, dumped: Toc, toc: Toc, program: Program, server_major: int, *, tablespaces: bool = True
) -> Comparison:
    """Differences between the objects that the manifest has, those of the backup's dump, and those that are there.

    :param dumped: what the backup's dump has; first of all it must be what the manifest tells of.
    :param toc: what the database has, see :func:`schema_of`.
    :param tablespaces: whether the database had to be restored into the same ones.
    """
    made_by = manifest.tools.get("pg_dump", "").split(".")[0]
    same = (made_by, manifest.database.server_version_num // 10000) == (str(program.major), server_major)
    found = schema_differences(dumped, toc, same_version=same, tablespaces=tablespaces)
    differences = [
        *compare_archive(manifest, dumped),
        *(_of_object(name, "is missing") for name in found.missing),
        *(_of_object(name, "is defined otherwise than when it was backed up") for name in found.changed),
        *(_of_object(name, "has another owner, tablespace or access method than before") for name in found.moved),
    ]
    wrong = "is written otherwise by the server, which took its definition"
    if not same:
        then, now = str(manifest.database.server_version_num // 10000), str(server_major)
        if then == now:
            then, now = made_by or "of another version", str(program.major)
        wrong = f"is perhaps not defined as when it was backed up: PostgreSQL {then} writes it otherwise than {now}"
    doubtful = [_of_object(name, wrong) for name in (*found.rewritten, *found.doubtful)]
    warnings = _borrowed(found.borrowed)
    return Comparison(0, 0, 0, first_of_each(differences), found.extra, tuple(doubtful), warnings)


def _borrowed(names: Sequence[str]) -> tuple[str, ...]:
    """A warning about grants on objects of extensions; empty if there are none."""
    if not names:
        return ()
    names_shown = bounded_list(list(names), limit=_DOUBTS_SHOWN)
    return (
        f"of an extension, which belongs to whoever makes it, so that the owner is another than before: {names_shown}",
    )


def first_of_each(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """One of each object and check: what the archive lacks is missing in the database, too."""
    found: dict[tuple[str, str], Difference] = {}
    for one in differences:
        found.setdefault((one.check, one.name), one)
    return tuple(found.values())


def doubts(found: Comparison) -> list[str]:
    """A warning about objects that could not be compared surely; empty if there are none."""
    if not found.doubtful:
        return []
    return [bounded_list(list(map(str, found.doubtful)), limit=_DOUBTS_SHOWN, separator="; ")]


def compare_archive(manifest: Manifest, toc: Toc) -> list[Difference]:
    """Differences between the objects that the manifest has and those in the dump: the same program told of both."""
    there = schema_objects(toc)
    wanted = manifest.schema.objects
    if not wanted:
        # There were too many to be named, or none.
        if schema_fingerprint(there) == manifest.schema.fingerprint:
            return []
        return [Difference("schema", "schema", "the schema in the dump is not the one that was backed up")]
    return [
        *(_of_object(name, "is missing in the dump") for name in wanted if name not in there),
        *(
            _of_object(name, "is defined otherwise in the dump than when it was backed up")
            for name in wanted
            if name in there and wanted[name] != there[name]
        ),
        *(
            _of_object(name, "is in the dump, and was not there when it was backed up")
            for name in there
            if name not in wanted
        ),
    ]


def check_of(name: str) -> str:
    """The check that an object of the schema belongs to: some kinds have one of their own."""
    if name.startswith(f"{_SEQUENCE_SET} "):
        return "sequences"
    if name.startswith(("POLICY ", "ROW SECURITY ")):
        return "policies"
    return "grants" if name.startswith(("ACL ", "DEFAULT ACL ")) else "schema"


def _of_object(name: str, wrong: str) -> Difference:
    return Difference(check_of(name), name, f"{name} {wrong}")


def compared_fingerprints(manifest: Manifest) -> int:
    """How many tables of a manifest have a fingerprint that can be compared."""
    return sum(table.fingerprint is not None and table.fingerprint.algorithm == ALGORITHM for table in manifest.tables)
