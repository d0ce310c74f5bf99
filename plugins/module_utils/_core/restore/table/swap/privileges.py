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


def _reset_query(catalog: str, alias_type: str, acl: str, owner: str, *, kind: str, public: bool) -> str:
    """What makes the statements that reset the grants of one object of a system catalog.

    :param alias_type: the type whose text is the object's name, quoted and with its schema.
    :param kind: SQL for the word that GRANT and REVOKE have for it; the object is ``o``.
    :param public: whether the server itself gives everybody rights on such an object.
    """
    return f"""
SELECT pg_catalog.format('REVOKE ALL ON %%s %%s FROM %%s CASCADE', kind, name, grantee) FROM (
  SELECT DISTINCT {kind} AS kind, o.oid::pg_catalog.{alias_type} AS name,
         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
           AS grantee
  FROM pg_catalog.{catalog} o, pg_catalog.aclexplode(o.{acl}) a WHERE o.oid = %(oid)s) AS granted
UNION ALL
SELECT pg_catalog.format('GRANT ALL ON %%s %%s TO {"PUBLIC, " if public else ""}%%I', {kind},
                         o.oid::pg_catalog.{alias_type}, pg_catalog.pg_get_userbyid(o.{owner}))
FROM pg_catalog.{catalog} o WHERE o.oid = %(oid)s
"""  # noqa: S608 - made of constants


_KIND_OF_RELATION = "CASE o.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END"
_RESET_RELATION = _reset_query("pg_class", "regclass", "relacl", "relowner", kind=_KIND_OF_RELATION, public=False)
_RESET_ROUTINE = _reset_query("pg_proc", "regprocedure", "proacl", "proowner", kind="'ROUTINE'", public=True)
_RESET_TYPE = _reset_query("pg_type", "regtype", "typacl", "typowner", kind="'TYPE'", public=True)
_RESET_SCHEMA = _reset_query("pg_namespace", "regnamespace", "nspacl", "nspowner", kind="'SCHEMA'", public=False)
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
