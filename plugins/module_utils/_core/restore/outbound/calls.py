"""Which objects of a database call out, as far as a server can tell: a piece of PL/pgSQL.

Something calls out if it reaches another server, a program or a file, or lets a scheduler do so: a function of an
extension that does, one in a language that may do anything, one whose text names either, ``COPY ... PROGRAM``, what
lies in a foreign table; and whatever depends on one of these by ``pg_depend`` or by the text of functions, however many
are between. ``NOTIFY`` is none: it ends at who listens to this database.

A text is not understood but searched, comments and strings in it, too: a call in a string is a call to come. What puts
a name together from pieces is not seen, nor what an application does with the rows of an ordinary table.
"""

from __future__ import annotations

KNOWN_FUNCTIONS = {
    "pg_net": r"^(http_|_http|_await|wake|worker_restart)",
    "http": r"^http($|_(get|post|put|patch|delete|head)$)",
    "pg_curl": ".",
    "dblink": r"^dblink",
    "aws_lambda": ".",
    "aws_s3": ".",
    "aws_ml": ".",
    "azure_ai": ".",
    "azure_storage": ".",
    "google_ml_integration": ".",
    "ai": ".",
    "amqp": ".",
    "pg_smtp_client": ".",
    "pg_cron": r"^(schedule|schedule_in_database|alter_job)$",
}
"""Extensions -> the names of those of their functions that call out, or schedule what may."""

NAMED = (
    r'\mnet"?\s*[.]\s*"?_?http_\w+|\mhttp_request_queue\M|\msupabase_functions"?\s*[.]\s*"?http_request\M'
    r'|\mdblink\w*"?\s*\(|\mhttp_(get|post|put|patch|delete|head)"?\s*\(|\mhttp"?\s*\(\s*(\(|row)'
    r'|\maws_(lambda|s3)"?\s*[.]\s*"?\w+|\mcron"?\s*[.]\s*"?(schedule\w*|alter_job)\M|\mlo_export"?\s*\('
    r"|\mcopy\M[^;]*\m(from|to)\s+program\M|\mcopy\M[^;]*\mto\s+e?''"
)
"""What needs no function to be there: a server without an extension has the texts that call it. Quotes are doubled."""

_HINTS = ("http", "dblink", "aws_", "cron", "lo_export", "copy")
"""One of these is in whatever :data:`NAMED` finds: to search a text for a word is much faster than for a pattern."""
_HINTED = " OR ".join(f"pg_catalog.strpos(pg_catalog.lower(p.prosrc), '{one}') > 0" for one in _HINTS)
_KNOWN = ", ".join(f"('{name}', '{pattern}')" for name, pattern in KNOWN_FUNCTIONS.items())
_LIBRARY = "pg_catalog.regexp_replace(p.probin, '^.*/|[.]so$', '', 'g')"
_PROC, _CLASS = (f"'pg_catalog.pg_{name}'::pg_catalog.regclass" for name in ("proc", "class"))


def _users_of(catalog: str) -> str:
    """The functions that use ``one``, of a system catalog: told by their texts, or known to the server."""
    return f"""SELECT t.oid FROM ROWS FROM (pg_catalog.unnest(oids), pg_catalog.unnest(texts)) AS t (oid, source)
        WHERE CASE WHEN pg_catalog.strpos(t.source, one.word) > 0 THEN t.source ~* one.pattern ELSE false END
      UNION SELECT d.objid FROM pg_catalog.pg_depend d
        WHERE d.refclassid = {catalog} AND d.refobjid = one.oid AND d.classid = {_PROC}"""  # noqa: S608 - constants


def _mention(schema: str, name: str, needed: str, following: str) -> str:
    """A pattern of a name in a text, with its schema before it or, unless that is *needed*, with none."""
    escaped = r"pg_catalog.regexp_replace({}, '([^[:alnum:]_])', '\\\1', 'g')"
    before = r"""'(^|[^[:alnum:]_$".])("?' || {} || '"?\s*[.]\s*)' || {} || '"?' || {} || '"?{}'"""
    return before.format(escaped.format(schema), needed, escaped.format(name), following)


_CALLED = _mention("n.nspname", "p.proname", "'?'", r"\s*[(]")
_READ = _mention("n.nspname", "c.relname", "CASE WHEN shared THEN '' ELSE '?' END", "($|[^[:alnum:]_$])")

_ROOTS = f"""
  SELECT coalesce(pg_catalog.jsonb_object_agg(r.oid::text, r.why), '{{}}') INTO calling FROM (
    SELECT p.oid, CASE
        WHEN e.extname IS NOT NULL AND p.proname ~ k.functions
          OR l.lanname = 'c' AND {_LIBRARY} = k.extension AND (p.proname ~ k.functions OR p.prosrc ~ k.functions)
          OR pg_catalog.format('%s.%s(', n.nspname, p.proname) ~ '{NAMED}'
          THEN pg_catalog.format('%s.%s', n.nspname, p.proname)
        WHEN l.lanname IN ('c', 'internal') THEN NULL
        WHEN NOT l.lanpltrusted THEN pg_catalog.format('%s.%s in language %s', n.nspname, p.proname, l.lanname)
        WHEN {_HINTED}
          THEN pg_catalog.regexp_replace(pg_catalog.regexp_replace(
                 pg_catalog.substring(pg_catalog.lower(p.prosrc), '({NAMED})'),
                 '^copy.*', 'COPY of a file or a program'),
                 '\\s*[(].*$', '')
      END AS why
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = {_PROC} AND d.objid = p.oid AND d.deptype = 'e'
    LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    LEFT JOIN (VALUES {_KNOWN}) AS k (extension, functions) ON k.extension = coalesce(e.extname, {_LIBRARY})
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  ) AS r WHERE r.why IS NOT NULL;
"""  # noqa: S608 - made of constants

_OUTSIDE = f"""
  WITH RECURSIVE relations (oid) AS (
    SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'f'
    UNION
    SELECT next.oid FROM relations CROSS JOIN LATERAL (
      SELECT i.inhparent AS oid FROM pg_catalog.pg_inherits i WHERE i.inhrelid = relations.oid
      UNION ALL
      SELECT r.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
        JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
      WHERE d.refclassid = {_CLASS} AND d.refobjid = relations.oid
        AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    ) AS next
  )
  SELECT coalesce(pg_catalog.array_agg(oid), '{{}}') INTO outside FROM relations;
  FOR one IN
    SELECT c.oid, pg_catalog.lower(c.relname) AS word, {_READ} AS pattern, n.nspname || '.' || c.relname AS name
    FROM (SELECT c.*, EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.relname = c.relname AND o.oid <> ALL (outside)
                              AND o.relkind IN ('r', 'p', 'v', 'm')) AS shared
          FROM pg_catalog.pg_class c WHERE c.oid = ANY (outside)) AS c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LOOP
    SELECT calling || coalesce(pg_catalog.jsonb_object_agg(f.oid::text, 'foreign table ' || one.name), '{{}}')
      INTO calling FROM (
      {_users_of(_CLASS)}
    ) AS f WHERE NOT calling ? f.oid::text;
  END LOOP;
"""  # noqa: S608 - made of constants

# Each function that calls out is searched for once in the texts of all others.
_CALLERS = f"""
  SELECT coalesce(pg_catalog.array_agg(k::oid), '{{}}') INTO frontier FROM pg_catalog.jsonb_object_keys(calling) AS k;
  WHILE pg_catalog.cardinality(frontier) > 0 LOOP
    met := '{{}}';
    FOR one IN SELECT p.oid, pg_catalog.lower(p.proname) AS word, {_CALLED} AS pattern
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = ANY (frontier)
    LOOP
      SELECT calling || coalesce(pg_catalog.jsonb_object_agg(f.oid::text, calling ->> one.oid::text), '{{}}'),
             met || coalesce(pg_catalog.array_agg(f.oid), '{{}}') INTO calling, met FROM (
        {_users_of(_PROC)}
      ) AS f WHERE NOT calling ? f.oid::text;
    END LOOP;
    frontier := met;
  END LOOP;
"""  # noqa: S608 - made of constants

SUBSCRIBED = """
SELECT 'subscription' AS kind, s.oid, '' AS schema, '' AS relation, s.subname AS name, 'enabled' AS state,
       'takes what a publisher sends' AS why, true AS alterable
FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database b ON b.oid = s.subdbid
WHERE b.datname = pg_catalog.current_database() AND s.subenabled"""

_OBJECTS = f"""
  WITH reasons AS (
    SELECT p.oid, CASE WHEN pg_catalog.starts_with(k.why, n.nspname || '.' || p.proname) THEN k.why
                       ELSE n.nspname || '.' || p.proname || ': ' || k.why END AS why
    FROM pg_catalog.jsonb_each_text(calling) AS k (oid, why) JOIN pg_catalog.pg_proc p ON p.oid = k.oid::oid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  ),
  dependents AS (
    SELECT d.classid, d.objid, reasons.why FROM reasons
      JOIN pg_catalog.pg_depend d ON d.refclassid = {_PROC} AND d.refobjid = reasons.oid
    UNION ALL
    SELECT d.classid, d.objid, 'foreign table ' || n.nspname || '.' || c.relname
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_depend d ON d.refclassid = {_CLASS} AND d.refobjid = c.oid
        AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> c.oid
      WHERE c.oid = ANY (outside)
  )
  SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(c) ORDER BY c.kind <> 'event trigger', c.oid), '[]')
  INTO found FROM (
SELECT 'event trigger' AS kind, t.oid, '' AS schema, '' AS relation, t.evtname::text AS name,
       t.evtenabled::text AS state,
       pg_catalog.min(d.why) AS why, true AS alterable
FROM dependents d JOIN pg_catalog.pg_event_trigger t ON t.oid = d.objid AND t.evtenabled <> 'D'
WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass GROUP BY t.oid, t.evtname, t.evtenabled
UNION ALL
SELECT 'trigger', t.oid, n.nspname, c.relname, t.tgname, t.tgenabled::text, pg_catalog.min(d.why),
       c.relkind IN ('r', 'p', 'f')
FROM dependents d JOIN pg_catalog.pg_trigger t ON t.oid = d.objid AND t.tgenabled <> 'D' AND NOT t.tgisinternal
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
GROUP BY t.oid, n.nspname, c.relname, t.tgname, t.tgenabled, c.relkind
UNION ALL
SELECT 'rule', r.oid, n.nspname, c.relname, r.rulename, r.ev_enabled::text, pg_catalog.min(d.why),
       c.relkind IN ('r', 'p')
FROM dependents d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_enabled <> 'D' AND r.ev_type <> '1'
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
GROUP BY r.oid, n.nspname, c.relname, r.rulename, r.ev_enabled, c.relkind
UNION ALL
{SUBSCRIBED}
UNION ALL
SELECT CASE d.classid WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN 'default'
                      WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN 'constraint'
                      WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN 'policy'
                      WHEN {_CLASS} THEN 'index' ELSE 'statistics' END,
       d.objid, '', '', (pg_catalog.pg_identify_object(d.classid, d.objid, 0)).identity, '',
       pg_catalog.min(d.why), false
FROM dependents d WHERE d.classid IN ('pg_catalog.pg_attrdef'::pg_catalog.regclass,
  'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
  'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
  OR d.classid = {_CLASS} AND d.objid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i)
GROUP BY d.classid, d.objid
  ) AS c;
"""  # noqa: S608 - made of constants

DECLARATIONS = """
  calling jsonb;
  oids oid[];
  texts text[];
  outside oid[];
  frontier oid[];
  met oid[];
  one record;
  found jsonb;
  needed jsonb;
"""
_TEXTS = """
  SELECT pg_catalog.array_agg(p.oid), pg_catalog.array_agg(pg_catalog.lower(p.prosrc)) INTO oids, texts
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c', 'internal');
"""
FIND_ROOTS = _ROOTS
"""Statements that leave in ``calling`` the functions that call out by themselves, by OID, and how."""
FIND_CALLS = f"{_TEXTS}{_ROOTS}{_OUTSIDE}{_CALLERS}{_OBJECTS}"
"""Statements that leave in ``found`` a list of objects: kind, oid, schema, relation, name, state, why, alterable."""
