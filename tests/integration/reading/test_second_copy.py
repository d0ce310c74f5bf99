"""A copy that is damaged or out of reach does not stop a restore while another is good."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.reading import artifact as reading
from support.backup_bench import Bench, make_keys
from support.gpg_keys import GnupgHome, make_key
from support.lab import PostgresServer
from support.restore_runs import RestoreBench, drop_versions
from support.spoiled_sets import flip
from support.table_restores import restore_table

ROWS = 20_000
LOCATIONS = ("disk", "second")


def late(path: Path) -> None:
    """A byte far behind the beginning."""
    flip(path, path.stat().st_size * 3 // 4)


def early(path: Path) -> None:
    """A byte of the head."""
    flip(path, 20)


@pytest.fixture(scope="module", params=["none", "age", "gpg"])
def scene(
    request: pytest.FixtureRequest, postgres17: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RestoreBench, str, dict[str, Any], dict[str, Any]]]:
    """A database with a set in two locations, and what a restore is given to read it."""
    directory = tmp_path_factory.mktemp("copies")
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    given: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    if request.param == "none":
        given = {"recipients": [], "allow_unencrypted": True}
    elif request.param == "gpg":
        if shutil.which("gpg") is None:
            pytest.skip("gpg is not installed")
        home = GnupgHome()
        given = {"recipients": [make_key(home, "ops@example.com").public().decode()]}
        keys = {"identities": [], "gnupghome": str(home)}
    name = postgres17.create_database()
    postgres17.query(
        name,
        "CREATE TABLE orders (id int PRIMARY KEY, note text);"
        f"INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) i",
    )
    places = [bench.bench.location(one) for one in LOCATIONS]
    report = bench.backup(postgres17, name, locations=places, **given)
    yield bench, name, report, {"locations": places, **keys}
    drop_versions(postgres17, name)


@pytest.fixture
def damage(
    scene: tuple[RestoreBench, str, dict[str, Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Path], None], str], None]]:
    """Damages the dump in a location; it is as it was afterwards."""
    monkeypatch.setattr(reading, "KEPT_BYTES", 0)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 65536)
    bench, _name, report, _keys = scene
    saved: dict[Path, bytes] = {}

    def do(how: Callable[[Path], None], location: str) -> None:
        (path,) = (bench.bench.directory / location / report["directory"]).glob("backup_*")
        saved[path] = path.read_bytes()
        how(path)

    yield do
    for path, data in saved.items():
        path.unlink()
        path.write_bytes(data)


@pytest.mark.parametrize("how", [early, late])
def test_a_restore_goes_on_in_the_next_location_and_says_why(
    postgres17: PostgresServer,
    scene: tuple[RestoreBench, str, dict[str, Any], dict[str, Any]],
    damage: Callable[[Callable[[Path], None], str], None],
    how: Callable[[Path], None],
) -> None:
    bench, name, report, keys = scene
    damage(how, "disk")
    postgres17.query(name, "DELETE FROM orders WHERE id > 3")
    restored = restore_table(postgres17, name, "orders", bench=bench.bench, strategy="replace", **keys)
    assert postgres17.query(name, "SELECT count(*) FROM orders") == [(ROWS,)]
    assert any("was read on from location 'second': " in one and "'disk'" in one for one in restored["warnings"])

    target = f"{name}_again"
    whole = bench.restore(postgres17, target, expect_database=name, backup=report["id"], **keys)
    assert postgres17.query(target, "SELECT count(*) FROM orders") == [(ROWS,)]
    assert any("was read on from location 'second': " in one for one in whole["warnings"])
    drop_versions(postgres17, target)


def test_with_both_copies_damaged_it_fails_and_the_table_is_as_it_was(
    postgres17: PostgresServer,
    scene: tuple[RestoreBench, str, dict[str, Any], dict[str, Any]],
    damage: Callable[[Callable[[Path], None], str], None],
) -> None:
    bench, name, _report, keys = scene
    damage(late, "disk")
    damage(late, "second")
    postgres17.query(name, "DELETE FROM orders WHERE id > 3")
    with pytest.raises(BackupError):
        restore_table(postgres17, name, "orders", bench=bench.bench, strategy="replace", **keys)
    assert postgres17.query(name, "SELECT count(*) FROM orders") == [(3,)]


def test_the_location_that_was_named_is_the_only_one(
    postgres17: PostgresServer,
    scene: tuple[RestoreBench, str, dict[str, Any], dict[str, Any]],
    damage: Callable[[Callable[[Path], None], str], None],
) -> None:
    bench, name, _report, keys = scene
    damage(early, "disk")
    with pytest.raises(BackupError, match="disk"):
        restore_table(postgres17, name, "orders", bench=bench.bench, strategy="replace", location="disk", **keys)
