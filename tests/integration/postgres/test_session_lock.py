"""Who may keep backups of a database from being made: those who make them, and nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import session_lock
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import (
    Connection,
    ConnectionOptions,
    connect,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.rights import find_unreadable, may_dump
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.session_lock import (
    LOCK_CLASS,
    LockHeld,
    take_lock,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import (
    BACKUP_LOCK,
    LockBusy,
    Snapshot,
)

MakeRole = Callable[..., ConnectionOptions]
SCHEMA = """
CREATE TABLE public.plain (id int); CREATE TABLE public.guarded (id int); CREATE SEQUENCE public.numbers;
ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY; SELECT lo_create(4711);
"""
ALL_GRANTS = (
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    "GRANT SELECT ON LARGE OBJECT 4711 TO {role}",
)


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def key(index: int = 0) -> str:
    return f"({LOCK_CLASS + index}, {BACKUP_LOCK})"


@contextmanager
def stranger(options: ConnectionOptions, *statements: str) -> Iterator[Connection]:
    """A session of that role, which has executed the statements; gone for the server, too, at the end."""
    with closing(connect(options, application_name="mobul.backup")) as session:
        for statement in statements or (f"SELECT pg_advisory_lock{key()}",):
            execute(session, statement)
        yield session


@pytest.fixture
def schema(session: Connection) -> None:
    execute(session, SCHEMA)


@pytest.fixture
def schema17(session17: Connection) -> None:
    execute(session17, SCHEMA)


@pytest.mark.usefixtures("schema")
def test_who_could_make_no_backup_keeps_nobody_from_it_and_is_named(
    options: ConnectionOptions, make_role: MakeRole
) -> None:
    # Fault 56.
    role = make_role()
    with stranger(role) as other, Snapshot(options) as snapshot:
        snapshot.verify()
        told = snapshot.lock_warning
        assert told is not None and f"role '{role.user}'" in told
        assert f"SELECT pg_terminate_backend({other.info.backend_pid})" in told
        # The backup that went around a stranger excludes others like any other.
        with pytest.raises(LockBusy) as caught, Snapshot(options):
            pass
        assert caught.value.pid == snapshot.connection.info.backend_pid
    with Snapshot(options) as snapshot:
        assert snapshot.lock_warning is None


@pytest.mark.usefixtures("schema17")
@pytest.mark.parametrize(
    "statements",
    [
        ["SELECT pg_advisory_lock_shared{0}"],
        ["BEGIN", "SELECT pg_advisory_xact_lock{0}"],
        [f"SELECT pg_advisory_lock({LOCK_CLASS} + n, {BACKUP_LOCK}) FROM generate_series(0, 1000) n"],
        [f"SELECT pg_advisory_lock({LOCK_CLASS} + n, {BACKUP_LOCK}) FROM generate_series(1, 9, 2) n"],
    ],
    ids=["shared", "for a transaction", "a thousand keys", "every second key"],
)
def test_however_a_stranger_holds_it_they_are_passed_over(
    options17: ConnectionOptions, make_role17: MakeRole, statements: list[str]
) -> None:
    with stranger(make_role17(), *(one.format(key()) for one in statements)), Snapshot(options17) as snapshot:
        snapshot.verify()
        assert snapshot.lock_warning is not None and len(snapshot.lock_warning) < 1000
        with pytest.raises(LockBusy), Snapshot(options17):
            pass


def test_a_prepared_transaction_makes_no_backup(options17: ConnectionOptions, session17: Connection) -> None:
    execute(session17, f"BEGIN; SELECT pg_advisory_xact_lock{key()}; PREPARE TRANSACTION 'forgotten'")
    try:
        with Snapshot(options17) as snapshot:
            assert snapshot.lock_warning is not None and "pg_prepared_xacts" in snapshot.lock_warning
    finally:
        execute(session17, "ROLLBACK PREPARED 'forgotten'")


@pytest.mark.sampled(5)
@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize(
    "statements",
    [
        (
            "GRANT pg_read_all_data TO {role}",
            "ALTER ROLE {role} BYPASSRLS",
            "GRANT SELECT ON LARGE OBJECT 4711 TO {role}",
        ),
        (*ALL_GRANTS, "ALTER ROLE {role} BYPASSRLS"),
        ("ALTER ROLE {role} SUPERUSER",),
        ("GRANT postgres TO {role}", "ALTER ROLE {role} NOINHERIT"),
    ],
    ids=["reads all", "was granted all", "superuser", "may become one"],
)
def test_who_could_make_one_excludes_others_and_is_named(
    options: ConnectionOptions, make_role: MakeRole, statements: tuple[str, ...]
) -> None:
    role = make_role("LOGIN", *statements)
    with (
        stranger(role) as other,
        pytest.raises(LockBusy, match=rf"role '{role.user}'.*pg_terminate_backend\({other.info.backend_pid}\)"),
        Snapshot(options),
    ):
        pass


@pytest.mark.sampled(5)
@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize("missing", range(-1, 4))
def test_others_are_asked_what_is_asked_of_ourselves(session: Connection, make_role: MakeRole, missing: int) -> None:
    grants = [*ALL_GRANTS, "ALTER ROLE {role} BYPASSRLS"]
    role = make_role("LOGIN", *(grant for index, grant in enumerate(grants) if index != missing))
    with closing(connect(role)) as own, own.cursor() as cursor:
        readable = not find_unreadable(cursor, role.user, own.server_version)
    with session.cursor() as cursor:
        cursor.execute("SELECT oid::bigint FROM pg_roles WHERE rolname = %s", [role.user])
        assert may_dump(cursor, cursor.fetchone()[0]) is readable is (missing == -1)


@pytest.mark.usefixtures("schema")
def test_a_role_that_sees_little_of_others_goes_by_the_same_rule(
    options: ConnectionOptions, make_role: MakeRole
) -> None:
    # Such a role is told neither the address nor the age of other people's sessions.
    clerk = make_role("LOGIN", *ALL_GRANTS, "ALTER ROLE {role} BYPASSRLS")
    role = make_role()
    with stranger(role), Snapshot(clerk) as snapshot:
        assert snapshot.lock_warning is not None and f"role '{role.user}'" in snapshot.lock_warning
        with pytest.raises(LockBusy, match=f"role '{clerk.user}'"), Snapshot(options):
            pass
    with Snapshot(options), pytest.raises(LockBusy, match="role 'postgres'"), Snapshot(clerk):
        pass


@pytest.mark.usefixtures("schema17")
def test_runs_that_meet_while_strangers_come_and_go_never_both_go_on(
    options17: ConnectionOptions, make_role17: MakeRole
) -> None:
    role, runs, inside, most, won = make_role17(), 4, 0, 0, 0
    guard, over = threading.Lock(), threading.Event()

    def disturb() -> None:
        with stranger(role, "SELECT 1") as session:
            while not over.is_set():
                execute(session, f"SELECT pg_try_advisory_lock{key()}, pg_try_advisory_lock{key(1)}")
                execute(session, f"SELECT pg_advisory_unlock{key()}")
                execute(session, "SELECT pg_advisory_unlock_all()")

    def run() -> None:
        nonlocal inside, most, won
        with closing(connect(options17)) as session:
            for _ in range(12):
                try:
                    lock = take_lock(session, BACKUP_LOCK, lambda _cursor, _role: False)
                except LockHeld:
                    continue
                with guard:
                    inside, won = inside + 1, won + 1
                    most = max(most, inside)
                execute(session, "SELECT pg_sleep(0.001)")
                with guard:
                    inside -= 1
                execute(session, f"SELECT pg_advisory_unlock({lock.key[0]}, {lock.key[1]})")

    threads = [threading.Thread(target=run) for _ in range(runs)]
    noise = threading.Thread(target=disturb)
    for thread in (noise, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    noise.join()
    assert most == 1 and won > 0


def test_of_two_that_took_different_keys_neither_goes_on_beside_the_other(
    options17: ConnectionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first was past a stranger, who has gone; the second comes before it has looked again.
    with Snapshot(options17) as first, closing(connect(options17)) as session:
        execute(session, f"SELECT pg_advisory_lock{key(1)}")
        monkeypatch.setattr(session_lock, "_ATTEMPTS", 1)
        monkeypatch.setattr(session_lock._Look, "keys", blind_once(session_lock._Look.keys))
        execute(first.connection, f"SELECT pg_advisory_unlock{key()}")
        with closing(connect(options17)) as second:
            with pytest.raises(LockHeld) as caught:
                take_lock(second, BACKUP_LOCK, may_dump)
            assert caught.value.holder is not None and caught.value.holder.pid == session.info.backend_pid
            with second.cursor() as cursor:
                cursor.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
                assert cursor.fetchall() == []


@pytest.mark.parametrize("number", [-(1 << 31), -5, 0, (1 << 31) - 1])
def test_every_number_is_a_lock_of_its_own(options17: ConnectionOptions, session17: Connection, number: int) -> None:
    lock = take_lock(session17, number, may_dump)
    assert lock.is_held(session17)
    with closing(connect(options17)) as other:
        with pytest.raises(LockHeld):
            take_lock(other, number, may_dump)
        take_lock(other, 17, may_dump)
        execute(session17, "SELECT pg_advisory_unlock_all()")
        assert not lock.is_held(session17)
        take_lock(other, number, may_dump)


def blind_once(keys: Callable[[object], list[object]]) -> Callable[[object], list[object]]:
    """Sees nobody the first time, as if the other had come right after it."""
    looks = iter([True])

    def look(self: object) -> list[object]:
        return [] if next(looks, False) else keys(self)

    return look


@pytest.mark.usefixtures("schema17")
def test_a_lost_lock_is_noticed_although_a_stranger_holds_another_key(
    options17: ConnectionOptions, make_role17: MakeRole
) -> None:
    # Fault 23.
    with stranger(make_role17()), Snapshot(options17) as snapshot:
        execute(snapshot.connection, "SELECT pg_advisory_unlock_all()")
        with pytest.raises(SourceError, match="lost the lock"):
            snapshot.verify()


def test_background_processes_that_run_the_databases_code_are_strangers(session17: Connection) -> None:
    # An expression in an index is executed by autovacuum, as a superuser.
    with session17.cursor() as cursor:
        look = session_lock._Look(cursor, BACKUP_LOCK, lambda _cursor, _role: True)
        assert look._counts(1, False, 10, "autovacuum worker") is False
        assert look._counts(1, False, 10, "logical replication apply worker") is False
        assert look._counts(1, False, 10, "client backend") is True
        assert look._counts(1, True, None, None) is None
