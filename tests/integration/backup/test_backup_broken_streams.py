"""Whatever breaks while a backup runs: it fails, says where, and leaves nothing that could be taken for a backup."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup import backup_run
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, SourceError
from support.backup_bench import Bench
from support.backup_runs import backup
from support.fake_programs import FakePrograms
from support.gpg_keys import GnupgHome, make_key
from support.lab import PostgresServer, wait_until
from support.lock_holders import held_for_long
from support.processes import children, command_line, find_child, program_of
from support.sample_databases import fill
from support.stored_sets import assert_same_contents

MIB = 1024 * 1024
IN_THE_SCHEMA, IN_THE_DATA = 1000, 12 * MIB
LOCK_SESSION = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = x'6D6F6275'::int"


def finished(bench: Bench, suffix: str) -> bool:
    """Whether a file of that name is there as a whole."""
    return any(name.endswith(suffix) and "/." not in name for name in bench.files())


def end_lock_session(server: PostgresServer, database: str) -> None:
    [[pid]] = server.query(database, LOCK_SESSION)
    assert server.query(database, "SELECT pg_terminate_backend(%s, 5000)", [pid]) == [(True,)]


@pytest.mark.parametrize(("position", "jobs"), [(IN_THE_SCHEMA, 3), (IN_THE_DATA, 1)])
def test_a_pg_dump_that_is_killed_fails_the_backup_and_leaves_nothing(
    postgres17: PostgresServer, big_database: str, bench: Bench, tmp_path: Path, position: int, jobs: int
) -> None:
    options = {"jobs": jobs, "compress": "none", "locations": [bench.location("a"), bench.location("b")]}
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=position) as programs:
        with bench.under_way(postgres17, big_database, pg_bin_dir=programs, **options) as run:
            *_others, wrapper = programs.wait_until_held(jobs)
            assert bench.files("a") and bench.files("b")
            os.kill(find_child("pg_dump", of=wrapper), signal.SIGKILL)
            programs.open()
            with pytest.raises(SourceError, match="pg_dump was ended by signal SIGKILL") as raised:
                run.result(60)
        assert raised.value.step == "dump the database"
        programs.wait_until_gone()
    assert bench.files("a") == bench.files("b") == set()
    assert postgres17.query(big_database, LOCK_SESSION) == []


def test_a_pg_dump_that_fails_at_its_very_end_fails_the_backup(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    postgres17.query(database, "CREATE TABLE t AS SELECT 1 AS n")
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, status=3) as programs:
        with pytest.raises(SourceError, match="pg_dump ended with status 3: spoiled at the very end"):
            bench.backup(postgres17, database, pg_bin_dir=programs)
        assert len(programs.runs) == 1
    assert bench.files() == set()


def test_a_pg_dumpall_that_fails_after_the_dump_ended_well_fails_the_backup(
    postgres17: PostgresServer, database: str, bench: Bench
) -> None:
    with bench.held(postgres17, database, spoiled="pg_dumpall", hold_after=100, status=1) as (programs, run):
        wait_until(lambda: finished(bench, ".dump.age"), what="the dump")
        programs.open()
        with pytest.raises(SourceError, match="dump the roles and settings: pg_dumpall ended with status 1"):
            run.result(60)
    assert bench.files() == set()


@pytest.fixture
def gpg_key() -> Iterator[tuple[str, str]]:
    """A fingerprint and the home of its public key."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home = GnupgHome()
    key = make_key(home, "ops@example.org")
    yield key.fingerprint, str(home.path)
    home.close()


def test_a_gpg_that_is_killed_fails_the_backup(
    postgres17: PostgresServer, big_database: str, bench: Bench, tmp_path: Path, gpg_key: tuple[str, str]
) -> None:
    recipient, home = gpg_key
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=IN_THE_DATA) as programs:
        options = {"recipients": [recipient], "gnupghome": home, "compress": "none", "pg_bin_dir": programs}
        with bench.under_way(postgres17, big_database, **options) as run:
            programs.wait_until_held()
            [cipher] = [
                child
                for child in children(os.getpid())
                if "--encrypt" in command_line(child) and program_of(child) == "gpg"
            ]
            os.kill(cipher, signal.SIGKILL)
            programs.open()
            with pytest.raises(BackupError, match=r"gpg was ended by signal SIGKILL"):
                run.result(60)
    assert bench.files() == set()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server that a test may restart."""
    with PostgresServer(17) as server:
        yield server


@pytest.mark.usefixtures("age")
def test_a_server_that_restarts_fails_the_backup_and_a_retry_starts_from_zero(
    own_server: PostgresServer, bench: Bench, tmp_path: Path
) -> None:
    database = own_server.create_database()
    fill(own_server, database, 14)
    # The test servers commit without waiting for the disk: a restart would lose what was committed last.
    own_server.query(database, "CHECKPOINT")
    with FakePrograms(tmp_path / "fake", own_server.bin_dir, hold_after=IN_THE_DATA) as programs:
        with bench.under_way(own_server, database, compress="none", pg_bin_dir=programs) as run:
            programs.wait_until_held()
            # The tables have been looked at and counted, so that only the dump goes on.
            last = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND query LIKE %s"
            values = [database, "ROLLBACK TO SAVEPOINT mobul_count%"]
            wait_until(lambda: own_server.query("postgres", last, values) == [(1,)], what="the rows to be counted")
            own_server.restart(immediate=True)
            own_server.query(database, "INSERT INTO filling VALUES (0, 'after the restart')")
            programs.open()
            with pytest.raises(SourceError) as raised:
                run.result(60)
        # Whoever looks at the server first tells it: the watch over the snapshot, or the dump when it goes on.
        assert raised.value.step in ("keep the snapshot", "dump the database")
        assert re.search("server closed the connection|terminating connection", raised.value.message)
        assert bench.files() == set()
        stored = bench.stored(bench.backup(own_server, database, fingerprint="all", pg_bin_dir=programs))
    with stored.restored(own_server) as restored:
        assert_same_contents(stored, own_server, restored)
        assert own_server.query(restored, "SELECT text FROM filling WHERE id = 0") == [("after the restart",)]


def gives_up(run: Future[Any]) -> None:
    """The backup under way says that it has lost its session."""
    with pytest.raises(SourceError, match="keep the snapshot: its session was lost"):
        run.result(30)


def test_a_backup_whose_lock_session_is_ended_gives_up_soon(
    postgres17: PostgresServer, database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_run, "_VERIFY_EVERY", 0.05)
    with bench.held(postgres17, database, hold_after=0) as (_programs, run):
        end_lock_session(postgres17, database)
        gives_up(run)
    assert bench.files() == set()


def test_a_backup_whose_lock_session_is_ended_at_the_last_moment_writes_no_manifest(
    postgres17: PostgresServer, database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_run, "_VERIFY_EVERY", 60)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> ''"
    with bench.held(postgres17, database, spoiled="pg_dumpall", hold_after=100) as (programs, run):
        # The one that checked, the snapshot's, and perhaps pg_dumpall's: those that dumped and counted have ended.
        wait_until(lambda: finished(bench, ".dump.age"), what="the dump")
        wait_until(lambda: postgres17.query(database, ours)[0][0] <= 3, what="the counts")
        end_lock_session(postgres17, database)
        programs.open()
        gives_up(run)
    assert bench.files() == set()


def test_a_backup_whose_session_gave_back_the_lock_writes_no_manifest(
    postgres17: PostgresServer, database: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = []
    original = backup_run.BackupRun.__init__

    def remember(self: backup_run.BackupRun, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        snapshots.append(self._plan.snapshot)

    monkeypatch.setattr(backup_run.BackupRun, "__init__", remember)
    with bench.held(postgres17, database, hold_after=0) as (programs, run):
        with snapshots[0].connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
        programs.open()
        with pytest.raises(SourceError, match="lost the lock"):
            run.result(30)
    assert bench.files() == set()


@pytest.mark.sampled(1)
def test_a_locked_table_fails_the_backup_in_time_and_names_who_holds_it(
    postgres: PostgresServer, any_database: str, bench: Bench
) -> None:
    postgres.query(any_database, "CREATE TABLE t AS SELECT 1 AS n; CREATE TABLE busy AS SELECT 1 AS n")
    with closing(postgres.connect(any_database, application_name="nightly migration")) as blocker:
        pid = blocker.info.backend_pid
        blocker.cursor().execute("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
        with held_for_long(blocker), pytest.raises(BackupError) as raised:
            bench.backup(postgres, any_database, lock_timeout=1)
    for part in (f"pid {pid}", "nightly migration", "public.busy", "lock_timeout"):
        assert part in str(raised.value)
    assert bench.files() == set()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_locked_table_that_is_exported_is_refused_in_time_and_who_holds_it_is_named(
    postgres: PostgresServer, any_database: str, bench: Bench, check_mode: bool
) -> None:
    postgres.query(any_database, "CREATE TABLE busy AS SELECT 1 AS n")
    with closing(postgres.connect(any_database, application_name="nightly migration")) as blocker:
        pid = blocker.info.backend_pid
        blocker.cursor().execute("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
        options = bench.options(postgres, any_database, lock_timeout=1, exports=[{"table": "busy"}])
        refused = pytest.raises(SourceError, match=r"check the export: busy: .*lock timeout")
        with held_for_long(blocker), refused as raised:
            backup(check_mode=check_mode, **options)
    for part in (f"pid {pid}", "nightly migration", "public.busy", "lock_timeout"):
        assert part in str(raised.value)
    assert bench.files() == set()


def test_a_table_that_somebody_waits_to_change_meanwhile_is_counted_and_exported_all_the_same(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    fill(postgres17, database, 2, "wanted")
    [[rows]] = postgres17.query(database, "SELECT count(*) FROM wanted")
    with (
        closing(psycopg2.connect(postgres17.dsn(database), async_=True)) as changer,
        FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=[IN_THE_SCHEMA]) as programs,
        bench.under_way(
            postgres17, database, lock_timeout=1, compress="none", exports=[{"table": "wanted"}], pg_bin_dir=programs
        ) as run,
    ):
        programs.wait_until_held()
        psycopg2.extras.wait_select(changer)
        # It waits behind pg_dump, and whoever wants to read now would wait behind it.
        changer.cursor().execute("ALTER TABLE wanted ADD COLUMN m int")
        postgres17.wait_until_blocked(changer)
        programs.open(gate=0)
        stored = bench.stored(run.result(60))
    assert stored.rows["public", "wanted"] == rows
    assert [one["export"]["rows"] for one in stored.artifacts("export")] == [rows]
