"""Who holds a lock on a table."""

from __future__ import annotations

from ..session import Session

_HOLDERS = """
SELECT DISTINCT l.pid, a.usename, a.application_name, l.mode, a.xact_start
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = %s AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY a.xact_start, l.pid LIMIT 10
"""


def describe_holders(session: Session, oid: int) -> list[str]:
    """One line for every other session that holds a lock on the relation; never what it executes."""
    # Within a transaction the server would show what it showed the first time.
    session.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
    lines = []
    for pid, user, application, mode, since in session.rows(_HOLDERS, [oid]):
        who = [f"role {user!r}" if user else "", f"application {application!r}" if application else ""]
        when = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""
        lines.append(f"pid {pid}" + "".join(f", {part}" for part in who if part) + f": holds {mode}{when}")
    return lines
