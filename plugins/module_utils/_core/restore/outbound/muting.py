"""Functions of a scratch database that call out, made to fail instead: nobody will miss them, as it is dropped."""

from __future__ import annotations

import json

from ...postgres.messages import database_errors
from ...postgres.types import Connection
from .calls import FIND_ROOTS
from .statements import in_block

STEP = "mute what calls out"
# What a function does comes behind the AS of its definition; one whose body the server has parsed has none, and nothing
# in it that is not a function of its own.
_MUTE = in_block(
    f"""{FIND_ROOTS}
  FOR here IN SELECT p.oid, k.why, pg_catalog.pg_get_functiondef(p.oid) AS definition
    FROM pg_catalog.jsonb_each_text(calling) AS k (oid, why) JOIN pg_catalog.pg_proc p ON p.oid = k.oid::oid
    WHERE p.prokind IN ('f', 'p')
  LOOP
    CONTINUE WHEN pg_catalog.strpos(here.definition, E'\\nAS ') = 0;
    BEGIN
      EXECUTE pg_catalog.regexp_replace(
          pg_catalog.left(here.definition, pg_catalog.strpos(here.definition, E'\\nAS ')),
          E'\\n LANGUAGE \\\\S+', E'\\n LANGUAGE plpgsql')
        || 'AS ' || pg_catalog.quote_literal('BEGIN RAISE EXCEPTION '
        || pg_catalog.quote_literal(pg_catalog.format('a drill sends nothing, and %s would',
             pg_catalog.replace(here.why, '%', '%%')))
        || '; END');
    EXCEPTION WHEN insufficient_privilege OR wrong_object_type OR invalid_function_definition
        OR feature_not_supported OR undefined_object THEN
      awake := awake || pg_catalog.to_jsonb(here.why);
    END;
  END LOOP;
"""  # noqa: S608 - made of constants
)


def mute(connection: Connection) -> list[str]:
    """Let every function that calls out by itself raise an error.

    :param connection: into a database that nobody uses, outside any transaction.
    :return: those that the role may not change.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(_MUTE)
        cursor.execute("SELECT pg_catalog.current_setting('mobul.awake')")
        row = cursor.fetchone()
        cursor.execute("COMMIT")
    return [] if row is None else list(map(str, json.loads(row[0])))
