"""Grants that nobody asked for: what default privileges add to everything that is made.

pg_dump writes grants as changes to what the server gives by itself. So what default privileges have added is taken
away again before these are carried out.
"""

from __future__ import annotations

from collections.abc import Collection

from ..session import Session

_RELATIONS = """
SELECT c.oid::bigint FROM pg_catalog.pg_class c WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
"""
_ROUTINES = "SELECT p.oid::bigint FROM pg_catalog.pg_proc p WHERE p.proacl IS NOT NULL"

_RESET_RELATION = """
SELECT pg_catalog.format('REVOKE ALL ON %%s %%s FROM %%s CASCADE', what, name, grantee) FROM (
  SELECT DISTINCT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS what, c.oid::pg_catalog.regclass AS name,
         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
           AS grantee
  FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a WHERE c.oid = %(oid)s) AS granted
UNION ALL
SELECT pg_catalog.format('GRANT ALL ON %%s %%s TO %%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                         c.oid::pg_catalog.regclass, pg_catalog.pg_get_userbyid(c.relowner))
FROM pg_catalog.pg_class c WHERE c.oid = %(oid)s
"""
_RESET_ROUTINE = """
SELECT pg_catalog.format('REVOKE ALL ON ROUTINE %%s FROM %%s', name, grantee) FROM (
  SELECT DISTINCT p.oid::pg_catalog.regprocedure AS name,
         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
           AS grantee
  FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a WHERE p.oid = %(oid)s) AS granted
UNION ALL
SELECT pg_catalog.format('GRANT ALL ON ROUTINE %%s TO PUBLIC', p.oid::pg_catalog.regprocedure)
FROM pg_catalog.pg_proc p WHERE p.oid = %(oid)s
UNION ALL
SELECT pg_catalog.format('GRANT ALL ON ROUTINE %%s TO %%I', p.oid::pg_catalog.regprocedure,
                         pg_catalog.pg_get_userbyid(p.proowner))
FROM pg_catalog.pg_proc p WHERE p.oid = %(oid)s
"""
_RESET_TYPE = """
SELECT pg_catalog.format('REVOKE ALL ON TYPE %%s FROM %%s CASCADE', name, grantee) FROM (
  SELECT DISTINCT t.oid::pg_catalog.regtype AS name,
         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
           AS grantee
  FROM pg_catalog.pg_type t, pg_catalog.aclexplode(t.typacl) a WHERE t.oid = %(oid)s) AS granted
UNION ALL
SELECT pg_catalog.format('GRANT ALL ON TYPE %%s TO PUBLIC, %%I', t.oid::pg_catalog.regtype,
                         pg_catalog.pg_get_userbyid(t.typowner))
FROM pg_catalog.pg_type t WHERE t.oid = %(oid)s
"""
_RESET_SCHEMA = """
SELECT pg_catalog.format('REVOKE ALL ON SCHEMA %%I FROM %%s CASCADE', name, grantee) FROM (
  SELECT DISTINCT n.nspname AS name,
         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
           AS grantee
  FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a WHERE n.oid = %(oid)s) AS granted
UNION ALL
SELECT pg_catalog.format('GRANT ALL ON SCHEMA %%I TO %%I', n.nspname, pg_catalog.pg_get_userbyid(n.nspowner))
FROM pg_catalog.pg_namespace n WHERE n.oid = %(oid)s
"""
_KINDS = (
    (_RELATIONS, _RESET_RELATION),
    (_ROUTINES, _RESET_ROUTINE),
    ("SELECT t.oid::bigint FROM pg_catalog.pg_type t WHERE t.typacl IS NOT NULL", _RESET_TYPE),
    ("SELECT n.oid::bigint FROM pg_catalog.pg_namespace n WHERE n.nspacl IS NOT NULL", _RESET_SCHEMA),
)
"""What has grants of its own, and what resets one of those."""
_OF_SCHEMA = f"{_RELATIONS} AND c.relnamespace = %s::pg_catalog.regnamespace"


class Granted:
    """The grants of objects before a restore, to find those that default privileges add."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before = [self._read(query) for query, _reset_one in _KINDS]

    def reset_new(self) -> None:
        """Give everything that has come with grants the rights that it would have without default privileges."""
        for (query, reset_one), before in zip(_KINDS, self._before, strict=True):
            _reset(self._session, reset_one, self._read(query) - before)

    def _read(self, query: str) -> set[int]:
        return {oid for (oid,) in self._session.rows(query)}


def reset_relations(session: Session, schema: str) -> None:
    """Revoke added grants on all relations of a schema."""
    _reset(session, _RESET_RELATION, [oid for (oid,) in session.rows(_OF_SCHEMA, [schema])])


def _reset(session: Session, query: str, oids: Collection[int]) -> None:
    for oid in sorted(oids):
        for (statement,) in session.rows(query, {"oid": oid}):
            session.execute(statement)


def revoke_all(session: Session, oid: int) -> None:
    """Revoke all privileges of everybody but the owner on a relation."""
    _reset(session, _RESET_RELATION, [oid])
