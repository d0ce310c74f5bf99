"""One backup at a time, on one state of the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.counting import count_rows
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import LockBusy, Snapshot, attach
from support.lab import PostgresServer, wait_until
from support.programs import PATIENCE

LOG = ("public", "log")


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def pid_of(snapshot: Snapshot) -> int:
    return snapshot.connection.info.backend_pid


def test_every_session_sees_the_same_state_whatever_is_written_meanwhile(
    options: ConnectionOptions, session: Connection
) -> None:
    execute(session, "CREATE TABLE public.log AS SELECT generate_series(1, 3)")
    with Snapshot(options) as snapshot:
        execute(session, "INSERT INTO public.log VALUES (4)")
        attached = snapshot.attach()
        assert count_rows(attached, [LOG]) == {LOG: 3}
        assert count_rows(snapshot.connection, [LOG]) == {LOG: 3}
        attached.close()
        snapshot.verify()


def test_a_snapshot_knows_its_time_and_place(options: ConnectionOptions) -> None:
    with Snapshot(options) as snapshot:
        assert snapshot.time.utcoffset() == timedelta(0)
        assert abs(datetime.now(timezone.utc) - snapshot.time) < timedelta(minutes=1)
        assert snapshot.wal_lsn is not None and "/" in snapshot.wal_lsn


def test_nothing_can_be_written_in_a_snapshot(options17: ConnectionOptions) -> None:
    with Snapshot(options17) as snapshot, pytest.raises(Exception, match="read-only"):
        execute(snapshot.attach(), "CREATE TABLE public.t ()")


def test_a_second_backup_fails_at_once_naming_the_first(options: ConnectionOptions) -> None:
    # Fault 22.
    with Snapshot(options, application_name="the first") as first:
        before = datetime.now(timezone.utc)
        with pytest.raises(LockBusy) as caught, Snapshot(options):
            pass
        assert caught.value.pid == pid_of(first)
        assert caught.value.since is not None and caught.value.since < before
        assert f"pid {pid_of(first)}" in caught.value.message and "'the first'" in caught.value.message
        first.verify()
    with Snapshot(options):
        pass


def test_two_runs_at_once_have_one_winner(options17: ConnectionOptions) -> None:
    start, outcomes = threading.Barrier(4), []
    end = threading.Barrier(4)

    def run() -> None:
        start.wait()
        try:
            with Snapshot(options17):
                outcomes.append("won")
                end.wait(PATIENCE)
        except LockBusy:
            outcomes.append("busy")
            end.wait(PATIENCE)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy", "busy", "busy", "won"]


def test_backups_of_two_databases_do_not_meet(postgres17: PostgresServer, options17: ConnectionOptions) -> None:
    with (
        postgres17.database() as other,
        Snapshot(options17),
        Snapshot(ConnectionOptions.parse(postgres17.login(other))),
    ):
        pass


def test_an_ended_session_is_noticed_and_leaves_no_lock(options: ConnectionOptions, session: Connection) -> None:
    # Fault 23.
    with Snapshot(options) as snapshot:
        assert snapshot.still_held()
        execute(session, f"SELECT pg_terminate_backend({pid_of(snapshot)}, 5000)")
        with pytest.raises(SourceError, match="session was lost"):
            snapshot.verify()
        assert not snapshot.still_held()
        with Snapshot(options):
            pass


@pytest.mark.parametrize(
    ("loss", "message"),
    [("SELECT pg_advisory_unlock_all()", "lost the lock"), ("ROLLBACK", "transaction has ended")],
)
def test_a_lost_lock_or_transaction_is_noticed(options17: ConnectionOptions, loss: str, message: str) -> None:
    with Snapshot(options17) as snapshot:
        execute(snapshot.connection, loss)
        with pytest.raises(SourceError, match=message):
            snapshot.verify()


def test_a_snapshot_that_is_gone_cannot_be_joined(postgres17: PostgresServer, options17: ConnectionOptions) -> None:
    with Snapshot(options17) as snapshot:
        gone, pid = snapshot.id, pid_of(snapshot)
    # The server takes note of a session's end a moment later.
    wait_until(
        lambda: not postgres17.query("postgres", f"SELECT FROM pg_stat_activity WHERE pid = {pid}"), what="its end"
    )
    with pytest.raises(SourceError, match="join the snapshot"):
        attach(options17, gone)


@pytest.mark.sampled(1)
def test_timeouts_of_the_role_do_not_end_a_snapshot(
    postgres: PostgresServer, make_role: Callable[..., ConnectionOptions]
) -> None:
    # Fault 43: idle in its transaction for longer than the role allows.
    names = ["idle_in_transaction_session_timeout", "idle_session_timeout", "statement_timeout"]
    names += ["transaction_timeout"] if postgres.major >= 17 else []
    options = make_role("LOGIN", *(f"ALTER ROLE {{role}} SET {name} = '60ms'" for name in names))
    with Snapshot(options) as snapshot:
        threading.Event().wait(0.2)
        snapshot.verify()
