"""The operation behind ``restore_leftovers``: what restores have left on the server of a database, and nobody settled.

What is told is what the comments say that restores write: names alone may be anybody's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ..durations import readable_duration
from ..errors import BackupError
from ..findings import PASSED, WARNING, Finding, joined
from ..postgres.connection import ConnectionOptions, connect
from ..postgres.messages import database_errors
from ..postgres.names import display_name
from ..postgres.types import Connection
from ..restore.comment_note import MARK
from ..restore.database.maintenance import MARK as LIMIT
from ..restore.database.naming import LOADING
from ..restore.database.naming import Note as DatabaseNote
from ..restore.database.target import elsewhere
from ..restore.table.kept_versions import Note as TableNote

STEP = "look for what restores have left"
_LOADS_FOR = timedelta(days=1)
"""What is being made for longer is no restore under way."""
_DATABASES = """
SELECT d.datname, pg_catalog.shobj_description(d.oid, 'pg_database') FROM pg_catalog.pg_database d ORDER BY d.datname
"""
_TABLES = """
SELECT n.nspname, c.relname, d.description
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0
 AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
WHERE c.relkind = 'r' AND pg_catalog.strpos(d.description, %s) > 0 ORDER BY n.nspname, c.relname
"""
_LIMIT = """
SELECT d.datconnlimit = 0, EXISTS (
  SELECT FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS one
  WHERE s.setdatabase = d.oid AND s.setrole = 0 AND pg_catalog.strpos(one, %s) = 1)
FROM pg_catalog.pg_database d WHERE d.datname = %s
"""


@dataclass(frozen=True)
class Leftover:
    """Something that a restore keeps or has left.

    :param kind: ``database`` or ``table``.
    :param of: what it is another version of.
    :param state: ``replaced``, ``undone`` or ``loading``.
    :param time: when that was written; None where it is no time.
    """

    kind: str
    name: str
    of: str
    state: str
    backup: str
    time: datetime | None

    def describe(self, now: datetime) -> str:
        """For a person."""
        age = "" if self.time is None else f" {readable_duration(now - self.time)} ago"
        how = {"replaced": "replaced by", "undone": "taken back after", LOADING: "half made by"}.get(self.state, "of")
        return f"{self.kind} {self.name} ({how} the restore of {self.backup}{age})"


def run_restore_leftovers(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look, as the parameters of ``restore_leftovers`` say; changes nothing.

    :return: what the module returns. That it could not be read is a finding, too.
    """
    options, now = ConnectionOptions.parse(params), datetime.now(timezone.utc)
    name, found = options.database, list[Leftover]()
    try:
        with contextlib.closing(_connected(options, params["maintenance_db"])) as connection:
            found = [*_databases(connection, name, set(params["named"]), now), *_tables(connection, name)]
            maintenance = _maintenance(connection, name)
    except BackupError as error:
        findings = [Finding(check="kept", status=WARNING, message=f"it could not be read: {error}")]
    else:
        findings = [_kept(found, now), maintenance]
    return {
        "changed": False,
        "kept": [
            {
                **{key: value for key, value in vars(one).items() if key != "time"},
                "time": None if one.time is None else f"{one.time:%Y-%m-%dT%H:%M:%SZ}",
            }
            for one in found
        ],
        "findings": [one.to_dict() for one in findings],
        "summary": [str(one) for one in findings],
    }


def _connected(options: ConnectionOptions, maintenance_db: str) -> Connection:
    """A session in the database; beside it, where that lets nobody in."""
    try:
        return connect(options)
    except BackupError as error:
        with contextlib.suppress(BackupError):
            return connect(elsewhere(options, maintenance_db))
        raise error from None


def _databases(connection: Connection, name: str, named: Collection[str], now: datetime) -> Iterator[Leftover]:
    """Versions of database *name*, and of those that no host of the inventory is for; not what is in use by one."""
    for other, comment in _rows(connection, _DATABASES, ()):
        note = DatabaseNote.parse(comment)
        if (
            note is None
            or not _are_texts(note.database, note.kind, note.backup)
            or other in named
            or (note.database != name and note.database in named)
        ):
            continue
        time = _time(note.time)
        if note.kind == LOADING and time is not None and now - time < _LOADS_FOR:
            continue
        yield Leftover("database", other, note.database, note.kind, note.backup, time)


def _tables(connection: Connection, name: str) -> Iterator[Leftover]:
    """Versions of tables, where the session is in the database itself."""
    if connection.info.dbname != name:
        return
    for schema, table, comment in _rows(connection, _TABLES, [MARK]):
        if (note := TableNote.parse(comment)) is not None and _are_texts(*note.table, note.kind, note.backup):
            of, shown = display_name(note.table), display_name((schema, table))
            yield Leftover("table", shown, of, note.kind, note.backup, _time(note.time))


def _maintenance(connection: Connection, name: str) -> Finding:
    closed, ours = next(iter(_rows(connection, _LIMIT, [f"{LIMIT}=", name])), (False, False))
    status, message = WARNING, f"nobody but superusers gets into {name!r}: "
    if not closed and not ours:
        status, message = PASSED, "it lets connections in"
    elif ours:
        message += "the maintenance mode is on (mobul.backup.maintenance with -e maintenance_state=off ends it)"
    else:
        message += "its limit of connections is 0, and no restore has set it (ALTER DATABASE ... CONNECTION LIMIT -1)"
    return Finding(check="maintenance", status=status, message=message)


def _kept(found: Sequence[Leftover], now: datetime) -> Finding:
    if not found:
        return Finding(check="kept", status=PASSED, message="no restore has left anything behind")
    kinds = {one.kind for one in found if one.state != LOADING}
    commands = [f"restore{'_table' * (kind == 'table')}_state=finalized" for kind in sorted(kinds)]
    ways = [f"{' and '.join(commands)} with the restore's command drops what is kept"] if commands else []
    if any(one.state == LOADING for one in found):
        ways.append("the next restore drops what is half made")
    return Finding(
        check="kept", status=WARNING, message=f"{joined([one.describe(now) for one in found])}: {', and '.join(ways)}"
    )


def _rows(connection: Connection, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    with database_errors(STEP), connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _are_texts(*values: object) -> bool:
    """Whether a comment's values are texts: whoever owns the object can have written anything there."""
    return all(isinstance(value, str) for value in values)


def _time(text: object) -> datetime | None:
    """A comment's time; None where it is none."""
    with contextlib.suppress(TypeError, ValueError):
        found = datetime.fromisoformat(str(text))
        return found if found.utcoffset() is not None else None
    return None
