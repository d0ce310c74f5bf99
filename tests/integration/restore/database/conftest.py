"""What the tests of whole restores share: keys, a place for sets, and a small database with a backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.backed_up import BackedUp
from support.backed_up import backed_up as made_and_backed_up
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.restore_fixtures import bench, keys
from support.restore_runs import SHOP, RestoreBench, versions_of

__all__ = ["bench", "keys", "shop"]


@pytest.fixture(scope="module")
def statements() -> str:
    """What it is made of."""
    return SHOP


@pytest.fixture(scope="module")
def stored(
    tmp_path_factory: pytest.TempPathFactory, keys: Keys, postgres17: PostgresServer, statements: str
) -> Iterator[BackedUp]:
    """That database, made and backed up once for a file of tests."""
    bench = Bench(tmp_path_factory.mktemp("stored"), keys)
    with made_and_backed_up(postgres17, bench, statements, fingerprint="all") as made:
        yield made


@pytest.fixture
def shop(postgres17: PostgresServer, stored: BackedUp) -> Iterator[str]:
    """A copy of the database by its name; it goes with all of its versions."""
    with versions_of(postgres17, postgres17.create_database(stored.name, template=stored.template)) as name:
        yield name


@pytest.fixture
def backed_up(bench: RestoreBench, stored: BackedUp) -> dict[str, Any]:
    """A copy of its set, in which *bench* finds it; the report of its backup."""
    stored.copy_set(bench.bench)
    return stored.report


@pytest.fixture
def emptied(postgres17: PostgresServer, shop: str, backed_up: dict[str, Any]) -> str:
    """The database with its set, emptied by mistake."""
    postgres17.query(shop, "DELETE FROM orders")
    return shop
