"""What several tests of tables start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.restore_fixtures import keys

__all__ = ["bench", "carried", "keys", "made_carried"]
SCHEMA = Path(__file__).with_name("carried.sql")
ROLES = ("carried_alice", "carried Bob, (x)")


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> Bench:
    """A place for backups."""
    return Bench(tmp_path, keys)


@pytest.fixture(scope="session")
def made_carried(postgres: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    """A database with everything that can belong to a table, backed up."""
    known = {role for (role,) in postgres.query("postgres", "SELECT rolname FROM pg_roles")}
    for role in ROLES:
        if role not in known:
            postgres.create_role(role)
    bench = Bench(tmp_path_factory.mktemp("carried"), keys)
    with backed_up(postgres, bench, SCHEMA.read_text(), fingerprint="all") as made:
        yield made


@pytest.fixture
def carried(made_carried: BackedUp, bench: Bench) -> Iterator[BackedUp]:
    """That database, which a test may change, and its set in the test's own bench."""
    with made_carried.anew(bench):
        yield made_carried
