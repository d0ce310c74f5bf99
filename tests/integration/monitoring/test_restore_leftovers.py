"""What restores have left on a server is found by the marks that they write, and by nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.leftovers import run_restore_leftovers
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.maintenance import (
    run_maintenance_mode,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.naming import Note
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.kept_versions import Note as TableNote
from psycopg2 import sql
from support.lab import PostgresServer

DAYS = timedelta(days=3)
NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def server(postgres17: PostgresServer) -> PostgresServer:
    return postgres17


@pytest.fixture
def marked(server: PostgresServer, database: str) -> Iterator[dict[str, str]]:
    """Databases beside *database*, each with a comment, by what it says."""

    def comment(name: str, note: object) -> None:
        text = note if isinstance(note, str) else note.to_text()  # type: ignore[attr-defined]
        command = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
        connection = server.connect(name)
        connection.cursor().execute(command)
        connection.close()

    def note(of: str, kind: str, age: timedelta = DAYS) -> Note:
        return Note(of, kind, "weekly_20261122_000000", (NOW - age).isoformat(timespec="seconds"))

    with server.database() as kept, server.database() as stranger, server.database() as loading:
        comment(kept, note(database, "replaced"))
        comment(stranger, note("nobodys", "undone"))
        comment(loading, note(database, "loading", timedelta(hours=1)))
        yield {"kept": kept, "stranger": stranger, "loading": loading}


def look(server: PostgresServer, database: str, *named: str, **options: Any) -> dict[str, Any]:
    given = {**server.login(database), "named": list(named), "maintenance_db": "postgres", **options}
    return run_restore_leftovers(given, False)


def test_what_is_marked_is_found_where_the_inventory_does_not_name_it(
    server: PostgresServer, database: str, marked: dict[str, str]
) -> None:
    mark = TableNote(("public", "t"), "replaced", "weekly_20261122_000000", (NOW - DAYS).isoformat())
    server.query(database, "CREATE TABLE t (); CREATE TABLE t_old_20261122000000 ()")
    server.query(database, "CREATE TABLE any_name (); COMMENT ON TABLE any_name IS '" + mark.to_text() + "'")
    # What looks like ours and is not, and what somebody writes there.
    forged = '{"mobul.backup": {"table": [["public"], 7], "kind": {}, "backup": 1, "time": []}}'
    server.query(database, f"CREATE TABLE forged (); COMMENT ON TABLE forged IS '{forged}'")
    report = look(server, database)
    names = {one["name"]: one for one in report["kept"]}
    assert {marked["kept"], marked["stranger"], "public.any_name"} <= names.keys()
    assert not {marked["loading"], "public.forged", "public.t_old_20261122000000"} & names.keys()
    assert (names[marked["kept"]]["of"], names[marked["kept"]]["state"]) == (database, "replaced")
    kept, maintenance = report["findings"]
    assert (kept["check"], kept["status"], maintenance["status"]) == ("kept", "warning", "passed")
    assert (
        f"database {marked['kept']} (replaced by the restore of weekly_20261122_000000 3 days ago)" in kept["message"]
    )
    assert "restore_state=finalized and restore_table_state=finalized" in kept["message"]
    # A host of the inventory uses one, and another tells of the other.
    named = look(server, database, database, marked["kept"], "nobodys")
    assert not {marked["kept"], marked["stranger"]} & {one["name"] for one in named["kept"]}


def test_a_database_that_lets_nobody_in_is_told_to_who_may_not_enter_either(
    server: PostgresServer, database: str
) -> None:
    options = {**server.login(database), "maintenance_db": "postgres", "lock_timeout": 5}
    server.query("postgres", "CREATE ROLE looker LOGIN PASSWORD 'x'")
    role = {"login_user": "looker", "login_password": "x"}
    try:
        run_maintenance_mode({**options, "state": "on"}, False)
        for login in ({}, role):
            found = look(server, database, **login)["findings"]
            assert [one["status"] for one in found if one["check"] == "maintenance"] == ["warning"]
            assert "maintenance_state=off" in json.dumps(found)
        run_maintenance_mode({**options, "state": "off"}, False)
        server.query("postgres", f"ALTER DATABASE {database} CONNECTION LIMIT 0")
        assert "no restore has set it" in look(server, database, **role)["findings"][1]["message"]
        server.query("postgres", f"ALTER DATABASE {database} CONNECTION LIMIT -1")
        assert look(server, database, **role)["findings"][1]["status"] == "passed"
    finally:
        server.query("postgres", "DROP ROLE looker")


def test_what_cannot_be_looked_at_is_a_finding(server: PostgresServer, database: str) -> None:
    (found,) = look(server, database, login_password="wrong")["findings"]
    assert (found["check"], found["status"]) == ("kept", "warning")
    assert "it could not be read: connect to the database" in found["message"]
