"""The module, the role and the playbook for one table, as Ansible runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.backup_bench import LABEL, Bench, make_keys
from support.module_runs import run_module
from support.playbooks import Playbooks
from support.postgres import PostgresServer


@pytest.mark.next
def test_the_playbook_restores_one_table_and_settles_it(
    postgres17: PostgresServer, database: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, make_keys(tmp_path))
    postgres17.query(database, "CREATE TABLE items AS SELECT n AS id FROM generate_series(1, 20) AS n")
    bench.backup(postgres17, database, environment="test")
    postgres17.query(database, "DELETE FROM items WHERE id > 5")
    login = {f"backup_{name}": value for name, value in postgres17.login(database).items()}
    host = {**login, "backup_label": LABEL, "backup_pg_bin_dir": str(postgres17.bin_dir)}
    playbooks = Playbooks(tmp_path)
    inventory = playbooks.inventory(
        {"shop": host},
        backup_environment="test",
        backup_locations=[bench.location()],
        backup_recipients=bench.keys.recipients,
        restore_table_identities=[str(bench.keys.identity)],
        backup_verify_key=[str(bench.keys.verify)],
    )
    playbook = "mobul.backup.restore_table"
    unnamed = playbooks.run(playbook, inventory, "-e", "expect_environment=test")
    assert "name the table" in unnamed.failure("shop")["msg"]
    # That the playbook hands it on is seen below: the module restores nothing without it.
    module = {**postgres17.login(database), "table": "items", "label": LABEL, "locations": [bench.location()]}
    for given, told in (({"expect_environment": "production"}, "is 'production'"), ({}, "expect_environment")):
        assert told in run_module("restore_table", pg_bin_dir=str(postgres17.bin_dir), **module, **given)["msg"]
    assert postgres17.query(database, "SELECT count(*) FROM items") == [(5,)]
    arguments = ["-e", "table=items", "-e", "expect_environment=test"]
    checked = playbooks.run(playbook, inventory, *arguments, "--check")
    assert checked.status == 0, checked.output
    assert postgres17.query(database, "SELECT count(*) FROM items") == [(5,)]
    run = playbooks.run(playbook, inventory, *arguments)
    assert run.status == 0, run.output
    assert run.recap()["shop"]["changed"] == 1
    assert postgres17.query(database, "SELECT count(*) FROM items") == [(20,)]
    done = playbooks.run(playbook, inventory, "-e", "table=items", "-e", "restore_table_state=finalized")
    assert done.recap()["shop"]["changed"] == 1, done.output
    assert postgres17.query(database, "SELECT relname FROM pg_class WHERE relname LIKE 'items%'") == [("items",)]
