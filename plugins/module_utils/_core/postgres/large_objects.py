"""Large objects in a few bytes: what is in them, and whose they are.

Both are sums as those of tables, see :mod:`counting`: of contents, a line for each MiB of each object with its number,
the MiB's number, its length and its MD5; of rights, a line for each object with its number, its owner and who may do
what.
"""

from __future__ import annotations

from .halves import halves_as_text
from .messages import database_errors
from .types import Connection

CONTENTS_ALGORITHM = "lo-md5-sum-2x64"
RIGHTS_ALGORITHM = "lo-rights-md5-sum-2x64"
_STEP = "read the large objects"
_SUM = """
SELECT pg_catalog.sum(h::bit(64)::bigint), pg_catalog.sum((h << 64)::bit(64)::bigint)
FROM (SELECT ('x' || pg_catalog.md5(line))::bit(128) AS h FROM ({}) AS lines OFFSET 0) AS hashed
"""
_CONTENTS = """
WITH RECURSIVE piece (oid, number, size, hash) AS (
  SELECT m.oid, 0::bigint, pg_catalog.length(one), pg_catalog.md5(one)
  FROM pg_catalog.pg_largeobject_metadata m, LATERAL pg_catalog.lo_get(m.oid, 0::bigint, 1048576) AS one
  UNION ALL
  SELECT p.oid, p.number + 1, pg_catalog.length(one), pg_catalog.md5(one)
  FROM piece p, LATERAL pg_catalog.lo_get(p.oid, (p.number + 1) * 1048576, 1048576) AS one WHERE p.size = 1048576
) SELECT pg_catalog.format('%s:%s:%s:%s', oid, number, size, hash) AS line FROM piece
"""
# Who gave a right is not told: whoever restores may be another.
_RIGHTS = """
SELECT pg_catalog.format('%s:%I:%s', m.oid, pg_catalog.pg_get_userbyid(m.lomowner), (
  SELECT pg_catalog.string_agg(line, ',' ORDER BY line COLLATE "C") FROM (
    SELECT pg_catalog.format('%s=%s%s', CASE WHEN g.grantee <> 0
                               THEN pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)::text) END,
                             g.privilege_type, CASE WHEN g.is_grantable THEN '*' END) AS line
    FROM pg_catalog.aclexplode(coalesce(m.lomacl, pg_catalog.acldefault('L', m.lomowner))) AS g) AS grants)) AS line
FROM pg_catalog.pg_largeobject_metadata m
"""


def contents_of_large_objects(connection: Connection) -> str:
    """32 hexadecimal digits that tell of the contents of all of them.

    :raises SourceError: the role may not read one of them.
    """
    return _sum(connection, _CONTENTS)


def rights_on_large_objects(connection: Connection) -> str:
    """32 hexadecimal digits that tell of the owners and grants of all of them."""
    return _sum(connection, _RIGHTS)


def _sum(connection: Connection, lines: str) -> str:
    with database_errors(_STEP), connection.cursor() as cursor:
        cursor.execute(_SUM.format(lines))
        row = cursor.fetchone()
    halves = (0, 0) if row is None else row
    return halves_as_text(halves)
