"""The page about AWX is followed to the letter."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import yaml
from support.awx_api import Controller
from support.awx_setup import bring, plan_of
from support.programs import PROJECT

PAGE = (PROJECT / "docs" / "awx.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    found
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if set(found := yaml.safe_load(textwrap.dedent(text))) <= set(re.findall(r"awx_\w+", text))
]
DATABASES = {"inventory": [["production", "shop"]]}


def test_the_files_of_the_repository_are_the_playbooks_of_the_templates(tmp_path: Path) -> None:
    (loop,) = re.findall(r"       for name in .*?done\n", PAGE, re.DOTALL)
    subprocess.run(["sh", "-c", loop], cwd=tmp_path, check=True)
    plan = plan_of({**BLOCKS[0], **DATABASES})
    assert {path.name for path in tmp_path.iterdir()} == {job["playbook"] for job in plan["jobs"]}
    for path in tmp_path.iterdir():
        (play,) = yaml.safe_load(path.read_text())
        assert (PROJECT / "playbooks" / path.name).is_file()
        assert play["ansible.builtin.import_playbook"] == f"mobul.backup.{path.stem}"
        # A controller offers only what looks like a playbook to it.
        assert re.search(r"^\s*?-?\s*?(?:hosts|(ansible\.builtin\.)?import_playbook):\s*?.*?$", path.read_text(), re.M)


def test_the_first_file_makes_a_controller_with_as_many_requests_as_the_page_says() -> None:
    (said,) = re.findall(r"takes (\d+) requests, the first run (\d+), the second one (\d+)", PAGE)
    with Controller() as controller:
        variables = {**BLOCKS[0], **DATABASES}
        counts = []
        for check_mode in (True, False, False):
            before = len(controller.requests)
            assert "failed" not in bring(controller, variables, check_mode=check_mode)
            counts.append(str(len(controller.requests) - before))
        assert counts == list(said)


def test_all_other_settings_of_the_page_are_taken_together() -> None:
    settings = {**DATABASES}
    for block in BLOCKS:
        settings |= block
    settings["awx_project"] = {**settings["awx_project"], "credential": "key"}
    environment = settings["awx_environments"][0]
    key = {"name": "key", "type": "Source Control", "inputs": {"ssh_key_data": "x"}}
    settings["awx_environments"] = [{**environment, "credentials": [*environment["credentials"], key]}]
    with Controller() as controller:
        assert "failed" not in bring(controller, settings)
        assert controller.names("notification_templates") == ["ops"]
        assert controller.names("schedules") == ["production daily", "production daily_check", "production weekly"]
        assert controller.named("projects", "ops")["credential"]
