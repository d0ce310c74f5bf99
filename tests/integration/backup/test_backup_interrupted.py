"""A backup that is asked to end, or that nobody waits for any more, ends at once and clears away what it has begun."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions, connect
from support.backup_bench import Bench
from support.backup_runs import ModuleProcess
from support.lab import PostgresServer
from support.processes import children, is_running
from support.programs import wait_until

MIB = 1024 * 1024


def ask_thrice(module: ModuleProcess) -> None:
    """Who sends one signal often sends more, to the whole group say."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        module.process.send_signal(number)


def stop_listening(module: ModuleProcess) -> None:
    """As when the worker, the connection or the terminal that the module was started from is gone."""
    if module.process.stdout is None:
        raise AssertionError("there is no pipe")
    module.process.stdout.close()


@pytest.mark.parametrize("end", [ask_thrice, stop_listening])
def test_a_backup_that_is_asked_to_end_or_not_listened_to_leaves_nothing(
    postgres17: PostgresServer, big_database: str, bench: Bench, end: Callable[[ModuleProcess], None]
) -> None:
    with bench.held_module(postgres17, big_database, hold_after=12 * MIB) as (_programs, module):
        below = children(module.pid)
        end(module)
        wait_until(lambda: not module.running, what="the module to end")
        wait_until(lambda: not any(map(is_running, below)), what="what it has started to end")
    assert bench.files() == set()


def test_a_backup_that_waits_for_the_server_ends_when_it_is_asked_to(
    postgres17: PostgresServer, database: str, bench: Bench, tmp_path: Path
) -> None:
    postgres17.query(database, "CREATE TABLE busy ()")
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
    with closing(postgres17.connect(database)) as other, other.cursor() as cursor:
        other.autocommit = False
        cursor.execute("LOCK TABLE busy")
        with ModuleProcess(tmp_path, bench.options(postgres17, database, lock_timeout=3600)) as module:
            wait_until(lambda: postgres17.query(database, waits) == [(1,)], what="the backup to wait")
            module.process.send_signal(signal.SIGTERM)
            result = module.result()
    assert result["msg"].startswith("interrupted: ")
    assert bench.files() == set()


def test_a_server_looks_whether_its_client_is_still_there(any_database: str, postgres: PostgresServer) -> None:
    with closing(connect(ConnectionOptions.parse(postgres.login(any_database)))) as session, session.cursor() as cursor:
        cursor.execute("SHOW client_connection_check_interval")
        assert cursor.fetchone() == ("10s",)
