"""Tables that a snapshot holds stay as they are from before it to its end, and others have room for locks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import count_rows
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import Snapshot
from support.lab import PostgresServer, wait_until
from support.lock_holders import held_for_long

WAITING = (
    "FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database "
    "WHERE NOT granted AND d.datname = current_database()"
)
T, U, ODD = ("public", "t"), ("public", "u"), ("we.ird", 'ta"ble')


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def when_waited_for(server: PostgresServer, database: str, act: Callable[[], object]) -> Iterator[threading.Thread]:
    """*act* in a thread of its own, once somebody waits for a lock in *database*; it has ended when the block has."""

    def wait_and_act() -> None:
        statement = f"SELECT count(*) {WAITING}"
        wait_until(lambda: server.query(database, statement) == [(1,)], what="the lock to be waited for")
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def held_by(session: Connection, snapshot: Snapshot) -> set[str]:
    """The user's relations that a snapshot has locks on, as *session* sees it."""
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation "
            "WHERE l.pid = %s AND l.mode = 'AccessShareLock' AND c.oid >= 16384",
            [snapshot.connection.info.backend_pid],
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.fixture
def tables(session: Connection) -> None:
    """Three tables with a row each."""
    execute(session, 'CREATE SCHEMA "we.ird"; CREATE TABLE "we.ird"."ta""ble" AS SELECT 1 AS n')
    execute(session, "CREATE TABLE public.t AS SELECT 1 AS n; CREATE TABLE public.u AS SELECT 1 AS n")


@pytest.mark.sampled(6)
@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE public.t",
        "TRUNCATE public.t",
        "ALTER TABLE public.t ADD COLUMN m int",
        'DROP SCHEMA "we.ird" CASCADE',
        "ALTER TABLE public.t RENAME TO v",
    ],
)
def test_a_held_table_cannot_change_but_its_rows_can(
    session: Connection, options: ConnectionOptions, statement: str
) -> None:
    with Snapshot(options) as snapshot:
        assert snapshot.held == {T, U, ODD}
        execute(session, "INSERT INTO public.t VALUES (2); DELETE FROM public.t WHERE n = 1; SET lock_timeout = 10")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            execute(session, statement)
    execute(session, f"SET lock_timeout = 5000; {statement}")


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    "change",
    [
        "TRUNCATE public.t; INSERT INTO public.t SELECT generate_series(1, 5)",
        "ALTER TABLE public.t RENAME TO old; CREATE TABLE public.t AS SELECT generate_series(1, 5) AS n",
        "DROP TABLE public.t; CREATE TABLE public.t AS SELECT generate_series(1, 5) AS n",
        "INSERT INTO public.t SELECT generate_series(2, 5); ALTER TABLE public.t ALTER COLUMN n TYPE bigint",
    ],
)
def test_what_was_done_to_a_table_that_was_waited_for_is_seen_with_all_its_rows(
    session: Connection, postgres: PostgresServer, options: ConnectionOptions, tables: None, change: str
) -> None:
    # Fault 52: a snapshot taken before the wait would see no row at all.
    other = postgres.connect(options.database)
    execute(other, f"BEGIN; {change}")
    with (
        when_waited_for(postgres, options.database, lambda: execute(other, "COMMIT")) as committing,
        Snapshot(options, lock_timeout=30) as snapshot,
    ):
        committing.join()
        reader = snapshot.attach()
        assert count_rows(reader, [T, U]) == {T: 5, U: 1}
        reader.close()
        assert T in snapshot.held
    other.close()


def test_what_is_gone_when_its_lock_was_waited_for_is_not_held(
    session: Connection, postgres: PostgresServer, options: ConnectionOptions, tables: None
) -> None:
    other = postgres.connect(options.database)
    execute(other, "BEGIN; DROP TABLE public.t")
    with (
        when_waited_for(postgres, options.database, lambda: execute(other, "COMMIT")),
        Snapshot(options, lock_timeout=30) as snapshot,
    ):
        assert snapshot.held == {U, ODD}
    other.close()


def test_what_the_role_may_not_read_is_not_held(
    tables: None, session: Connection, make_role: Callable[..., ConnectionOptions]
) -> None:
    with Snapshot(make_role("LOGIN", "GRANT SELECT ON public.u TO {role}")) as snapshot:
        assert snapshot.held == {U}
        assert held_by(session, snapshot) == {"u"}


def test_a_table_that_others_keep_locked_ends_the_wait_in_time_and_is_named(
    options: ConnectionOptions, session: Connection, tables: None
) -> None:
    execute(session, "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
    refused = pytest.raises(SourceError, match=r"lock the tables: .*lock timeout")
    with held_for_long(session), refused, Snapshot(options, lock_timeout=0.2):
        pass


def test_no_more_are_held_than_an_eighth_of_the_servers_lock_table(
    session17: Connection, options17: ConnectionOptions
) -> None:
    execute(
        session17,
        "DO $$ BEGIN FOR i IN 1000..1999 LOOP EXECUTE format('CREATE TABLE public.t%s ()', i); END LOOP; END $$",
    )
    execute(session17, "CREATE TABLE public.large AS SELECT 1; ANALYZE public.large")
    with session17.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_locks_per_transaction')::int, current_setting('max_connections')::int"
        )
        locks, connections = cursor.fetchone()
    room = locks * connections // 8
    assert 0 < room < 1000
    with Snapshot(options17) as snapshot:
        assert len(snapshot.held) == len(held_by(session17, snapshot)) == room
        assert ("public", "large") in snapshot.held


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_session_that_is_ended_or_cancelled_while_it_waits_fails(
    session: Connection, postgres: PostgresServer, options: ConnectionOptions, tables: None, how: str
) -> None:
    execute(session, "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
    statement = f"SELECT {how}(pid) {WAITING}"
    with (
        when_waited_for(postgres, options.database, lambda: postgres.query(options.database, statement)),
        pytest.raises(SourceError, match="lock the tables"),
        Snapshot(options, lock_timeout=30),
    ):
        pass
