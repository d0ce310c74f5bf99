"""Subscriptions of a database that is replaced: the old one must not go on, and would not let itself be dropped.

A dump makes them again disabled, with the slot that they had at the publisher. So two databases know one slot, and only
one of them may ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...postgres.connection import ConnectionOptions, connect
from ...postgres.messages import server_message
from ...postgres.types import Connection
from ...texts import bounded_list
from .target import elsewhere

_SUBSCRIPTIONS = """
SELECT s.subname, s.subenabled, s.subslotname
FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE d.datname = %s ORDER BY s.subname
"""


@dataclass(frozen=True)
class Subscription:
    """One subscription of the replaced database.

    :param slot: its slot at the publisher; None where it has none.
    """

    name: str
    enabled: bool
    slot: str | None


def subscriptions_of(connection: Connection, database: str) -> list[Subscription]:
    """The subscriptions of a database, read from any database of the server."""
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, [database])
        return [Subscription(*row) for row in cursor.fetchall()]


def warn_before(found: Sequence[Subscription], database: str, *, replaced: bool) -> list[str]:
    """Warnings about the subscriptions that the restore disables.

    :param replaced: whether another database takes the name of theirs.
    """
    if not found:
        return []
    names = bounded_list([one.name for one in found])
    message = f"database {database!r} subscribes to another ({names})"
    if not replaced:
        return [f"{message}: its subscriptions stay, and changes sent since the backup have to be copied again"]
    return [
        f"{message}: its subscriptions are disabled when it is replaced, and those of the restored database, which "
        "have the same slots, are not enabled: changes sent since the backup have to be copied again"
    ]


def disable(options: ConnectionOptions, database: str, found: Sequence[Subscription]) -> list[str]:
    """Keep a replaced database from taking what the restored one will ask for.

    :param options: the way to the server.
    :param found: its subscriptions.
    :return: warnings, by name.
    """
    enabled = [one.name for one in found if one.enabled]
    if not enabled:
        return []
    failed = _alter(options, database, ["ALTER SUBSCRIPTION {} DISABLE"], enabled)
    names = bounded_list(enabled)
    if failed is not None:
        return [
            f"the subscriptions {names} of the replaced database {database!r} go on, as they could not be disabled "
            f"({failed}): ALTER SUBSCRIPTION ... DISABLE there before those of the restored database are enabled"
        ]
    return [
        f"the subscriptions {names} are disabled in the replaced database {database!r} and in the restored one: there "
        "ALTER SUBSCRIPTION ... ENABLE when the changes sent since the backup have been copied"
    ]


def enable(options: ConnectionOptions, database: str, names: Sequence[str]) -> list[str]:
    """Let a database that has come back go on with what :func:`disable` has stopped; warnings where it cannot."""
    failed = _alter(options, database, ["ALTER SUBSCRIPTION {} ENABLE"], names) if names else None
    if failed is None:
        return []
    return [
        f"the subscriptions {bounded_list(list(names))} are still disabled ({failed}): ALTER SUBSCRIPTION ... ENABLE"
    ]


def release(options: ConnectionOptions, database: str, found: Sequence[Subscription]) -> str | None:
    """Drop the subscriptions of a database that nobody needs any more, without their slots at the publisher.

    :return: why that is impossible.
    """
    steps = ["ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)", "DROP SUBSCRIPTION {}"]
    return _alter(options, database, steps, [one.name for one in found])


def _alter(options: ConnectionOptions, database: str, statements: Sequence[str], names: Sequence[str]) -> str | None:
    """Execute these for each subscription; what went wrong, if anything did."""
    from psycopg2 import Error, sql

    connection = connect(elsewhere(options, database))
    try:
        with connection.cursor() as cursor:
            for name in names:
                for statement in statements:
                    cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))
    except Error as error:
        return server_message(error)
    finally:
        connection.close()
    return None
