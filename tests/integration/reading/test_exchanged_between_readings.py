"""Whoever can write to a location exchanges files between two readings: what is used are the bytes that were proven."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate
from ansible_collections.mobul.backup.plugins.module_utils._core.reading import artifact as reading
from ansible_collections.mobul.backup.plugins.modules import backup_replicate
from support.backup_bench import LABEL, Bench, make_keys
from support.drill_runs import drill
from support.gpg_keys import GnupgHome, make_key
from support.lab import PostgresServer
from support.module_parameters import parameters
from support.restore_runs import RestoreBench, drop_versions
from support.table_restores import restore_table
from support.turncoat import Turncoat, exchanged
from support.verify_runs import bad, verify

TRUE, FALSE = "true row", "evil row"
SHOP = f"""
CREATE TABLE orders (id int PRIMARY KEY, note text);
INSERT INTO orders SELECT i, '{TRUE}' FROM generate_series(1, 3000) i;
"""
EVIL = "evil_role_of_the_location"


@dataclass(frozen=True)
class Scene:
    """A good set, and what somebody lays in its place: the same with other rows, and a role that is superuser."""

    bench: RestoreBench
    database: str
    set_id: str
    others: dict[str, bytes]
    reading: dict[str, Any]


def _forms() -> list[str]:
    return ["none", "age", *(["gpg"] if shutil.which("gpg") else [])]


@pytest.fixture(scope="module", params=_forms())
def scene(
    request: pytest.FixtureRequest, postgres17: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("exchanged")
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    given: dict[str, Any] = {"compress": "none"}
    with_keys: dict[str, Any] = {}
    if request.param == "none":
        given |= {"recipients": [], "allow_unencrypted": True}
    elif request.param == "gpg":
        home = GnupgHome()
        key = make_key(home, "ops@example.com")
        given |= {"recipients": [key.public().decode()]}
        with_keys = {"identities": [], "gnupghome": str(home)}
    name = postgres17.create_database()
    postgres17.query(name, SHOP)
    good = bench.backup(postgres17, name, **given)
    postgres17.create_role(EVIL, "SUPERUSER")
    postgres17.query(name, f"UPDATE orders SET note = '{FALSE}'")
    evil = bench.backup(postgres17, name, label="evil", **given)
    postgres17.query("postgres", f"DROP ROLE {EVIL}")
    postgres17.query(name, f"UPDATE orders SET note = '{TRUE}'")
    root = bench.bench.root
    others = exchanged(root / good["directory"], root / evil["directory"], root)
    yield Scene(bench, name, good["id"], others, with_keys)
    drop_versions(postgres17, name)


@pytest.fixture(params=["in blocks", "in memory"])
def turncoat(request: pytest.FixtureRequest, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Turncoat:
    if request.param == "in blocks":
        monkeypatch.setattr(reading, "KEPT_BYTES", 0)
        monkeypatch.setattr(reading, "BLOCK_BYTES", 4096)
    return Turncoat(monkeypatch, scene.others)


@contextlib.contextmanager
def refusal_of(turncoat: Turncoat) -> Iterator[None]:
    """It works, or is refused because the store did give something else."""
    try:
        yield
    except BackupError as error:
        assert turncoat.betrayed, error


def evil_roles(server: PostgresServer) -> list[tuple[str]]:
    return server.query("postgres", "SELECT rolname FROM pg_roles WHERE rolname = %s", [EVIL])


def test_a_restore_uses_what_was_proven_or_refuses(
    postgres17: PostgresServer, scene: Scene, turncoat: Turncoat
) -> None:
    target = f"{scene.database}_restored"
    options = {"expect_database": scene.database, "backup": scene.set_id, **scene.reading}
    try:
        with refusal_of(turncoat):
            scene.bench.restore(postgres17, target, **options)
            assert postgres17.query(target, "SELECT DISTINCT note FROM orders") == [(TRUE,)]
        assert evil_roles(postgres17) == []
    finally:
        drop_versions(postgres17, target)
        postgres17.query("postgres", f"DROP ROLE IF EXISTS {EVIL}")


def test_a_table_is_restored_from_what_was_proven_or_not_at_all(
    postgres17: PostgresServer, scene: Scene, turncoat: Turncoat
) -> None:
    postgres17.query(scene.database, "DELETE FROM orders WHERE id > 10")
    with refusal_of(turncoat):
        restore_table(
            postgres17,
            scene.database,
            "orders",
            bench=scene.bench.bench,
            strategy="replace",
            backup=scene.set_id,
            **scene.reading,
        )
    assert postgres17.query(scene.database, "SELECT DISTINCT note FROM orders") == [(TRUE,)]


@pytest.mark.parametrize("scene", ["none"], indirect=True)
def test_a_drill_uses_what_was_proven_or_fails(postgres17: PostgresServer, scene: Scene, turncoat: Turncoat) -> None:
    report = drill(scene.bench, postgres17, backup=scene.set_id, **scene.reading)
    assert evil_roles(postgres17) == []
    assert report["verdict"] == "passed" or turncoat.betrayed


def test_every_other_reader_reads_once_or_refuses(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {"identities": [str(scene.bench.bench.keys.identity)], **scene.reading}
    common = {"label": LABEL, "backup": scene.set_id, "verify_key": [str(scene.bench.bench.keys.verify)]}
    turncoat = Turncoat(monkeypatch, scene.others)
    first = scene.bench.bench.location()
    report = verify(tmp_path, level="content", locations=[first], **common, **keys)
    assert not bad(report) or turncoat.betrayed

    turncoat.given.clear()
    second = {"name": "second", "type": "local", "path": str(tmp_path / "second")}
    with refusal_of(turncoat):
        options = {name: value for name, value in common.items() if name != "backup"}
        run_backup_replicate(
            parameters(backup_replicate, locations=[first, second], cache_dir=str(tmp_path), **options), False
        )
    copied = [path for path in (tmp_path / "second").rglob("*_*") if path.is_file()]
    assert all(path.read_bytes() not in scene.others.values() for path in copied)
