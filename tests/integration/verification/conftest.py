"""What the tests of drills and verifications share: keys, a place for sets, and a database with a bit of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, Keys, make_keys
from support.drill_runs import make_shop
from support.lab import PostgresServer
from support.restore_runs import RestoreBench


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """See :class:`Keys`."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def bench(tmp_path: Path, keys: Keys) -> RestoreBench:
    """See :class:`RestoreBench`; without any set."""
    return RestoreBench(Bench(tmp_path, keys))


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """The database on a server of version 17."""
    name = make_shop(postgres17)
    yield name
    postgres17.drop_database(name)
