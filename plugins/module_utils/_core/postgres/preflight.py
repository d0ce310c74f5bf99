"""What must be known of a server before a backup begins, and what must be right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..documents.strict_json import MAX_BYTES
from ..errors import PreflightError, SourceError
from ..texts import bounded_list
from .connection import ConnectionOptions
from .foreign_code import knows_restriction
from .messages import server_message
from .names import TableName
from .pooler import is_pooled
from .rights import find_unreadable
from .standby import standby_warnings
from .tables import FIRST_USER_OID, NOT_OF_EXTENSION, NOT_SYSTEM
from .types import Connection, Cursor

STEP = "check the server"
OLDEST = 120000
"""The oldest server whose catalogue is read here and whose numbers are printed without loss."""

_FACTS = """
SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_database(),
       pg_catalog.current_setting('server_encoding'), pg_catalog.pg_is_in_recovery(),
       r.rolname, r.rolsuper, r.rolbypassrls,
       r.rolsuper AND pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT'),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata)
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""
_SYSTEM_IDENTIFIER = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
_SIZE = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"
_WAL = """
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn() END::text
"""
_SUBSCRIPTIONS = """
SELECT pg_catalog.count(s.oid) FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database()
"""
# The documented size of the lock table; the server has some memory to spare beyond it.
_LOCKS = f"""
SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND oid >= {FIRST_USER_OID}),
       pg_catalog.current_setting('max_locks_per_transaction')::bigint
         * (pg_catalog.current_setting('max_connections')::bigint
            + pg_catalog.current_setting('max_prepared_transactions')::bigint)
"""  # noqa: S608 - made of constants
# What a manifest holds of a table at the very least: it is in its list and in the dump's index.
_LISTED = f"""
SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(
  125 + 2 * (pg_catalog.length(n.nspname) + pg_catalog.length(c.relname))), 0)::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND {NOT_SYSTEM} AND {NOT_OF_EXTENSION}
"""  # noqa: S608 - made of constants
# As the view pg_user_mappings decides whether the options are told.
_HIDDEN_MAPPINGS = """
SELECT m.usename, m.srvname FROM pg_catalog.pg_user_mappings m JOIN pg_catalog.pg_foreign_server s ON s.oid = m.srvid
WHERE m.umoptions IS NULL AND NOT CASE WHEN m.umuser = 0 THEN pg_catalog.pg_has_role(s.srvowner, 'USAGE')
  ELSE m.usename = current_user AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE')
                                     OR pg_catalog.has_server_privilege(s.oid, 'USAGE')) END
ORDER BY m.srvname, m.usename
"""


@dataclass(frozen=True)
class ServerFacts:
    """What was found out about a server and a database.

    :param version_num: ``170010``; *version* is the text, with what the distribution adds.
    :param system_identifier: of the cluster, decimal digits; None where the server does not tell.
    :param size: bytes of the database on the server's disk, 0 where it does not tell.
    :param wal_lsn: ``16/B374D848``, or None.
    :param can_read_passwords: whether pg_dumpall takes the roles' passwords: of a superuser. A role that may read all
        data could, too, but a role for backups is not to have them.
    :param pooled: whether a (session) pooler is between.
    :param warnings: what is not wrong but should be known.
    """

    version_num: int
    version: str
    system_identifier: str | None
    database: str
    encoding: str
    size: int
    in_recovery: bool
    wal_lsn: str | None
    user: str
    superuser: bool
    bypassrls: bool
    can_read_passwords: bool
    large_objects: int
    pooled: bool
    warnings: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The server's major version, such as 17."""
        return self.version_num // 10000


def check_server(
    connection: Connection, options: ConnectionOptions, left_out: Collection[TableName] = ()
) -> ServerFacts:
    """Find out what there is to know, and whether this role can dump the whole database.

    :param connection: from :func:`connection.connect`, which has refused a transaction pooler already.
    :param left_out: tables and sequences that the dump does without.
    :raises PreflightError: names everything that the role cannot read or sees only in part, all at once; or the
        database has more in it than a manifest can list.
    """
    from psycopg2 import Error

    try:
        with connection.cursor() as cursor:
            facts = _find_out(connection, cursor)
            problems = find_unreadable(cursor, facts.user, facts.version_num, left_out)
            tables, size = least_manifest_size(cursor)
    except Error as error:
        raise SourceError(STEP, f"{options.target}: {server_message(error)}") from None
    if problems:
        remedies = "; ".join(dict.fromkeys(problem.remedy for problem in problems))
        message = "; ".join(problem.problem for problem in problems)
        raise PreflightError(STEP, f"role {facts.user!r} cannot dump {options.target}: {message}", hint=remedies)
    if size > MAX_BYTES:
        raise PreflightError(
            STEP,
            f"{options.target} has {tables} tables: its backup's manifest would take more than {size} bytes, and no "
            f"reader accepts more than {MAX_BYTES}",
            hint="move some of its schemas to a database of their own",
        )
    return facts


def least_manifest_size(cursor: Cursor) -> tuple[int, int]:
    """How many tables a backup's manifest lists, and the bytes that it takes at the very least."""
    cursor.execute(_LISTED)
    row = cursor.fetchone()
    if row is None:
        raise AssertionError("the query returned no row")
    tables, size = row
    return tables, size


def _find_out(connection: Connection, cursor: Cursor) -> ServerFacts:
    version_num = connection.server_version
    if version_num < OLDEST:
        raise PreflightError(STEP, f"the server is of version {version_num // 10000}", hint="12 or newer is needed")
    cursor.execute(_FACTS)
    row = cursor.fetchone()
    if row is None:
        raise AssertionError("the query returned no row")
    version, database, encoding, in_recovery, user, superuser, bypassrls, passwords, large_objects = row
    return ServerFacts(
        version_num=version_num,
        version=version,
        system_identifier=_optional_text(cursor, _SYSTEM_IDENTIFIER),
        database=database,
        encoding=encoding,
        size=int(_optional_text(cursor, _SIZE) or 0),
        in_recovery=in_recovery,
        wal_lsn=_optional_text(cursor, _WAL),
        user=user,
        superuser=superuser,
        bypassrls=bypassrls,
        can_read_passwords=passwords,
        large_objects=large_objects,
        pooled=is_pooled(connection),
        warnings=(*_warnings(cursor, superuser, version_num), *(standby_warnings(cursor) if in_recovery else ())),
    )


def system_identifier(connection: Connection) -> str | None:
    """The cluster's, in decimal digits; None where the server does not tell.

    :param connection: outside any transaction.
    """
    with connection.cursor() as cursor:
        return _optional_text(cursor, _SYSTEM_IDENTIFIER)


def _optional_text(cursor: Cursor, query: str) -> str | None:
    """What managed servers may refuse to tell; each statement is its own transaction here."""
    from psycopg2 import Error

    try:
        cursor.execute(query)
        row = cursor.fetchone()
    except Error:
        if cursor.connection.closed:
            raise
        return None
    return None if row is None or row[0] is None else str(row[0])


def _warnings(cursor: Cursor, superuser: bool, version_num: int) -> list[str]:
    warnings = []
    if superuser:
        warnings.append(
            "the role is a superuser: foreign code that runs with its rights controls the server; "
            "docs/security.md has the SQL of a role that can make backups and nothing else"
        )
    if not knows_restriction(version_num):
        warnings.append(
            "the server cannot refuse to read views in the place of tables (CVE-2024-7348): update it to its newest "
            "minor version"
        )
    if not superuser and int(_optional_text(cursor, _SUBSCRIPTIONS) or 0):
        warnings.append("the database has subscriptions, which only a superuser can dump")
    if not superuser:
        cursor.execute(_HIDDEN_MAPPINGS)
        if hidden := [f"{user} on server {server}" for user, server in cursor.fetchall()]:
            warnings.append(
                "this role cannot see the options of user mappings, so the backup has the mappings without them: "
                f"{bounded_list(hidden)} (keep the options elsewhere, or let a superuser make the backup)"
            )
    cursor.execute(_LOCKS)
    row = cursor.fetchone()
    if row is not None and row[0] > row[1]:
        warnings.append(
            f"the database has {row[0]} tables, but the server's lock table is made for {row[1]}: if the dump ends "
            "with 'out of shared memory', raise max_locks_per_transaction"
        )
    return warnings
