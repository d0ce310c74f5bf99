"""The sequences that belong to a table: after a restore they go on behind the largest number, never back."""

from __future__ import annotations

from .session import Session
from .target import Sequence, Target, describe

_INTEGERS = ("smallint", "integer", "bigint")
_LIMITS = "SELECT seqmin, seqmax FROM pg_catalog.pg_sequence WHERE seqrelid = %s"


def advance(session: Session, before: Target) -> None:
    """Set the sequences of the table that now has the name of *before*.

    :param before: the table that was there; what its sequences had reached counts too.
    """
    now = describe(session, before.table, before.profile)
    types = {column.name: column.type for column in now.columns}
    for sequence in now.sequences:
        if types[sequence.column] not in _INTEGERS:
            continue
        reached = _largest(session, now, sequence)
        old = next((one for one in before.sequences if one.column == sequence.column), None)
        if old is not None:
            reached += _used(session, old)
        _set(session, sequence, reached)


def _largest(session: Session, target: Target, sequence: Sequence) -> list[int]:
    from psycopg2 import sql

    best = "max" if sequence.increment > 0 else "min"
    value = session.value(
        sql.SQL("SELECT pg_catalog.{}({}) FROM {}").format(
            sql.Identifier(best), sql.Identifier(sequence.column), target.scope
        )
    )
    return [] if value is None else [int(value)]


def _used(session: Session, sequence: Sequence) -> list[int]:
    """What the sequence, whatever it is called now, gave last."""
    from psycopg2 import sql

    schema, name = session.rows(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s",
        [sequence.oid],
    )[0]
    value, called = session.rows(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name)))[
        0
    ]
    return [value] if called else []


def _set(session: Session, sequence: Sequence, reached: list[int]) -> None:
    low, high = session.rows(_LIMITS, [sequence.oid])[0]
    # Numbers that did not come from the sequence may lie outside of what it can give.
    fitting = [value for value in reached if low <= value <= high]
    if fitting:
        value = max(fitting) if sequence.increment > 0 else min(fitting)
        session.execute("SELECT pg_catalog.setval(%s::oid::pg_catalog.regclass, %s, true)", [sequence.oid, value])
