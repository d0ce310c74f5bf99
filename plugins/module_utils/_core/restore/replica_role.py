"""Rows of tables that belong to somebody else, exchanged without their triggers and foreign keys.

Whoever does not own a table can switch none of its triggers off; the setting ``session_replication_role`` keeps them
from firing, and those of foreign keys, too, which are proven afterwards. It does not keep those from it that are there
for just that, ``ENABLE ALWAYS`` and ``ENABLE REPLICA``: a table that has one is refused.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import PreflightError
from ..postgres.names import TableName, display_name, identifier
from ..postgres.types import Composable, Cursor
from ..texts import bounded_list

_ROLE = "SET LOCAL session_replication_role TO {};\n"
_PROVE_KEYS = """
DO LANGUAGE plpgsql $mobul$
DECLARE
  one record;
  broken boolean;
BEGIN
  FOR one IN
    SELECT k.conname, k.conrelid::pg_catalog.regclass AS heir, k.confrelid::pg_catalog.regclass AS parent,
      (SELECT pg_catalog.string_agg(pg_catalog.format('h.%I = p.%I', a.attname, f.attname), ' AND ')
       FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS pair (own, other)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own
       JOIN pg_catalog.pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = pair.other) AS equal,
      (SELECT pg_catalog.string_agg(pg_catalog.format('h.%I IS NOT NULL', a.attname), ' AND ')
       FROM pg_catalog.unnest(k.conkey) AS pair (own)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own) AS given
    FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f' AND k.convalidated
      AND (k.conrelid = ANY ({tables}) OR k.confrelid = ANY ({tables}))
  LOOP
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s h WHERE %s AND NOT EXISTS (SELECT FROM %s p WHERE %s))',
      one.heir, one.given, one.parent, one.equal) INTO broken;
    IF broken THEN
      RAISE EXCEPTION 'rows of % refer to rows of % that are not there (foreign key %)',
        one.heir, one.parent, one.conname;
    END IF;
  END LOOP;
END $mobul$;
"""

# Those of a partitioned table's parts fire with its own.
_FIRING = """
SELECT n.nspname, c.relname, found.name FROM (
  SELECT tgrelid AS oid, tgname AS name FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('A', 'R')
  UNION ALL
  SELECT ev_class, rulename FROM pg_catalog.pg_rewrite WHERE ev_type <> '1' AND ev_enabled IN ('A', 'R')
) AS found
JOIN pg_catalog.pg_class c ON c.oid = found.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE found.oid IN (SELECT unnest FROM pg_catalog.unnest({tables}::oid[])
  UNION SELECT part.relid FROM pg_catalog.unnest({tables}::oid[]) AS one, pg_catalog.pg_partition_tree(one) AS part)
ORDER BY 1, 2, 3
"""


def check_replica_role(cursor: Cursor, step: str, tables: Collection[TableName], otherwise: str) -> None:
    """Refuse tables of somebody else that would act while rows are put into them.

    :param otherwise: what else can be done, as the end of a hint.
    :raises PreflightError: the role may not keep them quiet, or something of them cannot be.
    """
    names = bounded_list([display_name(table) for table in tables])
    if not _may_set_replica_role(cursor):
        raise PreflightError(
            step,
            f"the role may not set session_replication_role, without which the rows of {names} cannot be put back: "
            "triggers that are not its own would refuse it or act",
            hint="nothing was touched; GRANT SET ON PARAMETER session_replication_role to it (PostgreSQL 15 or newer), "
            f"or {otherwise}",
        )
    cursor.execute(_with_tables(_FIRING, tables))
    if firing := [f"{name} on {display_name((schema, table))}" for schema, table, name in cursor.fetchall()]:
        raise PreflightError(
            step,
            f"when rows are put back this would act, as it is enabled ALWAYS or as REPLICA: {bounded_list(firing)}",
            hint=f"nothing was touched; ALTER TABLE ... ENABLE TRIGGER (or RULE) by the table's owner, or {otherwise}",
        )


def _may_set_replica_role(cursor: Cursor) -> bool:
    """Whether the role may set it; some services let others than superusers."""
    from psycopg2 import errors
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE

    idle = cursor.connection.info.transaction_status == TRANSACTION_STATUS_IDLE
    cursor.execute("BEGIN" if idle else "SAVEPOINT allowed")
    try:
        cursor.execute(set_replica_role())
    except errors.InsufficientPrivilege:
        return False
    finally:
        cursor.execute("ROLLBACK" if idle else "ROLLBACK TO SAVEPOINT allowed")
    return True


def set_replica_role() -> Composable:
    """The statement after which no trigger fires, until the transaction ends."""
    from psycopg2 import sql

    return sql.SQL(_ROLE).format(sql.SQL("replica"))


def reset_replica_role() -> Composable:
    """The statement after which triggers fire again."""
    from psycopg2 import sql

    return sql.SQL(_ROLE).format(sql.SQL("origin"))


def check_foreign_keys(tables: Collection[TableName]) -> Composable:
    """The statement that fails if a foreign key from or to one of *tables* does not hold."""
    return _with_tables(_PROVE_KEYS, tables)


def _with_tables(statement: str, tables: Collection[TableName]) -> Composable:
    from psycopg2 import sql

    names = (sql.SQL("{}::pg_catalog.regclass").format(sql.Literal(identifier(*table))) for table in tables)
    return sql.SQL(statement).format(tables=sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(names)))
