"""Restores as tests start them: in this process, or by the module in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.run import run_restore_database
from ansible_collections.mobul.backup.plugins.modules import restore_database

from .backup_bench import ENVIRONMENT, Bench
from .module_parameters import parameters
from .module_runs import start_module
from .postgres import PostgresServer
from .programs import wait_until

SHOP = """
CREATE TABLE orders (id int PRIMARY KEY, paid text);
CREATE SEQUENCE numbers;
INSERT INTO orders SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 1000) i;
SELECT setval('numbers', 42);
"""
"""A small database."""


def restore(*, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Run a restore in this process; returns its report or raises its error."""
    report: dict[str, Any] = run_restore_database(parameters(restore_database, **options), check_mode)
    return report


def start_restore(options: Mapping[str, Any]) -> subprocess.Popen[str]:
    """The module in a process of its own; whoever starts it waits for it or kills it."""
    return start_module("restore_database", options)


@dataclass(frozen=True)
class RestoreBench:
    """Restores of what a :class:`Bench` has backed up."""

    bench: Bench

    def backup(self, server: PostgresServer, database: str, **changes: Any) -> dict[str, Any]:
        """A set with fingerprints of all tables."""
        changes = {"fingerprint": "all", **changes}
        return self.bench.backup(server, database, **changes)

    def options(self, server: PostgresServer, database: str, **changes: Any) -> dict[str, Any]:
        """What restore_database is told; *changes* replace or add, None removes."""
        options = {
            **server.login(database),
            "pg_bin_dir": str(server.bin_dir),
            "label": self.bench.label(changes.get("expect_database") or database),
            "locations": [self.bench.location()],
            "identities": [str(self.bench.keys.identity)],
            "verify_key": [str(self.bench.keys.verify)],
            "expect_environment": ENVIRONMENT,
            **{name: os.fspath(value) if isinstance(value, Path) else value for name, value in changes.items()},
        }
        return {name: value for name, value in options.items() if value is not None}

    def restore(
        self, server: PostgresServer, database: str, *, check_mode: bool = False, **changes: Any
    ) -> dict[str, Any]:
        """Run a restore in this process and return its report."""
        return restore(check_mode=check_mode, **self.options(server, database, **changes))


def databases(server: PostgresServer, name: str) -> set[str]:
    """The databases that are *name* or another version of it."""
    rows = server.query("postgres", "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name])
    return {row[0] for row in rows}


def rename(server: PostgresServer, name: str, other: str) -> None:
    """Give a database another name as soon as the sessions that were in it have ended."""
    sessions = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
    wait_until(lambda: not server.query("postgres", sessions, [name]), what=f"the sessions in {name} to end")
    server.query("postgres", f"ALTER DATABASE {name} RENAME TO {other}")


def drop_versions(server: PostgresServer, name: str) -> None:
    """Drop a database of a test, and what its restores have made or kept."""
    for one in databases(server, name):
        server.drop_database(one)


@contextlib.contextmanager
def versions_of(server: PostgresServer, name: str) -> Iterator[str]:
    """Within the block there is the database *name*; it goes with all of its versions."""
    try:
        yield name
    finally:
        drop_versions(server, name)
