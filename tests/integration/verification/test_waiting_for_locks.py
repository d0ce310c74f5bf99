"""Whichever operation waits for a table, its progress names who is in the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core import progress
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import run_table_export
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import activity
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.comparing_live import run_backup_compare
from ansible_collections.mobul.backup.plugins.modules import backup_compare, table_export
from support.lab import PostgresServer, wait_until
from support.module_parameters import parameters
from support.restore_runs import RestoreBench
from support.table_restores import restore_table

LONG = {"lock_timeout": 600}
Operation = Callable[[RestoreBench, PostgresServer, str, Path], object]


def back_up(bench: RestoreBench, server: PostgresServer, shop: str, _directory: Path) -> object:
    return bench.backup(server, shop, **LONG)


def export(_bench: RestoreBench, server: PostgresServer, shop: str, directory: Path) -> object:
    dest = str(directory / "consents.csv")
    given = {**server.login(shop), **LONG, "table": "public.consents", "dest": dest, "personal_data": False}
    return run_table_export(parameters(table_export, **given), False)


def restore_one(bench: RestoreBench, server: PostgresServer, shop: str, _directory: Path) -> object:
    return restore_table(server, shop, "public.consents", bench=bench.bench, **LONG)


def restore_in_place(bench: RestoreBench, server: PostgresServer, shop: str, _directory: Path) -> object:
    return bench.restore(server, shop, strategy="in_place", expect_database=shop, **LONG)


def compare(bench: RestoreBench, server: PostgresServer, shop: str, _directory: Path) -> object:
    place = {"label": bench.bench.label(), "locations": [bench.bench.location()], "pg_bin_dir": str(server.bin_dir)}
    keys = {"verify_key": [str(bench.bench.keys.verify)]}
    return run_backup_compare(parameters(backup_compare, **server.login(shop), **place, **keys), False)


@pytest.mark.parametrize("operation", [back_up, export, restore_one, restore_in_place, compare])
def test_who_keeps_an_operation_waiting_is_told(
    bench: RestoreBench,
    postgres17: PostgresServer,
    shop: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    operation: Operation,
) -> None:
    monkeypatch.setattr(activity, "_EVERY_SECONDS", 0.02)
    if operation not in (back_up, export):
        bench.backup(postgres17, shop)
    holder = psycopg2.connect(postgres17.dsn(shop), application_name="migration")
    with contextlib.closing(holder), holder.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("LOCK TABLE consents IN ACCESS EXCLUSIVE MODE")
        expected = (
            f"waits for a lock on public.consents behind pid {holder.info.backend_pid}, application 'migration', "
            "role 'postgres'"
        )
        with progress.followed(), progress.stage("at work"):
            running = pool.submit(operation, bench, postgres17, shop, tmp_path)
            try:
                wait_until(lambda: running.done() or expected in str(progress.snapshot()), what=expected)
                assert not running.done(), running.result()
            finally:
                holder.rollback()
            assert running.result()
