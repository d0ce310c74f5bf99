"""What is remembered of a table that was brought back, so that this can be undone.

It is written where no dump and no ``\\d`` shows it, and goes with the table: into the comment of the type of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ....postgres.archive import object_digest, object_name
from ....postgres.counting import ALGORITHM, fingerprints
from ....postgres.names import TableName
from ...comment_note import CommentNote
from ..session import Session
from ..target import Target
from .lost_objects import REFRESH, SEQUENCE_VALUE
from .plan import RecreatePlan

_COMMENT = """
SELECT d.description FROM pg_catalog.pg_description d
WHERE d.objoid = %s AND d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objsubid = 0
"""


@dataclass(frozen=True)
class UndoRecord(CommentNote):
    """What a recreation has made, so that it can be undone.

    :param backup: the set.
    :param time: when, UTC.
    :param made: object -> digest of its definition.
    :param changed: tables that got something back.
    :param rows: schema, table and fingerprint of each table that was made.
    """

    table: TableName
    backup: str
    time: str
    made: Mapping[str, str]
    changed: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, session: Session, plan: RecreatePlan) -> UndoRecord:
        """The record of a recreation that was just done."""
        lost_objects = plan.lost_objects
        return cls(
            table=plan.table,
            backup=plan.set_name,
            time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            made={
                object_name(one): object_digest(one, loose=True)
                for one in lost_objects.made
                if one.desc not in (REFRESH, SEQUENCE_VALUE)
            },
            changed=tuple(lost.name for lost in lost_objects.changed),
            rows=_contents(session, plan),
        )

    @classmethod
    def of_fields(cls, fields: Any) -> UndoRecord:
        """See :meth:`CommentNote.of_fields`."""
        schema, table = fields["table"]
        memory = cls(
            table=(str(schema), str(table)),
            backup=str(fields["backup"]),
            time=str(fields["time"]),
            made={str(name): str(digest) for name, digest in fields["made"].items()},
            changed=tuple(map(str, fields["changed"])),
            rows=tuple((str(one), str(name), str(value)) for one, name, value in fields["rows"]),
        )
        if not (memory.backup + memory.time).isprintable():
            raise ValueError("a name or a time that cannot be shown")
        return memory


def read_undo_record(session: Session, target: Target) -> UndoRecord | None:
    """The undo record of a table; None if it was not recreated, or that was finalized."""
    memory = UndoRecord.parse(session.value(_COMMENT, [target.type_oid]))
    return memory if memory is not None and memory.table == target.table else None


def write_undo_record(session: Session, memory: UndoRecord) -> None:
    """Write the record into the comment of the table's row type."""
    _comment(session, memory.table, memory.to_text())


def delete_undo_record(session: Session, table: TableName) -> None:
    """Remove the record, after which the recreation cannot be undone."""
    _comment(session, table, None)


def _comment(session: Session, table: TableName, text: str | None) -> None:
    from psycopg2 import sql

    session.execute(sql.SQL("COMMENT ON TYPE {} IS {}").format(sql.Identifier(*table), sql.Literal(text)))


def _contents(session: Session, plan: RecreatePlan) -> tuple[tuple[str, str, str], ...]:
    """The fingerprints of all tables; what the manifest has was compared with it."""
    known: dict[TableName, str] = {}
    for table, backup in plan.rows.items():
        fingerprint = None if backup.expected is None else backup.expected.fingerprint
        if fingerprint is not None and fingerprint[0] == ALGORITHM and plan.through[table] == table:
            known[table] = fingerprint[1]
    others = [table for table in plan.rows if table not in known]
    known |= {table: found.value for table, found in fingerprints(session.connection, others).items()}
    return tuple((schema, name, value) for (schema, name), value in known.items())
