"""Whoever a set was rekeyed to restores it by every way there is; whoever it was not, by none."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.rekey import run_backup_rekey
from ansible_collections.mobul.backup.plugins.modules import backup_rekey
from support.backup_bench import LABEL, Bench, make_keys
from support.drill_runs import drill
from support.drill_runs import failures as drill_failures
from support.lab import PostgresServer
from support.module_parameters import parameters
from support.restore_runs import RestoreBench, drop_versions
from support.table_restores import restore_table
from support.verify_runs import bad, verify

Scene = tuple[RestoreBench, str, dict[str, bytes]]
NEW, STRANGER = X25519Identity.generate(), X25519Identity.generate()


@pytest.fixture(scope="module")
def scene(postgres17: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A database, its set that was rekeyed to another key, and what the set was before."""
    directory = tmp_path_factory.mktemp("rekeyed")
    bench = RestoreBench(Bench(directory, make_keys(directory)))
    name = postgres17.create_database()
    postgres17.query(
        name,
        "CREATE TABLE orders (id int PRIMARY KEY, note text);"
        "INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(1, 5000) i;"
        "CREATE TABLE items AS SELECT i FROM generate_series(1, 5000) i",
    )
    report = bench.backup(postgres17, name, jobs=2, exports=[{"table": "orders"}])
    place = bench.bench.root / report["directory"]
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    asked = {
        "label": LABEL,
        "backup": "latest",
        "locations": [bench.bench.location()],
        "recipients": [str(NEW.recipient)],
        "identities": [str(bench.bench.keys.escrow)],
        "verify_key": [str(bench.bench.keys.verify)],
    }
    told = run_backup_rekey(parameters(backup_rekey, **asked), False)
    after = {path.name: path.read_bytes() for path in place.iterdir()}
    assert len([one for one in before if one.endswith(".age")]) == 4
    assert after.pop(told["record"])
    assert after == before
    yield bench, name, before
    drop_versions(postgres17, name)


def test_a_table_is_restored(scene: Scene, postgres17: PostgresServer) -> None:
    bench, name, _before = scene
    with pytest.raises(BackupError, match="one that it was rekeyed to"):
        restore_table(postgres17, name, "orders", bench=bench.bench, identities=[str(STRANGER)])
    postgres17.query(name, "DELETE FROM orders")
    restore_table(postgres17, name, "orders", bench=bench.bench, identities=[str(NEW)])
    assert postgres17.query(name, "SELECT count(*) FROM orders WHERE note = md5(id::text)") == [(5000,)]


def test_the_database_is_restored(scene: Scene, postgres17: PostgresServer) -> None:
    bench, name, _before = scene
    postgres17.query(name, "DELETE FROM items")
    bench.restore(postgres17, name, identities=[str(NEW)], expect_database=name)
    assert postgres17.query(name, "SELECT count(*) FROM items") == [(5000,)]


def test_it_is_verified_and_drilled(scene: Scene, postgres17: PostgresServer, tmp_path: Path) -> None:
    bench, _name, _before = scene
    given = {
        "locations": [bench.bench.location()],
        "label": LABEL,
        "level": "content",
        "verify_key": [str(bench.bench.keys.verify)],
    }
    assert bad(verify(tmp_path, identities=[str(NEW)], **given)) == {}
    assert "no identity matches" in bad(verify(tmp_path, identities=[str(STRANGER)], **given))["contents"]
    assert drill_failures(drill(bench, postgres17, identities=[str(NEW)], record=False)) == {}


def test_age_itself_opens_the_new_header_before_the_old_contents(scene: Scene, age: Path, tmp_path: Path) -> None:
    bench, _name, before = scene
    place = next(bench.bench.root.rglob("manifest.json")).parent
    key = tmp_path / "new.agekey"
    key.write_text(f"{NEW}\n")

    def opened(identity: Path, data: bytes) -> bytes:
        argv = [age, "--decrypt", "--identity", identity]
        return subprocess.run(argv, input=data, capture_output=True, check=True).stdout

    record = json.loads(next(place.glob("rekeyed_*.json")).read_bytes())
    for name, header in record["headers"].items():
        stored = before[name]
        end = stored.index(b"\n", stored.index(b"\n--- ") + 1) + 1
        assert opened(key, header.encode() + stored[end:]) == opened(bench.bench.keys.identity, stored)
