"""Which roles a session can act for: it makes what belongs to them, and reads and drops it with their rights.

A member does that by two ways, of which each can be missing: SET ROLE, which makes something theirs, and to inherit
their rights. Before PostgreSQL 16 the second is an attribute of the member, since then both are options of the grant.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import PreflightError
from ..texts import bounded_list
from .names import quoted
from .types import Cursor

OPTIONS_SINCE = 160000
"""The server's version from which on a grant says what the member may do with it."""
_LACKING = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE r.rolname = ANY (%s)
  AND NOT (pg_catalog.pg_has_role(r.oid, 'USAGE') AND pg_catalog.pg_has_role(r.oid, '{set_role}'))
ORDER BY r.rolname
"""
_INHERITS = "SELECT rolname, rolinherit FROM pg_catalog.pg_roles WHERE rolname = current_user"


def lacking_memberships(cursor: Cursor, roles: Collection[str]) -> list[str]:
    """Those of *roles* that the session cannot act for; names that the server does not have are passed over."""
    since = cursor.connection.server_version >= OPTIONS_SINCE
    cursor.execute(_LACKING.format(set_role="SET" if since else "MEMBER"), [list(roles)])
    return [name for (name,) in cursor.fetchall()]


def membership(cursor: Cursor, roles: Collection[str]) -> str:
    """The SQL that lets the session act for *roles*, for whoever may grant them."""
    cursor.execute(_INHERITS)
    row = cursor.fetchone()
    if row is None:
        raise AssertionError("the query returned no row")
    member, inherits = quoted(row[0]), row[1]
    grant = f"GRANT {', '.join(map(quoted, roles))} TO {member}"
    if cursor.connection.server_version >= OPTIONS_SINCE:
        return f"{grant} WITH INHERIT TRUE, SET TRUE"
    return grant if inherits else f"{grant}; ALTER ROLE {member} INHERIT"


def refuse_strange_owners(cursor: Cursor, step: str, owners: Collection[str], what: str) -> None:
    """Refuse where the session cannot act for one of *owners*.

    :param what: of theirs is to be made or dropped, for a person.
    :raises PreflightError: names those roles, and the statement that helps.
    """
    lacking = lacking_memberships(cursor, owners)
    if not lacking:
        return
    cursor.execute("SELECT current_user")
    row = cursor.fetchone()
    raise PreflightError(
        step,
        f"role {row[0] if row else ''!r} is no member, with INHERIT and SET, of roles that own {what}: "
        f"{bounded_list(lacking)}",
        hint=f"nothing was touched; {membership(cursor, lacking)}; or connect as a superuser",
    )
