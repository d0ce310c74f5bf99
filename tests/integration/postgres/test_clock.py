"""A clock that is not the server's makes no backup."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres import clock
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.types import Connection
from support.backup_bench import Bench, make_keys
from support.lab import PostgresServer


def set_clock(monkeypatch: pytest.MonkeyPatch, offset: timedelta) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + offset

    monkeypatch.setattr(clock, "datetime", Wrong)


@pytest.mark.parametrize("minutes", [-4, 0, 4])
def test_clocks_that_are_a_little_apart_do(
    session17: Connection, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    set_clock(monkeypatch, timedelta(minutes=minutes))
    clock.check_clock(session17)


@pytest.mark.parametrize("offset", [timedelta(days=2), timedelta(minutes=-6), timedelta(days=365 * 12)])
def test_a_clock_that_is_wrong_is_told_with_the_servers(
    session17: Connection, monkeypatch: pytest.MonkeyPatch, offset: timedelta
) -> None:
    set_clock(monkeypatch, offset)
    wrong = datetime.now(timezone.utc) + offset
    with pytest.raises(PreflightError, match=rf"it is {wrong:%Y-%m-%d %H}.* here and .* on the database server"):
        clock.check_clock(session17)


def test_a_backup_by_a_wrong_clock_is_not_begun(
    postgres17: PostgresServer, database: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    set_clock(monkeypatch, timedelta(days=2))
    with pytest.raises(PreflightError, match="check the clocks"):
        bench.backup(postgres17, database)
    assert not bench.root.exists()
