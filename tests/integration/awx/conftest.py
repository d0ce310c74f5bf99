"""A controller to be set up, and the playbook that does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.awx_api import Controller
from support.awx_setup import TOKEN
from support.certificates import Certificates, make_certificates
from support.playbooks import Playbooks, Run
from support.programs import PROJECT

PLAYBOOKS = [path.name for path in (PROJECT / "playbooks").glob("*.yml")]


class Setup:
    """Runs the playbook for one controller."""

    def __init__(self, controller: Controller, directory: Path) -> None:
        self.controller = controller
        self.runs = Playbooks(directory)
        self.inventory = self.runs.inventory({"shop": {"backup_environment": "production"}})

    def run(self, variables: dict[str, Any], *arguments: str, **changed: Any) -> Run:
        """One run with a file of variables, and the token in the environment."""
        path = self.runs.directory / "awx.json"
        path.write_text(json.dumps({"awx_host": self.controller.url, **variables, **changed}))
        return self.runs.run(
            "mobul.backup.awx", self.inventory, "-e", f"@{path}", *arguments, CONTROLLER_OAUTH_TOKEN=TOKEN
        )


@pytest.fixture
def controller() -> Iterator[Controller]:
    """An empty controller, with one manual project."""
    with Controller(playbooks={"ops": PLAYBOOKS}) as started:
        yield started


@pytest.fixture
def setup(controller: Controller, tmp_path: Path) -> Setup:
    """The playbook for it."""
    return Setup(controller, tmp_path)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that no system knows."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
