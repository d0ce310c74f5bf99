"""What pg_backup returns is what its documentation says, in every way in which a run can end."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.connection import ConnectionOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.postgres.snapshot import Snapshot
from ansible_collections.mobul.backup.plugins.modules import pg_backup
from support.backup_bench import Bench
from support.lab import PostgresServer

OF_EVERY_MODULE = {"changed", "diff", "warnings"}
RETURNED: dict[str, str] = {name: told["returned"] for name, told in yaml.safe_load(pg_backup.RETURN).items()}


def documented(*words: str) -> set[str]:
    return {name for name, when in RETURNED.items() if any(word in when for word in words)} - OF_EVERY_MODULE


def returned(report: dict[str, Any]) -> set[str]:
    return set(report) - OF_EVERY_MODULE


@pytest.mark.next
def test_a_set_that_was_made(postgres17: PostgresServer, database: str, bench: Bench) -> None:
    report = bench.backup(postgres17, database)
    assert returned(report) == documented("success", "when a set was made")
    # A report of too few copies is the same one.
    assert documented("too few") == documented("success", "when a set was made")


def test_a_set_that_would_be_made(postgres17: PostgresServer, database: str, bench: Bench) -> None:
    report = bench.backup(postgres17, database, check_mode=True)
    assert returned(report) == documented("success", "check mode")


def test_a_backup_that_was_skipped(postgres17: PostgresServer, database: str, bench: Bench) -> None:
    with Snapshot(ConnectionOptions.parse(postgres17.login(database))):
        report = bench.backup(postgres17, database, if_running="skip")
    assert returned(report) == documented("success", "another backup is running")
    assert report["changed"] is False
