"""Functions that call out, kept from it: while rows are loaded, and for good in a scratch database.

Whatever calls out while rows are loaded, a CHECK, a generated column, an index, a materialized view, does so by a
function in the end: of an extension that is known for it, in a language that may do anything, or with a text that says
it.
These functions get another body meanwhile, whoever calls them and by how many others; then their own again, as the
server itself has written it down. A foreign table is refused by a setting of the session instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ...postgres.messages import database_errors
from ...postgres.tables import FIRST_USER_OID
from ...postgres.types import Connection
from ...texts import bounded_list
from .calls import FIND_ROOTS
from .statements import in_block

STEP = "mute what calls out"
# A job that is made meanwhile is paused with the others, which takes pg_cron's own functions.
# What a function does comes behind the AS of its definition; one whose body the server has parsed has none, and nothing
# in it that is not a function of its own. The definition itself comes first: who may not give it back may not take it.
_REACHED = f"""(
        EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          AND d.refobjid = here.oid AND d.classid NOT IN (
            'pg_catalog.pg_event_trigger'::pg_catalog.regclass,
            'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass,
            'pg_catalog.pg_trigger'::pg_catalog.regclass))
        OR EXISTS (SELECT FROM pg_catalog.pg_proc t JOIN pg_catalog.pg_language l ON l.oid = t.prolang
          WHERE t.oid >= {FIRST_USER_OID} AND l.lanname NOT IN ('c', 'internal') AND NOT calling ? t.oid::text
            AND pg_catalog.strpos(pg_catalog.lower(t.prosrc), pg_catalog.lower(here.proname)) > 0))"""  # noqa: S608 - made of constants
"""Whether a function is called by more than triggers, and functions that are muted themselves."""
_MUTE = f"""{FIND_ROOTS}
  paused := coalesce(nullif(pg_catalog.current_setting('mobul.paused', true), ''), '[]');
  entry := coalesce(nullif(pg_catalog.current_setting('mobul.muted', true), ''), '[]');
  needed := '[]';
  PERFORM pg_catalog.set_config('check_function_bodies', 'off', true);
  FOR here IN SELECT p.oid, p.proname, k.why, pg_catalog.pg_get_functiondef(p.oid) AS definition, CASE
        WHEN p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype THEN 'RETURN coalesce(NEW, OLD)'
        WHEN p.prorettype = 'pg_catalog.event_trigger'::pg_catalog.regtype THEN 'RETURN'
        WHEN pg_catalog.current_setting('mobul.muted_says', true) = 'raise' THEN 'RAISE EXCEPTION '
          || pg_catalog.quote_literal(pg_catalog.format('nothing is sent here, and %s would',
               pg_catalog.replace(k.why, '%', '%%')))
        WHEN p.proretset OR p.prokind = 'p' OR p.proargmodes && '{{o,b,t}}'
          OR p.prorettype = 'pg_catalog.void'::pg_catalog.regtype THEN 'RETURN'
        ELSE 'RETURN NULL' END AS instead
    FROM pg_catalog.jsonb_each_text(calling) AS k (oid, why) JOIN pg_catalog.pg_proc p ON p.oid = k.oid::oid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p') AND n.nspname <> 'cron'
  LOOP
    CONTINUE WHEN pg_catalog.strpos(here.definition, E'\\nAS ') = 0;
    BEGIN
      EXECUTE here.definition;
      EXECUTE pg_catalog.regexp_replace(
          pg_catalog.left(here.definition, pg_catalog.strpos(here.definition, E'\\nAS ')),
          E'\\n LANGUAGE \\\\S+', E'\\n LANGUAGE plpgsql')
        || 'AS ' || pg_catalog.quote_literal('BEGIN ' || here.instead || '; END');
      entry := entry || pg_catalog.to_jsonb(here.definition);
    EXCEPTION WHEN OTHERS THEN
      awake := awake || pg_catalog.to_jsonb(here.why);
      IF {_REACHED} AND NOT needed ? here.why THEN
        needed := needed || pg_catalog.to_jsonb(here.why);
      END IF;
    END;
  END LOOP;
  IF needed <> '[]' AND pg_catalog.current_setting('mobul.muted_for', true) <> '' THEN
    RAISE EXCEPTION '% would call out while rows are loaded, and the role may not change what does: %',
      pg_catalog.current_setting('mobul.muted_for'), needed;
  END IF;
  PERFORM pg_catalog.set_config('mobul.muted', entry::text, true);
"""  # noqa: S608 - made of constants
# The last that was muted first: it may have been another's stand-in.
_GIVE_BACK = """
  paused := coalesce(nullif(pg_catalog.current_setting('mobul.paused', true), ''), '[]');
  PERFORM pg_catalog.set_config('check_function_bodies', 'off', true);
  FOR item IN SELECT value FROM pg_catalog.jsonb_array_elements(
      coalesce(nullif(pg_catalog.current_setting('mobul.muted', true), ''), '[]')::jsonb)
      WITH ORDINALITY AS m (value, number) ORDER BY number DESC LOOP
    EXECUTE item #>> '{}';
  END LOOP;
  PERFORM pg_catalog.set_config('mobul.muted', '', true);
"""
_MUTING, _GIVING_BACK = in_block(_MUTE), in_block(_GIVE_BACK)
_DONE = "SELECT pg_catalog.current_setting('mobul.muted'), pg_catalog.current_setting('mobul.awake')"


@dataclass(frozen=True)
class Muted:
    """The functions whose bodies were replaced so that they do not call out.

    :param definitions: of those that do not any more, as they were.
    :param still_calling: how those call out that the role may not change.
    """

    definitions: tuple[str, ...] = ()
    still_calling: tuple[str, ...] = ()


NOTHING_MUTED = Muted()


def mute(connection: Connection, *, raising: bool, needed: Sequence[str] = ()) -> Muted:
    """Replace the body of every function that calls out by itself.

    :param connection: into a database that nobody uses, outside any transaction.
    :param raising: whether they raise an error; otherwise they say nothing, which a CHECK takes for well. Those of
        triggers say nothing in any case, as one that is paused does.
    :param needed: objects for whose sake all of them must be silent.
    :raises BackupError: the role may not change one that is needed; nothing was changed.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(muting_script(raising=raising, needed=needed))
        cursor.execute(_DONE)
        row = cursor.fetchone()
        cursor.execute("COMMIT")
    definitions, still_calling = ("[]", "[]") if row is None else row
    return Muted(tuple(map(str, json.loads(definitions))), tuple(map(str, json.loads(still_calling))))


def both(first: Muted, then: Muted) -> Muted:
    """What two runs have muted, of which the second may have found some that the first had already changed."""
    return Muted(
        (*first.definitions, *then.definitions), tuple(dict.fromkeys((*first.still_calling, *then.still_calling)))
    )


def give_back(connection: Connection, muted: Muted) -> None:
    """Give the functions their own bodies again.

    :raises BackupError: one could not; the database is none to be used.
    """
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_catalog.set_config('mobul.muted', %s, true)", [json.dumps(muted.definitions)])
        cursor.execute(_GIVING_BACK)
        cursor.execute("COMMIT")


def muting_script(*, raising: bool, needed: Sequence[str]) -> str:
    """The statements within a transaction that do as :func:`mute`; the transaction itself remembers what was."""
    names = bounded_list(list(needed)).replace("'", "''").replace("\\", "/")
    says = "raise" if raising else "nothing"
    return f"SET LOCAL mobul.muted_says TO '{says}';\nSET LOCAL mobul.muted_for TO '{names}';\n{_MUTING}"


def giving_back_script() -> str:
    """The statements that do as :func:`give_back`; a second time they do nothing."""
    return _GIVING_BACK
