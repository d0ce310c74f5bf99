"""What the tests of dropped tables start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.backed_up import BackedUp, backed_up
from support.backup_bench import Bench, Keys
from support.dropped_tables import SHOP
from support.postgres import PostgresServer


@pytest.fixture(scope="session")
def made_shop(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackedUp]:
    """A small database, backed up."""
    with backed_up(postgres17, Bench(tmp_path_factory.mktemp("shop"), keys), SHOP) as made:
        yield made


@pytest.fixture
def shop(made_shop: BackedUp, bench: Bench) -> Iterator[str]:
    """That database, which a test may change, and its set in the test's own bench."""
    with made_shop.anew(bench) as name:
        yield name
