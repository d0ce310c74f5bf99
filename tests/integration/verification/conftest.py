"""What the tests of drills and verifications share: keys, a place for sets, and a database with a bit of everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backup_bench import Bench, Keys
from support.drill_runs import make_shop
from support.lab import PostgresServer
from support.restore_fixtures import bench, keys
from support.restore_runs import RestoreBench

__all__ = ["bench", "good_set", "keys", "made", "shop"]


@pytest.fixture
def shop(postgres17: PostgresServer) -> Iterator[str]:
    """The database on a server of version 17."""
    name = make_shop(postgres17)
    yield name
    postgres17.drop_database(name)


@pytest.fixture(scope="session")
def good_set(postgres17: PostgresServer, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A location with one set, with an export, of a database that is gone; nobody changes it."""
    bench = Bench(tmp_path_factory.mktemp("good"), keys)
    name = make_shop(postgres17)
    bench.backup(postgres17, name, fingerprint="all", exports=[{"table": "clients"}])
    postgres17.drop_database(name)
    return bench.root


@pytest.fixture
def made(bench: RestoreBench, good_set: Path) -> Path:
    """The directory of a copy of the good set, which is good until a test spoils it."""
    shutil.copytree(good_set, bench.bench.root)
    (manifest,) = bench.bench.root.rglob("manifest.json")
    return manifest.parent
