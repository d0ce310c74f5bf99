"""A standby as the source of a backup: what it does not have is named, and so is what breaks the backup off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.backup import backup_run
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from support.backup_bench import Bench, Keys
from support.cases import case
from support.lab import PostgresServer
from support.standby import StandbyServer

DATABASE = "shop"


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    with PostgresServer(17) as server:
        server.create_database(DATABASE)
        server.query(DATABASE, case("unlogged"))
        yield server


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Iterator[StandbyServer]:
    with StandbyServer(primary, settings={"max_standby_streaming_delay": "10min"}) as server:
        server.catch_up()
        yield server


def test_unlogged_tables_are_named_in_the_result_and_the_manifest(
    standby: StandbyServer, tmp_path: Path, keys: Keys
) -> None:
    bench = Bench(tmp_path, keys)
    report = bench.backup(standby, DATABASE)
    told = "unlogged tables have no rows on a standby, nor in this backup: public.cache"
    assert told in report["warnings"]
    assert told in bench.stored(report).manifest["warnings"]
    assert any("hot_standby_feedback" in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tables": [{"name": "cache", "priority": 1}]},
            r"no rows on a standby: public\.cache .*back up from the primary",
        ),
        ({"exports": [{"name": "cache", "table": "cache"}]}, "cache: cannot access temporary or unlogged relations"),
    ],
    ids=["a table", "an export"],
)
def test_an_unlogged_table_that_the_inventory_names_fails(
    standby: StandbyServer, tmp_path: Path, keys: Keys, changes: dict[str, object], message: str
) -> None:
    bench = Bench(tmp_path, keys)
    with pytest.raises(BackupError, match=message):
        bench.backup(standby, DATABASE, **changes)
    assert bench.files() == set()


def test_a_conflict_with_recovery_is_named_with_what_helps(
    primary: PostgresServer, standby: StandbyServer, tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = backup_run.count_rows
    standby.query("postgres", "ALTER SYSTEM SET max_standby_streaming_delay = '100ms'")
    standby.query("postgres", "SELECT pg_reload_conf()")

    def after_a_vacuum(*given: Any, **options: Any) -> Any:
        primary.query(DATABASE, "DELETE FROM t WHERE id > 50")
        primary.query(DATABASE, "VACUUM t")
        standby.catch_up()  # Only over the session that counts.
        return original(*given, **options)

    monkeypatch.setattr(backup_run, "count_rows", after_a_vacuum)
    with pytest.raises(BackupError) as failure:
        Bench(tmp_path, keys).backup(standby, DATABASE)
    assert re.fullmatch(
        r"[\w ]+: the standby cancelled a session that was in its way: a conflict with recovery "
        r"\(set hot_standby_feedback = on or [^\n]* back up from the primary\)",
        str(failure.value),
    )
