"""A table that somebody has locked ends the wait in time and names who it is (fault 44)."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.blockers import describe_blockers
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import count_rows
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.tables import user_tables
from support.lab import PostgresServer, wait_until
from support.lock_holders import held_for_long

NAME = ("public", "Odd name")


@pytest.fixture
def locker(postgres: PostgresServer, any_database: str, session: Connection) -> Iterator[Connection]:
    with session.cursor() as cursor:
        cursor.execute('CREATE TABLE public."Odd name" AS SELECT 1; CREATE TABLE public.free ()')
    connection = psycopg2.connect(postgres.dsn(any_database), application_name="migration")
    connection.cursor().execute("LOCK TABLE public.\"Odd name\" IN ACCESS EXCLUSIVE MODE; SELECT 'canary'")
    yield connection
    connection.close()


def test_waiting_for_a_locked_table_ends_in_time(options: ConnectionOptions, locker: Connection) -> None:
    reader = connect(options, lock_timeout=0.2)
    with reader.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    with held_for_long(locker), pytest.raises(SourceError, match=r'lock timeout .at public\."Odd name"'):
        count_rows(reader, [NAME])
    # The session is still good for what is not locked.
    assert count_rows(reader, [("public", "free")]) == {("public", "free"): 0}
    reader.close()


def test_who_locks_a_table_is_named_without_what_they_execute(session: Connection, locker: Connection) -> None:
    (line,) = describe_blockers(session)
    pid = locker.info.backend_pid
    assert line.startswith(
        f"pid {pid}, role 'postgres', application 'migration': holds an exclusive lock on public.\"Odd name\" since 20"
    )
    assert "canary" not in line
    locker.rollback()
    assert describe_blockers(session) == []


def test_who_only_waits_for_the_lock_is_named_too_with_whom_they_wait_for(
    postgres17: PostgresServer, database: str, session17: Connection
) -> None:
    with session17.cursor() as cursor:
        cursor.execute("CREATE TABLE public.t ()")
    reader, writer = (psycopg2.connect(postgres17.dsn(database)) for _ in range(2))
    reader.cursor().execute("SELECT * FROM t")
    waiting = psycopg2.connect(postgres17.dsn(database), async_=True)
    wait_until(lambda: waiting.poll() == psycopg2.extensions.POLL_OK, what="the connection")
    waiting.cursor().execute("ALTER TABLE t ADD COLUMN x int")
    wait_until(lambda: bool(describe_blockers(session17)), what="the waiting session")
    (line,) = describe_blockers(session17)
    assert f"waits for an exclusive lock on public.t behind pid {reader.info.backend_pid}" in line
    for connection in (reader, writer, waiting):
        connection.close()


def test_within_a_transaction_the_blockers_are_those_of_now(
    options17: ConnectionOptions, postgres17: PostgresServer
) -> None:
    connection = connect(options17)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.t ()")
        cursor.execute("BEGIN")
    assert describe_blockers(connection) == []
    locker = psycopg2.connect(postgres17.dsn(options17.database), application_name="late")
    locker.cursor().execute("LOCK TABLE public.t")
    (line,) = describe_blockers(connection)
    assert "'late'" in line
    locker.close()
    connection.close()


def test_the_tables_are_listed_although_one_is_locked(session: Connection, locker: Connection) -> None:
    with session.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    assert {info.table for info in user_tables(session)} == {NAME, ("public", "free")}
