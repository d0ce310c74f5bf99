"""What the tests of dropped tables start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, make_keys
from support.dropped_tables import SHOP
from support.postgres import PostgresServer


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A place for backups."""
    return Bench(tmp_path, make_keys(tmp_path))


@pytest.fixture
def shop(postgres17: PostgresServer, bench: Bench) -> Iterator[str]:
    """A small database, backed up."""
    with postgres17.database() as name:
        postgres17.psql(name, SHOP)
        bench.backup(postgres17, name)
        yield name
