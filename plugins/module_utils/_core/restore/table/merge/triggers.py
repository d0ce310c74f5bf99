"""The table's own triggers and rules, silent while rows of a backup come in, and afterwards exactly as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ....postgres.types import Composable
from ...outbound.kinds import STATES
from ...replica_role import check_foreign_keys, reset_replica_role, set_replica_role
from ..session import Session
from ..target import Target

_TREE = "SELECT %(oid)s::oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)"
_QUERY = f"""
SELECT n.nspname, c.relname, found.what, found.name, found.enabled FROM (
  SELECT tgrelid AS oid, 'TRIGGER' AS what, tgname AS name, tgenabled AS enabled
  FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT ev_class, 'RULE', rulename, ev_enabled FROM pg_catalog.pg_rewrite
) AS found
JOIN pg_catalog.pg_class c ON c.oid = found.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE found.enabled <> 'D' AND found.oid IN ({_TREE}) AND c.relkind IN ('r', 'p') ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - made of constants


@contextlib.contextmanager
def triggers_disabled(session: Session, target: Target) -> Iterator[None]:
    """Within the block no user's trigger and no rule of the table or its partitions fires.

    Foreign keys are checked all the same, the deferred ones at the block's end. So are all of a table that is somebody
    else's, as nothing of it fires meanwhile.
    """
    if not target.owned:
        session.execute(set_replica_role())
        yield
        session.execute(reset_replica_role())
        session.execute(check_foreign_keys([target.table]))
        return
    active = session.rows(_QUERY, {"oid": target.oid})
    always = [column.name for column in target.columns if column.identity == "a"]
    for schema, table, what, name, _state in active:
        session.execute(_alter((schema, table), f"DISABLE {what}", name))
    for column in always:
        session.execute(_identity(target, column, "BY DEFAULT"))
    yield
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for column in always:
        session.execute(_identity(target, column, "ALWAYS"))
    for schema, table, what, name, state in active:
        session.execute(_alter((schema, table), f"{STATES[state]} {what}", name))


def _alter(table: tuple[str, str], action: str, name: str) -> Composable:
    from psycopg2 import sql

    statement = sql.SQL("ALTER TABLE ONLY {} {} {}")
    return statement.format(sql.Identifier(*table), sql.SQL(action), sql.Identifier(name))


def _identity(target: Target, column: str, kind: str) -> Composable:
    from psycopg2 import sql

    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET GENERATED {}")
    return statement.format(target.identifier, sql.Identifier(column), sql.SQL(kind))
