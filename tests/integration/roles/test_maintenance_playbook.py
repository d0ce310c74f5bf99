"""``mobul.backup.maintenance`` keeps everybody but superusers out of a database, and lets them in again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lab import PostgresServer
from support.pages import not_told, shown_block
from support.playbooks import Playbooks


@pytest.fixture
def name(postgres17: PostgresServer) -> Iterator[str]:
    """An empty database."""
    with postgres17.database() as name:
        yield name


@pytest.fixture
def inventory(playbooks: Playbooks, postgres17: PostgresServer, name: str) -> Path:
    """It, and another one."""
    login = {f"backup_{option}": value for option, value in postgres17.login(name).items()}
    return playbooks.inventory({"shop": {}, "crm": {}}, **login)


def connection_limit(server: PostgresServer, name: str) -> str:
    return server.psql("postgres", f"SELECT datconnlimit FROM pg_database WHERE datname = '{name}'").strip()


def test_the_mode_is_switched_on_and_off(
    playbooks: Playbooks, inventory: Path, postgres17: PostgresServer, name: str
) -> None:
    printed = shown_block("docs/maintenance.md", "maintenance mode ")

    def switch(state: object, *arguments: str) -> tuple[int, str]:
        extra = json.dumps({"maintenance_state": state})
        run = playbooks.run("mobul.backup.maintenance", inventory, "--limit", "shop", "-e", extra, *arguments)
        assert run.status == 0
        said = "on" if state in ("on", True) else "off"
        assert not not_told(printed, run.output, {"'shop' is on": f"'{name}' is {said}"})
        return run.recap()["shop"]["changed"], connection_limit(postgres17, name)

    assert switch("on", "--check") == (1, "-1")
    # As YAML reads a word that is not quoted.
    assert switch(True) == (1, "0")
    assert switch("on") == (0, "0")
    assert switch(False) == (1, "-1")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--limit", "shop"], "maintenance_state is missing (say -e maintenance_state=on or off)"),
        (["-e", "maintenance_state=on"], "this would switch crm, shop (choose one host by --limit)"),
    ],
)
def test_what_is_not_said_clearly_switches_nothing(
    playbooks: Playbooks, inventory: Path, postgres17: PostgresServer, name: str, arguments: list[str], told: str
) -> None:
    run = playbooks.run("mobul.backup.maintenance", inventory, *arguments)
    assert run.status == 2
    assert told in run.failure("shop")["msg"]
    assert connection_limit(postgres17, name) == "-1"
