"""A label that another database has had, as an operator meets it, and how one says that it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.backup_bench import Bench, Keys
from support.lab import PostgresServer
from support.playbooks import Playbooks


@pytest.mark.parametrize("given", ["on the command line", "in the inventory, as a number"])
def test_the_weekly_run_takes_over_a_label_only_where_it_is_told_to(
    playbooks: Playbooks, keys: Keys, login: dict[str, Any], postgres17: PostgresServer, tmp_path: Path, given: str
) -> None:
    bench = Bench(tmp_path, keys)
    bench.backup(postgres17, "postgres", label="shop")
    [[system]] = postgres17.query("postgres", "SELECT system_identifier FROM pg_control_system()")
    common: dict[str, Any] = {
        **login,
        "backup_recipients": keys.recipients,
        "backup_signing_key": str(keys.signing),
        "backup_locations": [bench.location()],
    }
    by_line = given == "on the command line"
    if by_line:
        refused = playbooks.run("mobul.backup.weekly", playbooks.inventory({"shop": {}}, **common))
        assert refused.status == 2
        message = refused.failure("shop")["msg"]
        assert "the label 'shop' belongs to another database" in message
        assert f"backup_adopt: '{system}'" in message
    inventory = playbooks.inventory({"shop": {}}, **common, **({} if by_line else {"backup_adopt": int(system)}))
    run = playbooks.run("mobul.backup.weekly", inventory, *(["-e", f"backup_adopt={system}"] if by_line else []))
    assert run.status == 0, run.output
    assert "were adopted" in run.output
