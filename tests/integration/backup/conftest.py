"""What the tests of whole backups share: keys, a place to go to, and a large database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, Keys, make_keys
from support.lab import PostgresServer
from support.sample_databases import fill


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """See :class:`Keys`."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> Bench:
    """See :class:`Bench`; empty."""
    return Bench(tmp_path, keys)


@pytest.fixture(scope="session")
def big_database(postgres17: PostgresServer) -> Iterator[str]:
    """27 MB in three tables, for reading; more than fits between pg_dump and a location that stands still."""
    with postgres17.database() as name:
        for table in ("first", "second", "third"):
            fill(postgres17, name, 9, table)
        yield name
