"""What the tests of whole restores share: keys, a place for sets, and a small database with a backup."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.restore_fixtures import bench, keys
from support.restore_runs import SHOP, RestoreBench, rename, versions_of

__all__ = ["bench", "keys", "shop"]


@dataclass(frozen=True)
class Stored:
    """A database that is made and backed up once for a file of tests.

    :param name: what it was called when it was backed up.
    :param template: what it is called now.
    :param root: of the location of its set.
    :param report: of its backup.
    """

    name: str
    template: str
    root: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def statements() -> str:
    """What it is made of."""
    return SHOP


@pytest.fixture(scope="module")
def stored(
    tmp_path_factory: pytest.TempPathFactory, keys: Keys, postgres17: PostgresServer, statements: str
) -> Iterator[Stored]:
    """See :class:`Stored`."""
    bench = RestoreBench(Bench(tmp_path_factory.mktemp("stored"), keys))
    name = postgres17.create_database()
    template = f"of_{name}"
    try:
        postgres17.query(name, statements)
        report = bench.backup(postgres17, name)
        rename(postgres17, name, template)
        yield Stored(name, template, bench.bench.root, report)
    finally:
        postgres17.drop_database(template)
        postgres17.drop_database(name)


@pytest.fixture
def shop(postgres17: PostgresServer, stored: Stored) -> Iterator[str]:
    """A copy of the database by its name; it goes with all of its versions."""
    with versions_of(postgres17, postgres17.create_database(stored.name, template=stored.template)) as name:
        yield name


@pytest.fixture
def backed_up(bench: RestoreBench, stored: Stored) -> dict[str, Any]:
    """A copy of its set, in which *bench* finds it; the report of its backup."""
    shutil.copytree(stored.root, bench.bench.root)
    return stored.report


@pytest.fixture
def emptied(postgres17: PostgresServer, shop: str, backed_up: dict[str, Any]) -> str:
    """The database with its set, emptied by mistake."""
    postgres17.query(shop, "DELETE FROM orders")
    return shop
