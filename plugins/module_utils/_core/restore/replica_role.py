"""Rows of tables that belong to somebody else, exchanged without their triggers and foreign keys.

Whoever does not own a table can switch none of its triggers off; the setting ``session_replication_role`` keeps all of
them from firing, and those of foreign keys, too, which are proven afterwards.
"""

from __future__ import annotations

from collections.abc import Collection

from ..postgres.names import TableName
from ..postgres.types import Composable, Cursor

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


def may_set_replica_role(cursor: Cursor) -> bool:
    """Whether the role may set ``session_replication_role``; some services allow it to others than superusers.

    :param cursor: outside any transaction.
    """
    from psycopg2 import errors

    cursor.execute("BEGIN")
    try:
        cursor.execute(set_replica_role())
    except errors.InsufficientPrivilege:
        return False
    finally:
        cursor.execute("ROLLBACK")
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
    from psycopg2 import sql

    names = (sql.SQL("{}::pg_catalog.regclass").format(sql.Literal(_name(table))) for table in tables)
    return sql.SQL(_PROVE_KEYS).format(tables=sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(names)))


def _name(table: TableName) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)
