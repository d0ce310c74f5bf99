"""The SQL around a restore in place: the beginning and the proof at the end of its one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ....postgres.any_bytes import script_encoding
from ....postgres.connection import SESSION
from ....postgres.foreign_code import RESTRICTION, knows_restriction
from ....postgres.types import Composable, Connection
from ..expected_rows import ExpectedRows

_LOCK_ALL = """
DO LANGUAGE plpgsql $mobul$
DECLARE found record;
BEGIN
  FOR found IN SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
    ORDER BY c.oid
  LOOP
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %I.%I IN ACCESS EXCLUSIVE MODE', found.nspname, found.relname);
  END LOOP;
END $mobul$;
"""
# A setting of a transaction is gone with it: nothing that came between may have ended it.
_SAME_TRANSACTION = """
DO LANGUAGE plpgsql $mobul$
BEGIN
  IF pg_catalog.current_setting('mobul.begun', true) IS DISTINCT FROM '1' THEN
    RAISE EXCEPTION 'what was restored has ended the transaction by itself';
  END IF;
END $mobul$;
"""
# The same numbers as postgres/counting.py computes, from what the session alone can see before it commits.
_PROVE = """
DO LANGUAGE plpgsql $mobul$
DECLARE
  wanted jsonb := pg_catalog.current_setting('mobul.expected')::pg_catalog.jsonb;
  expected jsonb;
  one jsonb;
  source text;
  columns text;
  rows bigint;
  counted bigint;
  first numeric;
  second numeric;
  left_half numeric;
  right_half numeric;
  bad text[] := '{}';
BEGIN
  FOR expected IN SELECT pg_catalog.jsonb_array_elements(wanted -> 'units') LOOP
    rows := 0;
    first := 0;
    second := 0;
    FOR one IN SELECT pg_catalog.jsonb_array_elements(expected -> 'tables') LOOP
      source := pg_catalog.format('%I.%I', one ->> 0, one ->> 1);
      IF pg_catalog.to_regclass(source) IS NULL THEN
        bad := bad || pg_catalog.format('table %s is missing', source);
        CONTINUE;
      END IF;
      IF expected ->> 'fingerprint' IS NULL THEN
        EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM ONLY %s', source) INTO counted;
      ELSE
        SELECT pg_catalog.string_agg(pg_catalog.format(
                 CASE WHEN a.atttypid = 'pg_catalog.bytea'::pg_catalog.regtype
                      THEN 'pg_catalog.md5(t.%I)' ELSE 't.%I' END, a.attname), ', ' ORDER BY a.attnum)
          INTO columns FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = source::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = '';
        EXECUTE pg_catalog.format(
          'SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(h::bit(64)::bigint), 0), '
          'coalesce(pg_catalog.sum((h << 64)::bit(64)::bigint), 0) '
          'FROM (SELECT (''x'' || pg_catalog.md5(ROW(%s)::text))::bit(128) AS h FROM ONLY %s AS t OFFSET 0) AS hashed',
          columns, source) INTO counted, left_half, right_half;
        first := first + left_half;
        second := second + right_half;
      END IF;
      rows := rows + counted;
    END LOOP;
    IF rows <> (expected ->> 'rows')::bigint THEN
      bad := bad || pg_catalog.format('%s has %s rows instead of %s', expected ->> 'name', rows, expected ->> 'rows');
    ELSIF expected ->> 'fingerprint' IS NOT NULL
        AND pg_temp.mobul_hex(first) || pg_temp.mobul_hex(second) <> expected ->> 'fingerprint' THEN
      bad := bad || pg_catalog.format('%s has other contents than when it was backed up', expected ->> 'name');
    END IF;
  END LOOP;
  SELECT pg_catalog.count(*) INTO rows FROM pg_catalog.pg_largeobject_metadata;
  IF rows < (wanted ->> 'large_objects')::bigint THEN
    bad := bad || pg_catalog.format('there are %s large objects instead of %s', rows, wanted ->> 'large_objects');
  END IF;
  IF pg_catalog.cardinality(bad) > 0 THEN
    RAISE EXCEPTION 'what was restored is not what was backed up: %', pg_catalog.array_to_string(bad[1:10], ', ');
  END IF;
END $mobul$;
"""
_HEX = """
CREATE FUNCTION pg_temp.mobul_hex(total numeric) RETURNS text LANGUAGE sql AS $mobul$
  SELECT pg_catalog.lpad(pg_catalog.to_hex((CASE WHEN part >= 9223372036854775808 THEN part - 18446744073709551616
                                                 ELSE part END)::bigint), 16, '0')
  FROM (SELECT pg_catalog.mod(pg_catalog.mod(coalesce(total, 0), 18446744073709551616) + 18446744073709551616,
                              18446744073709551616) AS part) AS one
$mobul$;
"""


def begin_script(connection: Connection, encoding: str, lock_timeout: int, before: Iterable[Composable]) -> bytes:
    """Begin, and lock every table, so that nothing later waits for anybody.

    :param connection: for quoting.
    :param encoding: the database's.
    :param lock_timeout: seconds.
    :param before: what comes next, with everything locked.
    """
    from psycopg2 import sql

    timeout = sql.SQL("SET LOCAL lock_timeout = {};").format(sql.Literal(f"{lock_timeout}s"))
    begun = sql.SQL("SET LOCAL mobul.begun TO '1';\n")
    begin = sql.SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n")
    return _text(connection, _speaking(encoding), begin, begun, timeout, sql.SQL(_LOCK_ALL), *before)


def script(connection: Connection, encoding: str, statements: Iterable[Composable]) -> bytes:
    """Statements as text, for what comes in between.

    :param encoding: the database's.
    """
    return _text(connection, _speaking(encoding), *statements)


def end_script(
    connection: Connection,
    encoding: str,
    after: Iterable[Composable],
    units: Sequence[ExpectedRows],
    large_objects: int | None,
    last: Iterable[Composable] = (),
) -> bytes:
    """Prove what can be proven, then commit.

    :param encoding: the database's.
    :param after: what comes first.
    :param units: what the tables must hold; empty where nothing is known.
    :param last: what comes when that is proven.
    """
    from psycopg2 import sql

    if not units and large_objects is None:
        same = sql.SQL(_SAME_TRANSACTION)
        return _text(connection, _speaking(encoding), *after, same, *last, sql.SQL("COMMIT;\n"))
    lines = [
        {"name": str(unit), "tables": unit.tables, "rows": unit.rows, "fingerprint": unit.fingerprint} for unit in units
    ]
    wanted = json.dumps({"units": lines, "large_objects": large_objects or 0}, ensure_ascii=False)
    settings = [
        sql.SQL("SET LOCAL {} TO {};\n").format(sql.Identifier(name), sql.Literal(value))
        for name, value in SESSION.items()
        if value
    ]
    restriction = sql.SQL("SET LOCAL {} TO {};\n") if knows_restriction(connection.server_version) else sql.SQL("")
    parts = [
        sql.SQL(_SAME_TRANSACTION),
        _speaking(encoding),
        *after,
        *settings,
        restriction.format(sql.Identifier(RESTRICTION), sql.Literal("view, foreign-table")),
        sql.SQL("SET LOCAL search_path TO '';\nSET LOCAL client_min_messages TO error;\n"),
        sql.SQL(_HEX),
        sql.SQL("SET LOCAL mobul.expected TO {};\n").format(sql.Literal(wanted)),
        sql.SQL(_PROVE),
        restriction.format(sql.Identifier(RESTRICTION), sql.Literal("")),
        sql.SQL("DROP FUNCTION pg_temp.mobul_hex;\n"),
        *last,
        sql.SQL("COMMIT;\n"),
    ]
    return _text(connection, *parts)


def _speaking(encoding: str) -> Composable:
    """The script that is put in between may have set another client encoding."""
    from psycopg2 import sql

    return sql.SQL("SET client_encoding TO {};\n").format(sql.Literal(script_encoding(encoding)))


def _text(connection: Connection, *parts: Composable) -> bytes:
    from psycopg2 import sql

    return sql.SQL("").join(parts).as_string(connection).encode("utf-8", "surrogateescape")
