"""What the server does for us while nothing passes through our hands: it waits for a lock, builds an index, analyzes.

A statement tells nothing before its end. So a session beside looks from time to time at what ours are at, and tells
the progress of it. It begins only when the work takes long and somebody follows it, and whatever goes wrong with it,
the work goes on.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Iterator
from typing import Any

from .. import progress
from .connection import ConnectionOptions, connect
from .names import IDENTIFIER, display_name, quoted, unquote
from .pooler import is_pooled
from .session_lock import Holder
from .types import Connection, Cursor

_EVERY_SECONDS = 5.0
_STATEMENT_SECONDS = "5s"
_SPARE_SESSIONS = 10
"""How many others must still find room on the server."""

# A role or database with a limit, or a server that is nearly full, may need every session for the work itself.
_HAS_ROOM = f"""
SELECT r.rolsuper OR (r.rolconnlimit < 0 AND d.datconnlimit < 0 AND
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity) + {_SPARE_SESSIONS}
  <= pg_catalog.current_setting('max_connections')::integer)
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE r.rolname = session_user AND d.datname = pg_catalog.current_database()
"""  # noqa: S608 - made of constants

# Programs and sessions of one module have the same role, database and application name.
_OURS = """
a.pid <> pg_catalog.pg_backend_pid() AND a.datname = pg_catalog.current_database()
AND a.application_name = pg_catalog.current_setting('application_name')
AND a.usesysid = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user)
"""
_WAITS = f"""
SELECT n.nspname, c.relname, pg_catalog.pg_blocking_pids(a.pid)
FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND NOT l.granted
LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} ORDER BY a.query_start, a.pid
"""  # noqa: S608 - made of constants
_HOLDERS = """
SELECT a.pid, a.usename, a.application_name, a.backend_type FROM pg_catalog.pg_stat_activity a
WHERE a.pid = ANY (%s) ORDER BY a.xact_start, a.pid
"""
_STATEMENTS = f"""
SELECT pg_catalog.left(a.query, 1000), pg_catalog.to_jsonb(i), pg_catalog.to_jsonb(s), pg_catalog.to_jsonb(p)
FROM pg_catalog.pg_stat_activity a
LEFT JOIN pg_catalog.pg_stat_progress_create_index i ON i.pid = a.pid
LEFT JOIN pg_catalog.pg_stat_progress_analyze s ON s.pid = a.pid
LEFT JOIN pg_catalog.pg_stat_progress_copy p ON p.pid = a.pid
WHERE {_OURS} AND a.state = 'active' ORDER BY a.query_start, a.pid
"""  # noqa: S608 - made of constants
_SINCE = 140000
"""The first version of a server that has all of these views."""

_NAME = rf"({IDENTIFIER}(?:\.{IDENTIFIER})?)"
_KINDS = [
    (re.compile(rf"\s*{statement}", re.DOTALL), words)
    for statement, words in (
        (rf"CREATE (?:UNIQUE )?INDEX {_NAME} ON (?:ONLY )?{_NAME}", "builds the index {0} of {1}"),
        (rf"ALTER TABLE (?:ONLY )?{_NAME}\s+ADD CONSTRAINT {_NAME}", "adds the constraint {1} to {0}"),
        (rf"ALTER TABLE (?:ONLY )?{_NAME}\s+VALIDATE CONSTRAINT {_NAME}", "proves the constraint {1} of {0}"),
        (rf"REFRESH MATERIALIZED VIEW {_NAME}", "fills the materialized view {0}"),
        (rf"ANALYZE {_NAME}", "collects the statistics of {0}"),
        (rf"COPY {_NAME}", "loads the rows of {0}"),
        (rf"SELECT 0, pg_catalog\.count\(\*\).* FROM ONLY {_NAME}", "counts the rows of {0}"),  # noqa: S608 - a pattern
    )
]
"""Statements that may take long, of PostgreSQL's programs and our own, and what is said of them: never their values."""


@contextlib.contextmanager
def activity_reported(options: ConnectionOptions) -> Iterator[None]:
    """Within the block, what the server does in a database for sessions of this process is told as progress.

    No session is left when it ends, so that the database can be renamed or dropped.

    :param options: the way into that database.
    """
    if not progress.is_followed():
        yield
        return
    with progress.beside(functools.partial(_watch, options), name="activity"):
        yield


def _watch(options: ConnectionOptions, over: threading.Event) -> None:
    while not over.wait(_EVERY_SECONDS):
        # A session that was ended, for example by the restore itself, is opened again.
        with contextlib.suppress(Exception), contextlib.closing(connect(options, lock_timeout=1)) as connection:
            if not _may_look(connection):
                return
            while True:
                progress.doing(described(connection))
                if over.wait(_EVERY_SECONDS):
                    break
        progress.doing("")


def _may_look(connection: Connection) -> bool:
    if connection.server_version < _SINCE or is_pooled(connection):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.set_config('statement_timeout', %s, false)", [_STATEMENT_SECONDS])
        cursor.execute(_HAS_ROOM)
        return cursor.fetchone() == (True,)


def described(connection: Connection) -> str:
    """What our sessions in the database of *connection* wait for or are at, in a few words; "" where it is nothing."""
    with connection.cursor() as cursor:
        found = _waits(cursor) or _statements(cursor)
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{others}" if found else ""


def _waits(cursor: Cursor) -> list[str]:
    cursor.execute(_WAITS)
    found = []
    for schema, table, pids in cursor.fetchall():
        what = "a lock" if table is None else f"a lock on {display_name((schema, table))}"
        found.append(f"waits for {what} behind {_holders(cursor, pids)}")
    return found


def _holders(cursor: Cursor, pids: list[int]) -> str:
    cursor.execute(_HOLDERS, [pids])
    known = [
        str(Holder(pid, role, application or ("" if kind == "client backend" else kind or "")))
        for pid, role, application, kind in cursor.fetchall()
    ]
    # A prepared transaction has no session.
    known += [str(Holder(None))] * (0 in pids)
    others = f" and {len(known) - 1} more" if len(known) > 1 else ""
    return f"{known[0]}{others}" if known else "a session that has ended"


def _statements(cursor: Cursor) -> list[str]:
    cursor.execute(_STATEMENTS)
    found = []
    for query, index, statistics, copied in cursor.fetchall():
        if query.lstrip().startswith("COPY") and (copied or {}).get("command") != "COPY FROM":
            # What is read passes through our hands.
            continue
        for pattern, words in _KINDS:
            if match := pattern.match(query):
                found.append(words.format(*map(_shown, match.groups())) + _how_far(index, statistics, copied))
                break
    return found


def _shown(name: str) -> str:
    return ".".join(quoted(unquote(part)) for part in re.findall(IDENTIFIER, name))


def _how_far(index: dict[str, Any] | None, statistics: dict[str, Any] | None, copied: dict[str, Any] | None) -> str:
    """The part of a statement that is done, by the server's progress views: its documentation, "Progress Reporting"."""
    if copied is not None:
        return f" ({copied['tuples_processed']:,} so far)"
    if index is not None:
        # Rows count where blocks no longer do: while what was sorted is written.
        done, total = (index["tuples_done"], index["tuples_total"])
        if not total:
            done, total = index["blocks_done"], index["blocks_total"]
        return f" ({index['phase']}{_percent(done, total)})"
    if statistics is not None:
        done, total = statistics["sample_blks_scanned"], statistics["sample_blks_total"]
        return f" ({statistics['phase']}{_percent(done, total)})"
    return ""


def _percent(done: int, total: int) -> str:
    return f", {min(99, done * 100 // total)} %" if total else ""
