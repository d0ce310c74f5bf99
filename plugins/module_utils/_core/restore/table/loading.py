"""Rows of a backup into a table with maybe other columns."""

from __future__ import annotations

from ...errors import FormatError
from ...postgres.types import Composable
from ...progress import stage
from .columns import Matching
from .session import Session
from .source.rows import RowSource
from .target import Target

STEP = "load the rows"
_STAGING = "mobul_incoming"


def load(session: Session, source: RowSource, target: Target, into: Composable, matching: Matching) -> int:
    """Load the backup's rows into *into*; return their number.

    :param target: whose columns' types *into* has.
    :return: number of rows.
    """
    with stage(f"{STEP} of {source.name}"), session.at(f"{STEP} of {source.name}"):
        if source.documents:
            return _load_documents(session, source, into, matching)
        if matching.direct:
            return source.copy_into(session, into, matching.names)
        return _load_staged(session, source, target, into, matching)


def _load_staged(session: Session, source: RowSource, target: Target, into: Composable, matching: Matching) -> int:
    """Through a table that has also the columns that are not wanted."""
    from psycopg2 import sql

    types = {column.name: column.type for column in target.columns}
    wanted = dict(matching.pairs)
    staging = sql.Identifier("pg_temp", _STAGING)
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(types[wanted[name]] if name in wanted else "text"))
        for name in matching.source
    ]
    session.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(
            sql.Identifier(_STAGING), sql.SQL(", ").join(columns)
        )
    )
    rows = source.copy_into(session, staging, matching.source)
    session.execute(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
            into,
            sql.SQL(", ").join(map(sql.Identifier, matching.names)),
            sql.SQL(", ").join(sql.Identifier(name) for name, _new in matching.pairs),
            staging,
        )
    )
    session.execute(sql.SQL("DROP TABLE {}").format(staging))
    return rows


def _load_documents(session: Session, source: RowSource, into: Composable, matching: Matching) -> int:
    """Rows that are JSON objects: the server turns each into a row of the table's type."""
    from psycopg2 import sql

    staging = sql.Identifier("pg_temp", _STAGING)
    session.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} (document json) ON COMMIT DROP").format(sql.Identifier(_STAGING))
    )
    rows = source.copy_into(session, staging, ["document"])
    _check_keys(session, source, staging)
    session.execute(
        sql.SQL(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS d, "
            "LATERAL pg_catalog.json_populate_record(NULL::{}, {}) AS r"
        ).format(
            into,
            sql.SQL(", ").join(map(sql.Identifier, matching.names)),
            sql.SQL(", ").join(sql.Identifier("r", name) for name in matching.names),
            staging,
            into,
            _document(matching),
        )
    )
    session.execute(sql.SQL("DROP TABLE {}").format(staging))
    return rows


def _document(matching: Matching) -> Composable:
    """The row's object, its members called as the table's columns."""
    from psycopg2 import sql

    renamed = [(source, name) for source, name in matching.pairs if source != name]
    if not renamed:
        return sql.SQL("d.document")
    values = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(source), sql.Literal(name)) for source, name in renamed
    )
    return sql.SQL(
        "(SELECT pg_catalog.json_object_agg(coalesce(m.new, e.key), e.value) "
        "FROM pg_catalog.json_each(d.document) AS e LEFT JOIN (VALUES {}) AS m (old, new) ON m.old = e.key)"
    ).format(values)


def _check_keys(session: Session, source: RowSource, staging: Composable) -> None:
    from psycopg2 import sql

    found = session.rows(
        sql.SQL("SELECT DISTINCT k FROM {} AS d, LATERAL pg_catalog.json_object_keys(d.document) AS k").format(staging)
    )
    unknown = sorted({key for (key,) in found} - set(source.columns))
    if unknown:
        raise FormatError(
            STEP, f"{source.name}: some rows have members that the first has not: {', '.join(unknown[:10])}"
        )
