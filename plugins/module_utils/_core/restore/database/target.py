"""What is known of the database that is to be restored, and of the server that it is on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import BackupError, PreflightError, SourceError
from ...platforms.profile import Profile
from ...postgres.connection import ConnectionOptions, connect
from ...postgres.memberships import OPTIONS_SINCE
from ...postgres.messages import database_errors, server_message
from ...postgres.names import TableName
from ...postgres.standby import refuse_standby
from ...postgres.tables import NOT_OF_EXTENSION, NOT_SYSTEM
from ...postgres.types import Connection, Cursor
from ...texts import bounded_list
from .naming import Note, is_beside

STEP = "check the target"

_ROLE = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
       pg_catalog.current_setting('server_version')
FROM pg_catalog.pg_roles WHERE rolname = current_user
"""
_DATABASE = """
SELECT d.oid, pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_has_role(d.datdba, 'USAGE'),
       pg_catalog.pg_encoding_to_char(d.encoding), t.spcname,
       d.datconnlimit, d.datallowconn, d.datistemplate, pg_catalog.shobj_description(d.oid, 'pg_database'),
       d.datacl IS NOT NULL, pg_catalog.to_jsonb(d) - 'datacl'
FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = %s
"""
_GRANTS = """
SELECT CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable
FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) AS g WHERE d.oid = %s
"""
_SETTINGS = """
SELECT r.rolname, s.setconfig FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase = %s ORDER BY r.rolname NULLS FIRST
"""
_NAMES = """
SELECT d.datname, pg_catalog.shobj_description(d.oid, 'pg_database'), d.datallowconn
FROM pg_catalog.pg_database d ORDER BY d.datname
"""
_STAYS = """
SELECT (SELECT pg_catalog.array_agg(slot_name::text ORDER BY slot_name) FROM pg_catalog.pg_replication_slots
        WHERE database = %(name)s),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = %(name)s)
"""
_ANYTHING = f"""
SELECT n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE {NOT_SYSTEM} AND {NOT_OF_EXTENSION}
"""  # noqa: S608 - made of constants


@dataclass(frozen=True)
class Grant:
    """A privilege on a database; *role* is None for PUBLIC."""

    role: str | None
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class Setting:
    """A setting that a database has, for everybody or for one *role*."""

    role: str | None
    name: str
    value: str


@dataclass(frozen=True)
class ExistingDatabase:
    """The properties of a database that exists already.

    :param owned: whether the current role may act as its owner.
    :param row: its row in ``pg_database``: which columns there are depends on the server's version.
    :param grants: None where nothing was ever granted or revoked.
    """

    oid: int
    owner: str
    owned: bool
    encoding: str
    tablespace: str
    connection_limit: int
    allows_connections: bool
    is_template: bool
    comment: str | None
    row: dict[str, Any]
    grants: tuple[Grant, ...] | None
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Target:
    """The server, the session's role and, if it exists, the database to restore.

    :param cannot_give: attributes that the role cannot give to roles that it makes.
    :param others: name -> note of the databases that our restores have made or kept of it.
    :param unborn: those that a restore was about to make when it was cut off.
    """

    name: str
    version: str
    version_num: int
    role: str
    superuser: bool
    may_create: bool
    may_make_roles: bool
    cannot_give: frozenset[str]
    database: ExistingDatabase | None
    names: tuple[str, ...]
    others: dict[str, Note]
    unborn: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The server's major version, such as 17."""
        return self.version_num // 10000


def elsewhere(options: ConnectionOptions, database: str) -> ConnectionOptions:
    """The same connection options with another database of the server."""
    parameters = {name: value for name, value in options.connect_params.items() if name != "dbname"}
    return replace(options, login_db=database, connect_params=parameters)


def open_maintenance(options: ConnectionOptions, database: str, lock_timeout: int) -> Connection:
    """A session beside the database that is to be restored; :func:`locks.lock_target` gives it the restore's lock."""
    return connect(elsewhere(options, database), lock_timeout=lock_timeout)


def close_maintenance(connection: Connection) -> None:
    """End the session, with its lock gone when this returns: a server notices a session's end a moment later.

    Whoever restores the same database next, for example the next drill in the same run, must not meet the lock of the
    last one.
    """
    from psycopg2 import Error

    with contextlib.suppress(Error):
        if not connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
    connection.close()


def read_target(connection: Connection, name: str) -> Target:
    """Read what a restore has to know of its target.

    :param connection: to another database of the same server.
    """
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            refuse_standby(cursor, STEP)
            cursor.execute(_ROLE)
            row = cursor.fetchone()
            if row is None:
                raise AssertionError("the query returned no row")
            role, superuser, may_create, may_make_roles, replication, bypassrls, version = row
            own = {"CREATEDB": may_create, "REPLICATION": replication, "BYPASSRLS": bypassrls}
            cursor.execute(_NAMES)
            rows = cursor.fetchall()
            notes = {other: Note.parse(comment) for other, comment, _allows in rows}
            return Target(
                name=name,
                version=version,
                version_num=connection.server_version,
                role=role,
                superuser=superuser,
                may_create=may_create or superuser,
                may_make_roles=may_make_roles or superuser,
                cannot_give=_cannot_give(connection.server_version, own, superuser=superuser),
                database=_existing(cursor, name),
                names=tuple(notes),
                others={other: note for other, note in notes.items() if note is not None and note.database == name},
                unborn=tuple(
                    other
                    for other, comment, allows in rows
                    if comment is None and not allows and is_beside(other, name, "new")
                ),
            )
    except Error as error:
        raise SourceError(STEP, f"database {name!r}: {server_message(error)}") from None


def _cannot_give(version_num: int, own: Mapping[str, bool], *, superuser: bool) -> frozenset[str]:
    """Since PostgreSQL 16 others than superusers give what they have, before that no more than to make databases."""
    if superuser:
        return frozenset()
    if version_num < OPTIONS_SINCE:
        return frozenset({"SUPERUSER", "REPLICATION", "BYPASSRLS"})
    return frozenset({"SUPERUSER", *(attribute for attribute, has in own.items() if not has)})


def _existing(cursor: Cursor, name: str) -> ExistingDatabase | None:
    cursor.execute(_DATABASE, [name])
    row = cursor.fetchone()
    if row is None:
        return None
    oid, owner, owned, encoding, tablespace, limit, allows, template, comment, has_grants, columns = row
    cursor.execute(_GRANTS, [oid])
    grants = tuple(Grant(*grant) for grant in cursor.fetchall())
    cursor.execute(_SETTINGS, [oid])
    settings = [(role, *entry.split("=", 1)) for role, entries in cursor.fetchall() for entry in entries]
    return ExistingDatabase(
        oid=oid,
        owner=owner,
        owned=owned,
        encoding=encoding,
        tablespace=tablespace,
        connection_limit=limit,
        allows_connections=allows,
        is_template=template,
        comment=comment,
        row=columns,
        grants=grants if has_grants else None,
        settings=tuple(Setting(*setting) for setting in settings),
    )


def is_empty(options: ConnectionOptions, profile: Profile | None = None) -> bool:
    """Whether nobody has made a table, view or sequence in the database; one that lets nobody in is taken for full.

    :param profile: of the platform whose own do not count, but for rows of users in them.
    """
    try:
        connection = connect(options)
    except BackupError:
        return False
    try:
        with database_errors(STEP), connection.cursor() as cursor:
            cursor.execute(_ANYTHING)
            found = cursor.fetchall()
            if profile is None:
                return not found
            platforms = [one for one in found if profile.has_schema(one[0]) and profile.owns(one[3])]
            if len(platforms) < len(found):
                return False
            tables = [((schema, name), owner) for schema, name, kind, owner in platforms if kind == "r"]
            return not any(_has_rows(cursor, one) for one, owner in tables if not profile.leaves_rows(one, owner))
    finally:
        connection.close()


def _has_rows(cursor: Cursor, table: TableName) -> bool:
    from psycopg2 import sql

    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM ONLY {})").format(sql.Identifier(*table)))
    row = cursor.fetchone()
    return row is not None and bool(row[0])


def check_quiet(connection: Connection, target: Target, *, replaced: bool) -> list[str]:
    """Refuse a target in which something is going on that an exchange would break; warnings about what stays behind.

    :param replaced: whether another database takes its name.
    """
    existing = target.database
    if existing is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_STAYS, {"name": target.name})
        row = cursor.fetchone()
    slots, prepared = row if row is not None else (None, 0)
    if prepared:
        raise PreflightError(
            STEP,
            f"database {target.name!r} has {prepared} prepared transactions",
            hint="COMMIT PREPARED or ROLLBACK PREPARED them first (pg_prepared_xacts names them)",
        )
    if not slots:
        return []
    names = bounded_list(slots)
    if replaced:
        return [f"replication slots stay with the replaced database: {names}"]
    return [f"whoever reads the replication slots of the database gets what is restored as changes: {names}"]


def check_space(connection: Connection, needed: int) -> None:
    """Refuse where the server's disk has less room than the database needs, if the server is on this host.

    A server does not tell how much room it has; only a superuser on the same host can look.
    """
    from psycopg2 import Error

    with contextlib.suppress(Error, OSError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('data_directory'), pg_catalog.pg_backend_pid()")
        row = cursor.fetchone()
        # A backend whose process is here, below that directory: it is this host, and no tunnel.
        if row is None or os.readlink(f"/proc/{row[1]}/cwd") != os.path.realpath(row[0]):
            return
        room = os.statvfs(row[0])
        free = room.f_bavail * room.f_frsize
        if free < needed:
            raise PreflightError(
                STEP,
                f"the server's disk has {free:,} bytes free, the database needs about {needed:,}",
                hint="make room there first: both databases are there until the old one is dropped",
            )


def missing_names(cursor: Cursor, catalogue: str, column: str, names: Sequence[str]) -> list[str]:
    """The names of *names* that the catalog does not contain."""
    from psycopg2 import sql

    query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier("pg_catalog", catalogue))
    cursor.execute(query)
    there = {row[0] for row in cursor.fetchall()}
    return sorted(name for name in set(names) if name not in there)
