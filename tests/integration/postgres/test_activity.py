"""What the server does for us without a word is told: whom we wait for, and what it builds."""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections.abc import Callable, Iterator

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core import progress
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import activity
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.activity import activity_reported, described
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import count_rows
from support.lab import PostgresServer, wait_until

# It asks for the gate again and again, as whoever waits for a lock would be told to do that.
_SCHEMA = """
CREATE FUNCTION public.passed(anything integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  WHILE EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
      WHERE l.locktype = 'advisory' AND d.datname = pg_catalog.current_database()) LOOP
    PERFORM pg_catalog.pg_sleep(0.01);
  END LOOP;
  RETURN anything;
END $$;
CREATE TABLE public."Odd name" (id integer);
INSERT INTO public."Odd name" VALUES (1);
CREATE TABLE public.checked (id integer CHECK (public.passed(id) > 0));
CREATE MATERIALIZED VIEW public.seen AS SELECT public.passed(id) FROM public."Odd name";
CREATE STATISTICS public.computed ON (public.passed(id)), id FROM public."Odd name";
"""
CASES = {
    'CREATE INDEX found ON public."Odd name" (public.passed(id)) WHERE id < 4711': (
        r"builds the index found of public\.\"Odd name\" \(building index: scanning table, \d+ %\)"
    ),
    'ALTER TABLE ONLY public."Odd name"\n    ADD CONSTRAINT sound CHECK (public.passed(id) <> 4711)': (
        r"adds the constraint sound to public\.\"Odd name\""
    ),
    "REFRESH MATERIALIZED VIEW public.seen": r"fills the materialized view public\.seen",
    'ANALYZE public."Odd name"': r"collects the statistics of public\.\"Odd name\" \(computing extended statistics.*\)",
}


@pytest.fixture
def worker(options: ConnectionOptions, session: Connection) -> Iterator[Connection]:
    """A session of the module's own, beside the one that looks."""
    with session.cursor() as cursor:
        cursor.execute(_SCHEMA)
    with contextlib.closing(connect(options)) as connection:
        yield connection


@contextlib.contextmanager
def held(connection: Connection, work: Callable[[], object]) -> Iterator[None]:
    """Within the block *work* is under way and does not come past the gate."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(4711)")
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(4711)")
        thread.join()


def told(session: Connection, wanted: str) -> str:
    """What is told as soon as that begins with *wanted*."""
    found: list[str] = []

    def looked() -> bool:
        found[:] = [described(session)]
        return found[0].startswith(wanted)

    wait_until(looked, what=wanted)
    return found[0]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("statement", CASES, ids=lambda statement: statement[:12])
def test_what_a_statement_does_is_told_with_how_far_it_is_and_never_its_values(
    session: Connection, worker: Connection, statement: str
) -> None:
    assert described(session) == ""
    with held(session, lambda: worker.cursor().execute(statement)):
        wanted = CASES[statement]
        found = told(session, wanted.partition(r" public\.")[0].partition(r" found")[0])
        assert "4711" not in found
        wait_until(lambda: matches(wanted, described(session)), what=wanted)
    assert described(session) == ""


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def test_rows_that_are_loaded_are_counted(session: Connection, worker: Connection) -> None:
    def load() -> None:
        with worker.cursor() as cursor:
            cursor.copy_expert("COPY public.checked (id) FROM stdin", io.StringIO("1\n2\n"))

    with held(session, load):
        assert told(session, "loads") == "loads the rows of public.checked (0 so far)"


@pytest.mark.parametrize("prepared", [False, True], ids=["session", "prepared transaction"])
def test_whoever_keeps_us_waiting_is_named(
    postgres: PostgresServer,
    any_database: str,
    session: Connection,
    worker: Connection,
    prepared: bool,
) -> None:
    holder = psycopg2.connect(postgres.dsn(any_database), application_name="migration")
    holder.cursor().execute('LOCK TABLE public."Odd name" IN ACCESS EXCLUSIVE MODE')
    who = f"pid {holder.info.backend_pid}, application 'migration', role 'postgres'"
    if prepared:
        with holder.cursor() as cursor:
            cursor.execute("PREPARE TRANSACTION 'forgotten'")
        who = "a prepared transaction, see pg_prepared_xacts"
    with worker.cursor() as cursor:
        cursor.execute("BEGIN")
    thread = threading.Thread(target=lambda: count_rows(worker, [("public", "Odd name")]))
    thread.start()
    try:
        assert told(session, "waits") == f'waits for a lock on public."Odd name" behind {who}'
    finally:
        if prepared:
            holder.rollback()
            holder.autocommit = True
            holder.cursor().execute("ROLLBACK PREPARED 'forgotten'")
        holder.close()
        thread.join()


def test_it_is_told_as_progress_where_somebody_looks_and_no_session_is_left(
    options: ConnectionOptions, session: Connection, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "_EVERY_SECONDS", 0.01)

    def doing() -> str:
        return str((progress.snapshot() or {}).get("doing"))

    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    with progress.followed(), progress.stage("load"):
        with (
            activity_reported(options),
            held(session, lambda: worker.cursor().execute("REFRESH MATERIALIZED VIEW public.seen")),
        ):
            wait_until(lambda: doing() == "fills the materialized view public.seen", what="it to be told")
            # Whoever ends all sessions of a database ends this one, too.
            with session.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid NOT IN (pg_backend_pid(), %s)",
                    [worker.info.backend_pid],
                )
            wait_until(lambda: doing() == "", what="it to be lost")
            wait_until(lambda: doing() == "fills the materialized view public.seen", what="it to be told again")
        assert doing() == ""
    with session.cursor() as cursor:
        wait_until(lambda: cursor.execute(ours) or cursor.fetchone() == (2,), what="its session to be gone")


@pytest.mark.parametrize("limit", ["ROLE", "DATABASE"])
def test_a_role_that_may_not_have_many_sessions_keeps_all_of_them_for_the_work(
    session: Connection, make_role: Callable[..., ConnectionOptions], any_database: str, limit: str
) -> None:
    limited = make_role("LOGIN CONNECTION LIMIT 9" if limit == "ROLE" else "LOGIN")
    if limit == "DATABASE":
        with session.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{any_database}" CONNECTION LIMIT 9')
    try:
        with contextlib.closing(connect(limited)) as connection:
            assert activity._may_look(connection) is False
        assert activity._may_look(session) is True
    finally:
        with session.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{any_database}" CONNECTION LIMIT -1')
