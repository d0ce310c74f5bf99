"""``mobul.backup.pre_migration``: begun, verified and reverted; and a verification that finds something gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.pages import not_told, shown_block
from support.playbooks import Playbooks
from support.procedure_documents import migrate

EXPECTED = ["TABLE public.old_orders", "TABLE public.orders"]
TABLES = """
CREATE TABLE orders (id int PRIMARY KEY);
INSERT INTO orders SELECT generate_series(1, 100);
CREATE TABLE old_orders (id int PRIMARY KEY);
"""


@pytest.fixture
def database(postgres17: PostgresServer) -> Iterator[str]:
    """A database of its own, as it is changed."""
    name: str = postgres17.create_database()
    postgres17.query(name, TABLES)
    yield name
    with postgres17.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name])
        names = [row[0] for row in cursor.fetchall()]
    for one in names:
        postgres17.drop_database(one)


@pytest.fixture
def inventory(playbooks: Playbooks, keys: Keys, postgres17: PostgresServer, database: str, tmp_path: Path) -> Path:
    """The database; the same by another name, without a key to let a set go; and one of which there is no backup."""
    login = {**postgres17.login(database), "pg_bin_dir": str(postgres17.bin_dir)}
    return playbooks.inventory(
        {
            "shop": {},
            "keyless": {"backup_record_signing_key": "/nonexistent", "migration_expected_differences": EXPECTED},
            "other": {},
        },
        **{f"backup_{name}": value for name, value in login.items()},
        backup_environment="test",
        backup_recipients=keys.recipients,
        backup_signing_key=str(keys.signing),
        backup_verify_key=[str(keys.verify)],
        backup_identities=[str(keys.identity)],
        backup_locations=[{"name": "a", "type": "local", "path": str(tmp_path / "a")}],
    )


def statuses(told: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in told["steps"]}


def test_a_migration_is_begun_found_to_lose_something_verified_and_reverted(
    playbooks: Playbooks, inventory: Path, keys: Keys, postgres17: PostgresServer, database: str, tmp_path: Path
) -> None:
    run, told = migrate(playbooks, inventory, "--limit", "shop")
    assert run.status == 0, run.output
    begin = {"label": "keyless", "kind": "pre_migration", "labels": {"migration": "2026/11-add"}, "environment": "test"}
    place = {"name": "a", "type": "local", "path": str(tmp_path / "a")}
    Bench(tmp_path, keys).backup(postgres17, database, **begin, locations=[place])
    begun = told["shop"]["backup"]["id"]
    (manifest,) = tmp_path.glob("a/shop/*/*/*/*/manifest.json")
    assert json.loads(manifest.read_text())["labels"] == {"migration": "2026/11-add"}

    postgres17.query(database, "DROP TABLE old_orders; DELETE FROM orders WHERE id > 90; CREATE TABLE new_orders ()")
    run, told = migrate(playbooks, inventory, migration_state="verified")
    assert run.status == 2
    assert {host: one["verdict"] for host, one in told.items()} == dict.fromkeys(("shop", "keyless", "other"), "no_go")
    assert statuses(told["keyless"]) | {"compare": "done", "release": "failed"} == statuses(told["keyless"])
    assert not list(tmp_path.rglob("released.json"))
    assert statuses(told["other"])["find"] == "failed"
    assert "of kind pre_migration with migration 2026/11-add (was the backup started?" in told["other"]["reason"]
    assert statuses(told["shop"]) | {"compare": "failed", "release": "pending"} == statuses(told["shop"])
    assert told["shop"]["differences"] == [
        "CONSTRAINT public.old_orders old_orders_pkey: it was there before and is gone",
        "TABLE public.old_orders: it was there before and is gone",
        "TABLE public.orders: public.orders has 90 rows, and had 100",
        "TABLE public.new_orders: it was not there before",
    ]
    assert not (manifest.parent / "released.json").exists()
    printed = shown_block("docs/pre_migration.md", "pre_migration ")
    assert not not_told(printed, run.output, {"verified 42": "verified 2026/11-add"})

    given = {"migration_state": "verified", "migration_expected_differences": EXPECTED}
    run, told = migrate(playbooks, inventory, "--limit", "shop", **given)
    assert run.status == 0, run.output
    assert (told["shop"]["verdict"], told["shop"]["backup"]["id"]) == ("go", begun)
    assert json.loads((manifest.parent / "released.json").read_text())["reason"] == "migration 2026/11-add verified"

    given = {"migration_state": "reverted", "expect_environment": "test", "expect_database": database}
    run, told = migrate(playbooks, inventory, "--limit", "shop", **given)
    assert run.status == 0, run.output
    assert postgres17.query(database, "SELECT count(*) FROM orders") == [(100,)]
    assert (told["shop"]["verdict"], told["shop"]["backup"]["id"]) == ("go", begun)
    done = ("prove", "maintenance_on", "safety_backup", "restore", "maintenance_off")
    assert {statuses(told["shop"])[name] for name in done} == {"done"}


def test_a_migration_is_reverted_with_the_guards_of_a_restore(playbooks: Playbooks, inventory: Path) -> None:
    run, told = migrate(playbooks, inventory, "--limit", "shop", migration_state="reverted", expect_database="shop")
    assert run.status == 2
    assert "choose one host by --limit, name its database" in run.output
    assert told == {}
