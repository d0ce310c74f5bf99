"""A copy that is damaged or out of reach does not stop a restore while another is good."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.reading import artifact as reading
from support.backup_bench import Bench, make_keys
from support.gpg_keys import GnupgHome, make_key
from support.lab import PostgresServer
from support.restore_runs import RestoreBench, versions_of
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


@dataclass
class Scene:
    """A database with a set in two locations, and what a restore is given to read it.

    :ivar saved: what was damaged, as it was.
    """

    server: PostgresServer
    bench: RestoreBench
    name: str
    report: dict[str, Any]
    keys: dict[str, Any]
    saved: dict[Path, bytes] = field(default_factory=dict)

    def damage(self, how: Callable[[Path], None], location: str) -> None:
        """Damage the dump in a location."""
        (path,) = (self.bench.bench.directory / location / self.report["directory"]).glob("backup_*")
        self.saved[path] = path.read_bytes()
        how(path)

    def restore_rows(self, **options: Any) -> dict[str, Any]:
        """Replace the table's rows by those of the backup."""
        options = {"strategy": "replace", **self.keys, **options}
        return restore_table(self.server, self.name, "orders", bench=self.bench.bench, **options)

    def rows(self, name: str | None = None) -> int:
        """How many rows the table has."""
        ((count,),) = self.server.query(name or self.name, "SELECT count(*) FROM orders")
        return int(count)


@pytest.fixture(scope="module", params=["none", "age", "gpg"])
def made(
    request: pytest.FixtureRequest, postgres17: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """The scene, made once for all tests."""
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
    with versions_of(postgres17, postgres17.create_database()) as name:
        postgres17.query(
            name,
            "CREATE TABLE orders (id int PRIMARY KEY, note text);"
            f"INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) i",
        )
        places = [bench.bench.location(one) for one in LOCATIONS]
        report = bench.backup(postgres17, name, locations=places, **given)
        yield Scene(postgres17, bench, name, report, {"locations": places, **keys})


@pytest.fixture
def scene(made: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The scene, with sets that are read piece by piece; what a test damages is as it was afterwards."""
    monkeypatch.setattr(reading, "KEPT_BYTES", 0)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 65536)
    yield made
    for path, data in made.saved.items():
        path.unlink()
        path.write_bytes(data)
    made.saved.clear()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("how", [early, late])
def test_a_restore_goes_on_in_the_next_location_and_says_why(scene: Scene, how: Callable[[Path], None]) -> None:
    scene.damage(how, "disk")
    scene.server.query(scene.name, "DELETE FROM orders WHERE id > 3")
    restored = scene.restore_rows()
    assert scene.rows() == ROWS
    assert any("was read on from location 'second': " in one and "'disk'" in one for one in restored["warnings"])

    with versions_of(scene.server, f"{scene.name}_again") as target:
        options = {"expect_database": scene.name, "backup": scene.report["id"], **scene.keys}
        whole = scene.bench.restore(scene.server, target, **options)
        assert scene.rows(target) == ROWS
        assert any("was read on from location 'second': " in one for one in whole["warnings"])


def test_with_both_copies_damaged_it_fails_and_the_table_is_as_it_was(scene: Scene) -> None:
    scene.damage(late, "disk")
    scene.damage(late, "second")
    scene.server.query(scene.name, "DELETE FROM orders WHERE id > 3")
    with pytest.raises(BackupError):
        scene.restore_rows()
    assert scene.rows() == 3


def test_the_location_that_was_named_is_the_only_one(scene: Scene) -> None:
    scene.damage(early, "disk")
    with pytest.raises(BackupError, match="disk"):
        scene.restore_rows(location="disk")
