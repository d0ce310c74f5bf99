"""``mobul.backup.restore`` as a person calls it: the checklist from the proof to the end of the maintenance mode."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Bench, Keys
from support.effort import some
from support.lab import PostgresServer
from support.playbooks import Playbooks, Run
from support.programs import PROJECT
from support.restore_runs import ENVIRONMENT, SHOP, RestoreBench, databases, versions_of

HOOK = """\
- name: Look
  ansible.builtin.shell: "echo {point} {{{{ restore_result.id }}}} >> {log}"
  changed_when: true
"""


@pytest.fixture
def playbooks(tmp_path: Path) -> Playbooks:
    return Playbooks(tmp_path)


@pytest.fixture
def inventory(playbooks: Playbooks, bench: RestoreBench, postgres17: PostgresServer, shop: str) -> Path:
    return inventory_of(playbooks, bench, postgres17, shop)


def inventory_of(playbooks: Playbooks, bench: RestoreBench, server: PostgresServer, shop: str) -> Path:
    """The shop's database, with hooks that write down when they are run."""
    hooks, directory = {}, playbooks.directory
    for point in ("notify", "after"):
        hook = directory / f"{point}.yml"
        hook.write_text(HOOK.format(point=point, log=directory / "log"))
        hooks[f"restore_{point}_tasks"] = str(hook)
    login = {**server.login(shop), "pg_bin_dir": str(server.bin_dir)}
    keys = bench.bench.keys
    return playbooks.inventory(
        {"shop": {}},
        **{f"backup_{name}": value for name, value in login.items()},
        backup_environment=ENVIRONMENT,
        backup_locations=[bench.bench.location()],
        backup_recipients=keys.recipients,
        backup_signing_key=str(keys.signing),
        restore_identities=[str(keys.identity)],
        backup_verify_key=[str(keys.verify)],
        **hooks,
    )


def run(playbooks: Playbooks, inventory: Path, shop: str, **variables: Any) -> Run:
    given = {"expect_environment": ENVIRONMENT, "expect_database": shop, **variables}
    arguments = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    return playbooks.run("mobul.backup.restore", inventory, *arguments)


@dataclass(frozen=True)
class Restored:
    """A database, one of whose tables was dropped, after a run of the whole checklist.

    :param report: of its backup.
    :param rows: of that table, right after the run.
    """

    bench: RestoreBench
    playbooks: Playbooks
    inventory: Path
    database: str
    report: dict[str, Any]
    result: Run
    rows: object


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory, keys: Keys, postgres17: PostgresServer) -> Iterator[Restored]:
    directory = tmp_path_factory.mktemp("restored")
    bench, playbooks = RestoreBench(Bench(directory, keys)), Playbooks(directory)
    with versions_of(postgres17, postgres17.create_database()) as shop:
        postgres17.query(shop, SHOP)
        postgres17.query(
            shop,
            "CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN PERFORM net.http_post(1); RETURN NEW; END';"
            "CREATE TRIGGER hook AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hook()",
        )
        report = bench.backup(postgres17, shop)
        postgres17.query(shop, "DROP TABLE orders CASCADE")
        inventory = inventory_of(playbooks, bench, postgres17, shop)
        # A survey's answers, nearly all of them empty; and what the environment has in their place.
        answers = ("restore_before", "restore_safety_backup", "restore_location", "expect_environment")
        named = {"backup_tables": [{"name": "orders", "priority": 1}], "backup_exports": [{"table": "orders"}]}
        result = playbooks.run(
            "mobul.backup.restore",
            inventory,
            *("-e", json.dumps({**dict.fromkeys(answers, ""), "expect_database": shop, **named}), "--diff"),
            MOBUL_EXPECT_ENVIRONMENT=ENVIRONMENT,
            MOBUL_PROCEDURE_RESULT_PATH=str(directory / "result.json"),
        )
        assert result.status == 0, result.output
        rows = postgres17.query(shop, "SELECT count(*) FROM orders")
        yield Restored(bench, playbooks, inventory, shop, report, result, rows)


@pytest.mark.next
def test_the_checklist_is_run_in_order_and_everybody_gets_in_again(
    restored: Restored, postgres17: PostgresServer
) -> None:
    shop, report, result, directory = restored.database, restored.report, restored.result, restored.playbooks.directory
    # What would be restored is shown once, and the safety backup when it is made.
    assert re.findall(r"^\+\+\+ after\n.*\n\+(\w+)", result.output, re.MULTILINE) == ["database", "shop"]
    document = json.loads((directory / "result.json").read_text())
    assert (document["verdict"], document["backup"]["id"]) == ("go", report["id"])
    assert {step["name"] for step in document["steps"] if step["status"] == "done"} == {
        *("prove", "maintenance_on", "safety_backup", "restore", "maintenance_off", "record")
    }
    assert (directory / "log").read_text() == f"notify {report['id']}\nafter {report['id']}\n"
    kinds = sorted(path.parent.name.rsplit("_", 2)[0] for path in restored.bench.bench.root.rglob("manifest.json"))
    assert kinds == ["manual", "pre_restore"]
    limits = postgres17.query("postgres", "SELECT datconnlimit FROM pg_database WHERE starts_with(datname, %s)", [shop])
    assert {limit for (limit,) in limits} == {-1}


def test_a_table_that_is_gone_does_not_keep_the_safety_backup_from_being_made(restored: Restored) -> None:
    assert restored.rows == [(1000,)]
    assert "there is no table 'orders' in the database, and manual_" in restored.result.output


@pytest.mark.next
def test_what_was_restored_is_resumed_reverted_and_finalized(restored: Restored, postgres17: PostgresServer) -> None:
    shop, there = restored.database, "SELECT to_regclass('public.orders') IS NOT NULL"
    hook = "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'hook'"
    assert len(databases(postgres17, shop)) == 2
    assert "paused until state resumed: trigger hook on public.orders" in restored.result.output
    assert postgres17.query(shop, hook) == [("D",)]
    by_playbook = some(("resumed", "reverted", "finalized"), 1)
    for state, statement, expected in (
        ("resumed", hook, ("O",)),
        ("reverted", there, (False,)),
        ("finalized", "SELECT count(*) FROM pg_database WHERE starts_with(datname, current_database())", (1,)),
    ):
        if state in by_playbook:
            assert run(restored.playbooks, restored.inventory, shop, restore_state=state).status == 0
        else:
            restored.bench.restore(postgres17, shop, state=state)
        assert postgres17.query(shop, statement) == [expected], state
    assert databases(postgres17, shop) == {shop}


@pytest.mark.usefixtures("backed_up")
@pytest.mark.next
def test_the_maintenance_mode_ends_when_the_restore_fails(
    playbooks: Playbooks, inventory: Path, bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    hook = inventory.parent / "maintenance_on.yml"
    source = PROJECT / "roles" / "restore" / "tasks" / "maintenance_on.yml"
    hook.write_text(f"{source.read_text()}\n- name: Fail\n  ansible.builtin.fail:\n    msg: the dog ate it\n")
    path = inventory.parent / "result.json"
    variables = {"restore_maintenance_on_tasks": hook, "procedure_result_path": path, "restore_safety_backup": False}
    result = run(playbooks, inventory, shop, **variables)
    assert result.status == 2
    assert "the dog ate it" in result.output
    document = json.loads(path.read_text())
    assert document["verdict"] == "no_go"
    assert document["reason"] == "step 'maintenance_on' failed: the dog ate it"
    assert [step["name"] for step in document["steps"] if step["status"] == "done"] == [
        *("prove", "maintenance_off", "record")
    ]
    properties = postgres17.query(
        "postgres",
        "SELECT datconnlimit, (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        " FROM pg_database d WHERE datname = %s",
        [shop],
    )
    assert properties == [(-1, None)]


@pytest.fixture(scope="module")
def untouched(
    tmp_path_factory: pytest.TempPathFactory, keys: Keys, postgres17: PostgresServer
) -> Iterator[tuple[Playbooks, Path, str]]:
    """What runs playbooks, an inventory, and a database with its backup that no test changes."""
    directory = tmp_path_factory.mktemp("untouched")
    bench, playbooks = RestoreBench(Bench(directory, keys)), Playbooks(directory)
    with versions_of(postgres17, postgres17.create_database()) as shop:
        postgres17.query(shop, SHOP)
        bench.backup(postgres17, shop)
        yield playbooks, inventory_of(playbooks, bench, postgres17, shop), shop


def test_a_safety_backup_that_cannot_be_made_is_known_before_anybody_is_kept_out(
    untouched: tuple[Playbooks, Path, str], postgres17: PostgresServer
) -> None:
    playbooks, inventory, shop = untouched
    result = run(playbooks, inventory, shop, backup_min_copies=5)
    assert result.status == 2
    assert "min_copies is 5" in result.failure("shop")["msg"]
    assert not (inventory.parent / "log").exists()
    assert databases(postgres17, shop) == {shop}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expect_environment": "production"}, "the inventory says that database"),
        ({"expect_database": "other"}, "expect_database is 'other'"),
    ],
)
def test_a_wrong_environment_or_database_is_refused_before_anything_is_done(
    untouched: tuple[Playbooks, Path, str], postgres17: PostgresServer, changes: dict[str, Any], message: str
) -> None:
    playbooks, inventory, shop = untouched
    result = run(playbooks, inventory, shop, **changes)
    assert result.status == 2
    assert message in result.output
    assert databases(postgres17, shop) == {shop}
    assert not (inventory.parent / "log").exists()


def test_a_set_that_the_inventorys_key_has_not_signed_is_refused(
    playbooks: Playbooks, inventory: Path, bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    bench.backup(postgres17, shop, signing_key=None)
    result = run(playbooks, inventory, shop, backup_verify_key=bench.bench.keys.verify)
    assert result.status == 2
    assert "is not signed, and a verify key was given" in result.failure("shop")["msg"]
    assert databases(postgres17, shop) == {shop}


@pytest.mark.usefixtures("backed_up")
def test_a_table_is_restored_by_a_checklist_too(
    playbooks: Playbooks, inventory: Path, bench: RestoreBench, postgres17: PostgresServer, shop: str, tmp_path: Path
) -> None:
    postgres17.query(shop, "DELETE FROM orders WHERE id > 10")
    path = tmp_path / "result.json"
    given = {
        "table": "orders",
        "expect_environment": ENVIRONMENT,
        "restore_table_identities": [str(bench.bench.keys.identity)],
        "procedure_table_maintenance": True,
        "procedure_table_safety_backup": True,
        "procedure_result_path": str(path),
    }
    result = playbooks.run("mobul.backup.restore_table", inventory, "-e", json.dumps(given))
    assert result.status == 0, result.output
    assert postgres17.query(shop, "SELECT count(*) FROM orders") == [(1000,)]
    document = json.loads(path.read_text())
    assert document["verdict"] == "go"
    assert {step["status"] for step in document["steps"] if step["required"]} == {"done"}
    kinds = sorted(path.parent.name.rsplit("_", 2)[0] for path in bench.bench.root.rglob("manifest.json"))
    assert kinds == ["manual", "pre_restore"]
    assert postgres17.query("postgres", "SELECT datconnlimit FROM pg_database WHERE datname = %s", [shop]) == [(-1,)]


def test_in_maintenance_mode_only_superusers_get_in(
    playbooks: Playbooks, bench: RestoreBench, postgres17: PostgresServer, shop: str
) -> None:
    import psycopg2
    from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.maintenance import (
        run_maintenance_mode,
    )

    role = f"till_{shop}"
    password = postgres17.create_role(role)
    options = {**postgres17.login(shop), "maintenance_db": "postgres", "lock_timeout": 10}
    postgres17.query("postgres", f"ALTER DATABASE {shop} CONNECTION LIMIT 9")
    session = psycopg2.connect(postgres17.dsn(shop, user=role, password=password))
    assert run_maintenance_mode({**options, "state": "on"}, True)["changed"]
    assert run_maintenance_mode({**options, "state": "on"}, False)["ended"] == 1
    with pytest.raises(psycopg2.OperationalError, match=r"terminating|closed"), session.cursor() as cursor:
        cursor.execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="too many connections"):
        psycopg2.connect(postgres17.dsn(shop, user=role, password=password))
    assert not run_maintenance_mode({**options, "state": "on"}, False)["changed"]
    run_maintenance_mode({**options, "state": "off"}, False)
    assert not run_maintenance_mode({**options, "state": "off"}, False)["changed"]
    psycopg2.connect(postgres17.dsn(shop, user=role, password=password)).close()
    limit = postgres17.query("postgres", "SELECT datconnlimit FROM pg_database WHERE datname = %s", [shop])
    assert limit == [(9,)]
