"""The planner's statistics of a table that was restored."""

from __future__ import annotations

from ...errors import SourceError
from ...postgres.connection import Connection
from ...postgres.names import TableName, display_name, identifier
from ..outbound.of_table import NO_CALLS, TableCalls
from .session import Session

_OVER_SEVERAL_COLUMNS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext WHERE stxrelid = pg_catalog.to_regclass(%s))
"""
_IS_FAR = """
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass(%s)::oid
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON tree.oid = i.inhparent
)
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN tree USING (oid) WHERE c.relkind = 'f')
"""


def analyze(connection: Connection, table: TableName, calls: TableCalls = NO_CALLS, *, swapped: bool = False) -> None:
    """Run ANALYZE on the table after the commit, unless that would call out.

    :param calls: which to evaluate would call out.
    :param swapped: the table has them from before it took its place, all but those over several columns.
    :raises SourceError: the table is restored, and not analyzed.
    """
    session = Session(connection)
    try:
        if calls.analyzed and (not swapped or session.value(_OVER_SEVERAL_COLUMNS, [identifier(*table)])):
            collect(session, table)
    except SourceError as error:
        raise SourceError(
            "collect the statistics",
            f"{display_name(table)} was restored, which stays so, but not analyzed: {error.message}",
            hint="ANALYZE it before it is used",
        ) from None


def collect(session: Session, table: TableName) -> bool:
    """Run ANALYZE on a table, unless a part of its tree lies on another server, which nobody is to ask.

    :return: whether it was run.
    """
    from psycopg2 import sql

    if session.value(_IS_FAR, [identifier(*table)]):
        return False
    session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*table)))
    return True
