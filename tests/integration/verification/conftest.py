"""What the tests of drills and verifications share: keys, a place for sets, and a database with a bit of everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.drill_runs import make_shop
from support.lab import PostgresServer
from support.restore_fixtures import bench, keys

__all__ = ["bench", "keys", "shop"]


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """The database on a server of version 17."""
    name = make_shop(postgres17)
    yield name
    postgres17.drop_database(name)
