"""What the role of the session may do on the server: asked before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ...errors import PreflightError
from ...postgres.archive import Toc
from ...postgres.memberships import OPTIONS_SINCE, lacking_memberships
from ...postgres.names import quoted
from ...postgres.types import Connection, Cursor
from ...texts import bounded_list
from .globals_script import RolePlan
from .lost_settings import settings_of
from .sessions import unendable
from .side_by_side.creating import owner_of
from .target import STEP, ExistingDatabase, Target

_PARAMETERS_SINCE = 150000
_SUPERUSERS = "SELECT name FROM pg_catalog.pg_settings WHERE context IN ('superuser', 'superuser-backend')"
_GRANTED = " AND NOT pg_catalog.has_parameter_privilege(name, 'SET')"
_OTHERS = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE r.rolname = ANY (%s) AND r.rolname <> current_user AND (r.rolsuper OR NOT {may_alter})
"""
_ADMINISTERED = """EXISTS (
  SELECT FROM pg_catalog.pg_auth_members m
  WHERE m.roleid = r.oid AND m.admin_option AND pg_catalog.pg_has_role(m.member, 'USAGE'))"""


def check_owned(existing: ExistingDatabase | None, target: Target) -> None:
    """Raise an error if the database belongs to another role.

    :raises PreflightError: names its owner.
    """
    if existing is not None and not (existing.owned or target.superuser):
        raise PreflightError(
            STEP,
            f"role {target.role!r} does not own database {target.name!r}",
            hint=f"connect as {existing.owner}, as a member that inherits its rights, or as a superuser",
        )


def check_may_create(target: Target) -> None:
    """Raise an error if the role may neither create nor rename databases.

    :raises PreflightError: says what would help.
    """
    if not target.may_create:
        raise PreflightError(
            STEP,
            f"role {target.role!r} may not create databases",
            hint=f"nothing was touched; ALTER ROLE {quoted(target.role)} CREATEDB",
        )


def owner_of_restored(connection: Connection, target: Target, toc: Toc | None, roles: RolePlan) -> str:
    """Whose the restored database will be: as before where there is one, else as in the backup if the role may do so.

    :param roles: those that will be made.
    """
    if target.database is not None:
        return target.database.owner
    owner = owner_of(toc)
    if owner is None or owner in roles.roles:
        return owner or target.role
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = %s", [owner])
        there = cursor.fetchone() is not None
        return owner if there and not lacking_memberships(cursor, [owner]) else target.role


def owner_warnings(target: Target, toc: Toc | None, owner: str) -> Iterator[str]:
    """A warning if the new database cannot get the owner of the old one."""
    wanted = owner_of(toc)
    if target.database is None and wanted not in (None, owner):
        yield f"the database belonged to {wanted}, for whom role {target.role!r} cannot act, and will be {owner}'s"


def check_settings(connection: Connection, target: Target, toc: Toc | None) -> None:
    """Refuse settings of the database that the role cannot give to the one that takes its place.

    :raises PreflightError: names them.
    """
    if target.superuser:
        return
    settings = _settings(target, toc)
    with connection.cursor() as cursor:
        reserved = _reserved(cursor, {name for _role, name in settings})
        others = _unalterable(cursor, target, {role for role, _name in settings if role is not None})
    names = [
        name if role is None else f"{name} of role {role}"
        for role, name in settings
        if name in reserved or role in others
    ]
    if not names:
        return
    ways = ["nothing was touched"]
    if target.database is not None:
        ways.append("strategy in_place leaves them as they are")
    if reserved and target.version_num >= _PARAMETERS_SINCE and not others:
        ways.append(f"GRANT SET ON PARAMETER {', '.join(sorted(reserved))} TO {quoted(target.role)}")
    raise PreflightError(
        STEP,
        f"role {target.role!r} cannot give a new database settings that it is to have: {bounded_list(names)}",
        hint="; ".join([*ways, "or connect as a superuser"]),
    )


def _settings(target: Target, toc: Toc | None) -> list[tuple[str | None, str]]:
    """Role, None for everybody, and name of what a new database in the place of the target is to have."""
    if target.database is not None:
        return [(one.role, one.name) for one in target.database.settings]
    return list(settings_of(toc)) if toc is not None and toc.database == target.name else []


def _reserved(cursor: Cursor, names: Collection[str]) -> set[str]:
    """Those settings that only superusers give, and whoever has them granted."""
    cursor.execute(_SUPERUSERS + (_GRANTED if cursor.connection.server_version >= _PARAMETERS_SINCE else ""))
    return {name for (name,) in cursor.fetchall()} & set(names)


def _unalterable(cursor: Cursor, target: Target, roles: Collection[str]) -> set[str]:
    """The roles whose settings the session may not change."""
    may = "false"
    if target.may_make_roles:
        may = _ADMINISTERED if target.version_num >= OPTIONS_SINCE else "true"
    cursor.execute(_OTHERS.format(may_alter=may), [sorted(roles)])
    return {name for (name,) in cursor.fetchall()}


def session_warnings(connection: Connection, target: Target) -> list[str]:
    """A warning where somebody is in the database whose session the role may not end."""
    there: Sequence[str] = [] if target.superuser or target.database is None else unendable(connection, target.name)
    if not there:
        return []
    return [
        f"role {target.role!r} may not end the sessions that are in {target.name!r} now: {bounded_list(list(there))}: "
        f"GRANT pg_signal_backend TO {quoted(target.role)}, which does not count for those of superusers"
    ]
