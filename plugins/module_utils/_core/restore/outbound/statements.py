"""The SQL that pauses what calls out, in blocks that are put together: of objects, of jobs, of what was paused before.

All of it is SQL, for psql executes a restore in place, and there is nobody to answer in the middle of it. What is known
already and what was done is told by settings of the transaction: ``mobul.paused``, ``mobul.of_set``, ``mobul.awake``.
"""

from __future__ import annotations

from ...postgres.tables import FIRST_USER_OID
from . import kinds
from .calls import DECLARATIONS, FIND_CALLS, SUBSCRIBED

_SCHEDULERS = ", ".join(
    "({})".format(", ".join("NULL" if value is None else f"'{value}'" for value in (*table, *columns)))
    for table, columns in kinds.SCHEDULERS.items()
)

_STILL = """
  known := coalesce(nullif(pg_catalog.current_setting('mobul.paused', true), ''), '[]');
  SELECT coalesce(pg_catalog.jsonb_agg(k), '[]') INTO paused FROM pg_catalog.jsonb_array_elements(known) AS k
  WHERE CASE k ->> 'kind'
    WHEN 'job' THEN true
    WHEN 'trigger' THEN EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE oid = (k ->> 'oid')::oid AND tgenabled = 'D')
    WHEN 'rule' THEN EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE oid = (k ->> 'oid')::oid AND ev_enabled = 'D')
    WHEN 'event trigger' THEN EXISTS (
      SELECT FROM pg_catalog.pg_event_trigger WHERE oid = (k ->> 'oid')::oid AND evtenabled = 'D')
    WHEN 'materialized view' THEN EXISTS (
      SELECT FROM pg_catalog.pg_class WHERE oid = (k ->> 'oid')::oid AND relkind = 'm' AND NOT relispopulated)
    ELSE EXISTS (SELECT FROM pg_catalog.pg_subscription WHERE oid = (k ->> 'oid')::oid AND NOT subenabled) END;
"""
"""Of what is known to be paused: that which is, and is no other object of the same name."""

_DISABLE = """
  FOR item IN SELECT pg_catalog.jsonb_array_elements(found) LOOP
    BEGIN
      IF (item ->> 'alterable')::boolean THEN
        EXECUTE CASE item ->> 'kind'
          WHEN 'event trigger' THEN pg_catalog.format('ALTER EVENT TRIGGER %I DISABLE', item ->> 'name')
          WHEN 'subscription' THEN pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', item ->> 'name')
          ELSE pg_catalog.format('ALTER TABLE ONLY %I.%I DISABLE %s %I', item ->> 'schema', item ->> 'relation',
                                 pg_catalog.upper(item ->> 'kind'), item ->> 'name') END;
        paused := paused || (item - 'alterable');
      ELSE
        awake := awake || (item - 'alterable');
      END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      awake := awake || (item - 'alterable');
    END;
  END LOOP;
"""

HARMLESS = f"""(
  EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.objid = c.oid AND d.deptype = 'e')
  OR NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      AND d.refobjid >= {FIRST_USER_OID} AND (
        d.objid IN (SELECT o.oid FROM pg_catalog.pg_constraint o WHERE o.conrelid = c.oid)
        OR d.objid IN (SELECT a.oid FROM pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid)
        OR d.objid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid))))"""  # noqa: S608 - made of constants
"""Whether an UPDATE of the table ``c`` runs no code of its owner: it is an extension's, or nothing of it has any."""

# A row that this very transaction has brought has nothing to do with one that was paused before it.
_JOBS = f"""
  paused := (SELECT coalesce(pg_catalog.jsonb_agg(p), '[]') FROM pg_catalog.jsonb_array_elements(paused) AS p
             WHERE p ->> 'kind' <> 'job');
  FOR here IN SELECT s.*, c.oid AS relid, pg_catalog.format('%I.%I', s.schema, s.relation) AS named,
      {HARMLESS} AS harmless
    FROM (VALUES {_SCHEDULERS}) AS s (schema, relation, key, title, flag, extension)
    JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.relation AND c.relkind = 'r'
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = s.flag
      AND a.atttypid = 'bool'::pg_catalog.regtype
    LEFT JOIN pg_catalog.pg_extension x ON x.extname = s.extension AND EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.refobjid = x.oid
        AND d.deptype = 'e')
    WHERE s.extension IS NULL OR x.oid IS NOT NULL
  LOOP
    found := '[]';
    BEGIN
      EXECUTE pg_catalog.format(
        'SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('
        '''name'', t.%1$I::text, ''active'', t.%2$I, ''told'', pg_catalog.to_jsonb(t) ->> %3$L, '
        '''new'', t.xmin::text = (pg_catalog.pg_current_xact_id()::xid)::text)), ''[]'') '
        'FROM ONLY %4$s AS t', here.key, here.flag, here.title, here.named) INTO found;
    EXCEPTION WHEN insufficient_privilege THEN
      awake := awake || pg_catalog.jsonb_build_object('kind', 'job', 'schema', here.schema, 'relation', here.relation,
        'name', '*', 'state', here.flag, 'why', 'the role may not see whether there are any', 'oid', 0);
    END;
    FOR item IN SELECT pg_catalog.jsonb_array_elements(found) LOOP
      entry := pg_catalog.jsonb_build_object('kind', 'job', 'schema', here.schema, 'relation', here.relation,
        'name', item ->> 'name', 'state', here.flag, 'oid', 0,
        'why', pg_catalog.concat_ws(' ', 'a scheduler runs', item ->> 'told'));
      IF NOT (item ->> 'active')::boolean THEN
        IF EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(
              of_set || CASE WHEN (item ->> 'new')::boolean THEN '[]' ELSE known END) AS k
            WHERE k ->> 'kind' = 'job' AND k ->> 'schema' = here.schema AND k ->> 'name' = item ->> 'name') THEN
          paused := paused || entry;
        END IF;
        CONTINUE;
      END IF;
      IF NOT here.harmless THEN
        awake := awake || (entry || '{{"why": "its table has code of its owner, which a change of it would run"}}');
        CONTINUE;
      END IF;
      done := 0;
      BEGIN
        EXECUTE pg_catalog.format('UPDATE ONLY %s AS t SET %I = false WHERE t.%I::text = %L',
                                  here.named, here.flag, here.key, item ->> 'name');
        GET DIAGNOSTICS done = ROW_COUNT;
      EXCEPTION WHEN insufficient_privilege THEN
        IF here.extension = 'pg_cron' THEN
          BEGIN
            EXECUTE pg_catalog.format('SELECT cron.alter_job(job_id := %L, active := false)', item ->> 'name');
            done := 1;
          EXCEPTION WHEN insufficient_privilege OR undefined_function OR raise_exception THEN
            done := 0;
          END;
        END IF;
      END;
      IF done = 1 THEN
        paused := paused || entry;
      ELSE
        awake := awake || entry;
      END IF;
    END LOOP;
  END LOOP;
"""  # noqa: S608 - made of constants

_OF_SET = """
  FOR item IN SELECT pg_catalog.jsonb_array_elements(of_set) LOOP
    entry := NULL;
    IF item ->> 'kind' = 'trigger' THEN
      SELECT item || pg_catalog.jsonb_build_object('oid', t.oid::text) INTO entry FROM pg_catalog.pg_trigger t
        JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgenabled = 'D' AND t.tgname = item ->> 'name' AND c.relname = item ->> 'relation'
          AND n.nspname = item ->> 'schema';
    ELSIF item ->> 'kind' = 'rule' THEN
      SELECT item || pg_catalog.jsonb_build_object('oid', t.oid::text) INTO entry FROM pg_catalog.pg_rewrite t
        JOIN pg_catalog.pg_class c ON c.oid = t.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE t.ev_enabled = 'D' AND t.rulename = item ->> 'name' AND c.relname = item ->> 'relation'
          AND n.nspname = item ->> 'schema';
    ELSIF item ->> 'kind' = 'event trigger' THEN
      SELECT item || pg_catalog.jsonb_build_object('oid', t.oid::text) INTO entry FROM pg_catalog.pg_event_trigger t
        WHERE t.evtenabled = 'D' AND t.evtname = item ->> 'name';
    ELSIF item ->> 'kind' = 'materialized view' THEN
      SELECT item || pg_catalog.jsonb_build_object('oid', c.oid::text) INTO entry FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm' AND NOT c.relispopulated AND c.relname = item ->> 'name'
          AND n.nspname = item ->> 'schema';
    END IF;
    IF entry IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(paused) AS p
        WHERE p - 'why' - 'state' = entry - 'why' - 'state') THEN
      paused := paused || entry;
    END IF;
  END LOOP;
"""

_BEGIN = f"""
DO LANGUAGE plpgsql $mobul$
DECLARE
{DECLARATIONS}
  known jsonb;
  of_set jsonb := coalesce(nullif(pg_catalog.current_setting('mobul.of_set', true), ''), '[]');
  paused jsonb := '[]';
  awake jsonb := '[]';
  item jsonb;
  entry jsonb;
  here record;
  done bigint;
BEGIN
"""
_END = """
  PERFORM pg_catalog.set_config('mobul.paused', paused::text, true);
  PERFORM pg_catalog.set_config('mobul.awake', awake::text, true);
END $mobul$;
"""
_SUBSCRIPTIONS = f"""
  SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c)), '[]') INTO found FROM ({SUBSCRIBED}) AS c;
"""  # noqa: S608 - made of constants
# A role may have set anything. What comes behind the block is to find that as it was.
_SETTINGS = {"search_path": "", "standard_conforming_strings": "on", "jit": "off"}
_ASIDE = "".join(
    f"SELECT pg_catalog.set_config('mobul.{name}', pg_catalog.current_setting('{name}'), true),"
    f" pg_catalog.set_config('{name}', '{value}', true);\n"
    for name, value in _SETTINGS.items()
)
_BACK = "".join(
    f"SELECT pg_catalog.set_config('{name}', pg_catalog.current_setting('mobul.{name}'), true);\n" for name in _SETTINGS
)


def in_block(body: str) -> str:
    """One block of these statements, which may use all that is declared here."""
    return f"{_ASIDE}{_BEGIN}{body}{_END}{_BACK}"


PAUSE_OBJECTS = in_block(f"{_STILL}{FIND_CALLS}{_DISABLE}")
PAUSE_ALL = in_block(f"{_STILL}{FIND_CALLS}{_DISABLE}{_JOBS}{_OF_SET}")
HUSH = in_block(f"{_STILL}{_SUBSCRIPTIONS}{_DISABLE}{_JOBS}")
# What was deferred would keep a table from being altered; it is due before the end in any case.
DUE = "SET CONSTRAINTS ALL IMMEDIATE;\n"
REMEMBER = f"""{_ASIDE}
DO LANGUAGE plpgsql $mobul$
DECLARE
  paused jsonb := pg_catalog.current_setting('mobul.paused');
  line text := pg_catalog.current_setting('mobul.line') || paused::text;
BEGIN
  EXECUTE pg_catalog.format('COMMENT ON DATABASE %I IS %L', pg_catalog.current_database(),
    CASE WHEN paused = '[]' THEN nullif(pg_catalog.current_setting('mobul.comment'), '') ELSE line END);
END $mobul$;
{_BACK}"""
