"""What the tests of whole restores share: keys, a place for sets, and a database that has something of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, Keys, make_keys
from support.lab import PostgresServer
from support.restore_runs import SHOP, RestoreBench, databases


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
    """A small database; it goes with all of its versions."""
    name = postgres17.create_database()
    postgres17.query(name, SHOP)
    yield name
    for one in databases(postgres17, name):
        postgres17.drop_database(one)
