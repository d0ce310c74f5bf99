"""What the tests of whole restores share: keys, a place for sets, and a database that has something of everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.lab import PostgresServer
from support.restore_fixtures import bench, keys
from support.restore_runs import SHOP, drop_versions

__all__ = ["bench", "keys", "shop"]


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """A small database; it goes with all of its versions."""
    name = postgres17.create_database()
    postgres17.query(name, SHOP)
    yield name
    drop_versions(postgres17, name)
