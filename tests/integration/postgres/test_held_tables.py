"""Tables that a session of a snapshot holds stay as they are until it ends, and the server's lock table has room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import Snapshot, attach, hold_tables

T, U, ODD = ("public", "t"), ("public", "u"), ("we.ird", 'ta"ble')


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def held_by(session: Connection, holder: Connection) -> set[str]:
    """The user's relations that *holder* has locks on, as *session* sees it."""
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation "
            "WHERE l.pid = %s AND l.mode = 'AccessShareLock' AND c.oid >= 16384",
            [holder.info.backend_pid],
        )
        return {name for (name,) in cursor.fetchall()}


@pytest.fixture
def tables(session: Connection) -> None:
    """Three tables with a row each."""
    execute(session, 'CREATE SCHEMA "we.ird"; CREATE TABLE "we.ird"."ta""ble" AS SELECT 1 AS n')
    execute(session, "CREATE TABLE public.t AS SELECT 1 AS n; CREATE TABLE public.u AS SELECT 1 AS n")


@pytest.fixture
def holder(options: ConnectionOptions, tables: None) -> Iterator[Connection]:
    """A session of a snapshot that has the tables, and waits half a second for a lock."""
    with Snapshot(options, lock_timeout=0.5) as snapshot:
        connection = snapshot.attach()
        yield connection
        connection.close()


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
def test_a_held_table_cannot_change_but_its_rows_can(session: Connection, holder: Connection, statement: str) -> None:
    assert hold_tables(holder, [T, ODD]) == ()
    execute(session, "INSERT INTO public.t VALUES (2); DELETE FROM public.t WHERE n = 1; SET lock_timeout = 50")
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        execute(session, statement)
    holder.close()
    time.sleep(0.1)
    execute(session, f"SET lock_timeout = 5000; {statement}")


def test_what_is_gone_exchanged_or_new_since_the_snapshot_is_not_held(session: Connection, holder: Connection) -> None:
    execute(session, "DROP TABLE public.t; ALTER TABLE public.u RENAME TO old; CREATE TABLE public.u AS SELECT 2 AS n")
    execute(session, "CREATE TABLE public.fresh ()")
    fresh, nowhere = ("public", "fresh"), ("no_schema", "t")
    assert hold_tables(holder, [T, nowhere, U, ODD, fresh]) == (T, nowhere, U, fresh)
    assert 'ta"ble' in held_by(session, holder)


def test_what_the_role_may_not_read_is_not_held(
    tables: None, options: ConnectionOptions, make_role: Callable[..., ConnectionOptions]
) -> None:
    role = make_role("LOGIN", "GRANT SELECT ON public.u TO {role}")
    with Snapshot(options) as snapshot:
        holder = attach(role, snapshot.id)
        assert hold_tables(holder, [T, U, ODD]) == (T, ODD)
        holder.close()


def test_tables_that_others_keep_locked_cost_one_wait_in_all(
    options: ConnectionOptions, session: Connection, tables: None
) -> None:
    execute(session, 'BEGIN; LOCK TABLE public.t, "we.ird"."ta""ble" IN ACCESS EXCLUSIVE MODE')
    with Snapshot(options, lock_timeout=1.0) as snapshot:
        holder = snapshot.attach()
        before = time.monotonic()
        assert hold_tables(holder, [T, U, ODD]) == (T, ODD)
        assert 0.9 < time.monotonic() - before < 1.9
        assert held_by(snapshot.connection, holder) == {"u"}
        holder.close()


def test_a_table_that_is_soon_free_is_waited_for(session: Connection, options: ConnectionOptions, tables: None) -> None:
    execute(session, "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
    with Snapshot(options, lock_timeout=20) as snapshot:
        holder = snapshot.attach()
        timer = threading.Timer(0.5, execute, (session, "COMMIT"))
        timer.start()
        assert hold_tables(holder, [("public", "missing"), T]) == (("public", "missing"),)
        timer.join()
        assert held_by(session, holder) == {"t"}
        holder.close()


def test_of_a_partitioned_table_no_partition_is_held(session17: Connection, options17: ConnectionOptions) -> None:
    execute(session17, "CREATE TABLE public.p (n int) PARTITION BY LIST (n)")
    execute(session17, "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES IN (1)")
    with Snapshot(options17) as snapshot:
        holder = snapshot.attach()
        assert hold_tables(holder, [("public", "p")]) == ()
        assert held_by(session17, holder) == {"p"}
        holder.close()


def test_no_more_are_held_than_a_quarter_of_the_servers_lock_table(
    session17: Connection, options17: ConnectionOptions
) -> None:
    execute(
        session17,
        "DO $$ BEGIN FOR i IN 1000..2999 LOOP EXECUTE format('CREATE TABLE public.t%s ()', i); END LOOP; END $$",
    )
    names = [("public", f"t{number}") for number in range(1000, 3000)]
    with session17.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_locks_per_transaction')::int, current_setting('max_connections')::int"
        )
        locks, connections = cursor.fetchone()
    room = locks * connections // 4
    assert 0 < room < len(names)
    with Snapshot(options17) as snapshot:
        holder = snapshot.attach()
        assert hold_tables(holder, names) == tuple(names[room:])
        assert held_by(session17, holder) == {name for _schema, name in names[:room]}
        holder.close()


def test_no_tables_are_no_problem(holder: Connection) -> None:
    assert hold_tables(holder, []) == ()


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_session_that_is_ended_or_cancelled_fails(
    session: Connection, options: ConnectionOptions, tables: None, how: str
) -> None:
    execute(session, "BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE")
    with Snapshot(options, lock_timeout=30) as snapshot:
        holder = snapshot.attach()
        statement = f"SELECT {how}({holder.info.backend_pid})"
        timer = threading.Timer(0.5, execute, (snapshot.connection, statement))
        timer.start()
        with pytest.raises(SourceError, match="hold the tables"):
            hold_tables(holder, [T, U])
        timer.join()
        holder.close()
