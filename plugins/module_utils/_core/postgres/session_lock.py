"""An advisory lock that only those can keep from others who could do what it is for.

Whoever may connect may take any advisory lock. So the lock is no single key but a row of them, and of the sessions that
hold one of these only those count whose role could do the same work; strangers are passed over by the next key.

A session takes a key first and looks who else has one afterwards, and gives its own back if that is somebody who
counts. Of any two the one that took its key later sees the other, whichever strangers came and went meanwhile, so that
never both go on. The lock ends with the session, however that ends: there is no stale one to clean up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..texts import bounded_list
from .types import Connection, Cursor

LOCK_CLASS = 0x6D6F6275
"""The first key's ``classid`` in pg_locks; the others follow it."""

_KEYS = 1 << 20
"""Far more than a server has room for, so that nobody can hold all of them."""
_ATTEMPTS = 8
_PAUSE = 0.05
"""Seconds, at most twice as many: two that gave way to each other do not meet again."""
_SHOWN = 5

# Roles that may not see other people's sessions are told their role and application, and NULL for the rest.
_HOLDERS = """
SELECT l.classid::bigint - %(first)s, l.pid, a.pid IS NULL, a.usesysid::bigint, a.usename, a.application_name,
       pg_catalog.host(a.client_addr), a.backend_start, a.backend_type
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.objid = (%(number)s)::integer::oid
  AND l.classid::bigint >= %(first)s AND l.classid::bigint < %(first)s + %(keys)s
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = %(database)s)
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
ORDER BY 1, 2
"""
_HELD = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l
  WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
    AND l.classid = (%s)::integer::oid AND l.objid = (%s)::integer::oid)
"""
_TRY_LOCK = "SELECT pg_catalog.pg_try_advisory_lock(%s, %s)"
_UNLOCK = "SELECT pg_catalog.pg_advisory_unlock(%s, %s)"
_OWN_ROLE = """SELECT r.oid::bigint, pg_catalog.current_database()
FROM pg_catalog.pg_roles r WHERE r.rolname = session_user"""

MayHold = Callable[[Cursor, int], bool]
"""Whether the role with that OID could do what the lock is for."""


@dataclass(frozen=True)
class Holder:
    """Who holds a key.

    :param pid: of the session; None for a prepared transaction, which has none.
    :param role: its login role's name; None where that is gone.
    :param address: where it comes from; None for a Unix socket, or where the server does not tell.
    :param since: when it began, where the server tells.
    """

    pid: int | None
    role: str | None = None
    application: str = ""
    address: str | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return "a prepared transaction, see pg_prepared_xacts"
        known = [
            f"pid {self.pid}",
            f"application {self.application!r}" if self.application else "",
            f"role {self.role!r}" if self.role else "",
            f"from {self.address}" if self.address else "",
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else "",
        ]
        return ", ".join(filter(None, known))

    @property
    def remedy(self) -> str:
        """What the user can do to end the session that has the lock."""
        return "ROLLBACK PREPARED it" if self.pid is None else f"SELECT pg_terminate_backend({self.pid})"


class LockHeld(Exception):
    """Somebody who counts holds the lock.

    :param holder: None if they ended, or gave way, while we asked.
    """

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder))
        self.holder = holder


@dataclass(frozen=True)
class SessionLock:
    """An advisory lock that a session holds.

    :param key: the pair of integers that pg_locks shows as classid and objid.
    :param passed_over: strangers who hold a key of it, too.
    """

    key: tuple[int, int]
    passed_over: tuple[Holder, ...] = ()

    def is_held(self, connection: Connection) -> bool:
        """Whether the session still holds the lock."""
        with connection.cursor() as cursor:
            cursor.execute(_HELD, self.key)
            row = cursor.fetchone()
        return row is not None and bool(row[0])


@dataclass(frozen=True)
class _Key:
    """The two numbers of an advisory lock that a session holds.

    :param counts: None where it is not known who that is: their session ended, or began, while we asked.
    """

    index: int
    holder: Holder
    counts: bool | None


def take_lock(connection: Connection, number: int, may_hold: MayHold) -> SessionLock:
    """Take the lock *number* of the session's database, or fail at once.

    :param connection: in autocommit mode, so that each look shows what is there now.
    :param number: the ``objid`` of all its keys, a signed 32-bit integer.
    :raises LockHeld: by somebody who counts.
    """
    refused: set[int] = set()
    rival: Holder | None = None
    with connection.cursor() as cursor:
        look = _Look(cursor, number, may_hold)
        for _attempt in range(_ATTEMPTS):
            keys = look.keys()
            if (rival := _first(keys, True)) is not None:
                break
            taken = refused | {key.index for key in keys}
            index = next(index for index in range(_KEYS) if index not in taken)
            cursor.execute(_TRY_LOCK, [LOCK_CLASS + index, number])
            if not _only_row(cursor)[0]:
                refused.add(index)
                continue
            keys = look.keys()
            rival = _first(keys, True) or _first(keys, None)
            if rival is None:
                return SessionLock((LOCK_CLASS + index, number), _other_holders(keys))
            cursor.execute(_UNLOCK, [LOCK_CLASS + index, number])
            time.sleep(_PAUSE * (1 + random.random()))  # noqa: S311 - no secret
    raise LockHeld(rival)


def who_holds(connection: Connection, number: int, may_hold: MayHold) -> Holder | None:
    """Somebody who counts and holds the lock *number* of the session's database; None where nobody does."""
    with connection.cursor() as cursor:
        keys = _Look(cursor, number, may_hold).keys()
    return _first(keys, True) or _first(keys, None)


def any_holder(connection: Connection, number: int, database: str) -> Holder | None:
    """Anybody, stranger or not, who holds the lock *number* of *database*, seen from any session of the server."""
    with connection.cursor() as cursor:
        keys = _Look(cursor, number, lambda _cursor, _role: True, database).keys()
    return keys[0].holder if keys else None


def describe(holders: tuple[Holder, ...]) -> str:
    """The sessions that hold a lock, in one line."""
    return bounded_list([f"({holder}; {holder.remedy})" for holder in holders], limit=_SHOWN)


class _Look:
    """Sees who holds the keys of a lock, and asks of each role only once whether it counts."""

    def __init__(self, cursor: Cursor, number: int, may_hold: MayHold, database: str | None = None) -> None:
        self._cursor = cursor
        self._may_hold = may_hold
        cursor.execute(_OWN_ROLE)
        own, here = _only_row(cursor)
        self._known: dict[int, bool] = {own: True}
        self._where = {"first": LOCK_CLASS, "keys": _KEYS, "number": number, "database": database or here}

    def keys(self) -> list[_Key]:
        self._cursor.execute(_HOLDERS, self._where)
        found = []
        for index, pid, unknown, oid, role, application, address, since, kind in self._cursor.fetchall():
            holder = Holder(pid, role, application or "", address, since)
            found.append(_Key(index, holder, self._counts(pid, unknown, oid, kind)))
        return found

    def _counts(self, pid: int | None, unknown: bool, role: int | None, kind: str | None) -> bool | None:
        # A background process, which may run anybody's code with a superuser's name, has no session of ours either.
        if pid is None or kind not in (None, "client backend"):
            return False
        if unknown:
            return None
        if role is None:
            return False
        if role not in self._known:
            self._known[role] = self._may_hold(self._cursor, role)
        return self._known[role]


def _first(keys: list[_Key], counts: bool | None) -> Holder | None:
    return next((key.holder for key in keys if key.counts is counts), None)


def _other_holders(keys: list[_Key]) -> tuple[Holder, ...]:
    return tuple(dict.fromkeys(key.holder for key in keys))


def _only_row(cursor: Cursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise AssertionError("the query returned no row")
    found: tuple[Any, ...] = row
    return found
