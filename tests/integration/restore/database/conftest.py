"""What the tests of whole restores share: keys, a place for sets, and a database that has something of everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.lab import PostgresServer
from support.restore_fixtures import bench, keys
from support.restore_runs import SHOP, RestoreBench, versions_of

__all__ = ["bench", "keys", "shop"]


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """A small database; it goes with all of its versions."""
    with versions_of(postgres17, postgres17.create_database()) as name:
        postgres17.query(name, SHOP)
        yield name


@pytest.fixture
def emptied(bench: RestoreBench, postgres17: PostgresServer, shop: str) -> str:
    """The same, backed up and then emptied by mistake."""
    bench.backup(postgres17, shop)
    postgres17.query(shop, "DELETE FROM orders")
    return shop
