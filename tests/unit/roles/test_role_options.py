"""The roles' options mean the same in their specification, their defaults and the module."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir())

# What the inventory knows better than a single task: the host's name, and why the playbook runs.
FROM_INVENTORY = {"label", "login_db"}
# What is about the repair of earlier sets' copies, about metrics, and about alerts, which other modules do.
OF_THE_ROLE = {
    "replicate",
    "record_verify_key",
    "retention",
    "alerts",
    "alerts_from",
    "metrics_directory",
}
# What every role takes from the inventory under one name.
OF_ALL_ROLES = {
    "backup_adopt",
    "backup_profile",
    "backup_verify_key",
    "backup_record_verify_key",
    "backup_record_signing_key",
    "backup_record_signing_key_passphrase",
    "backup_max_expansion",
    "backup_max_toc_size",
}
OTHER_DEFAULTS = {"kind": "weekly", "min_copies": 0}


def specification(role: str) -> dict[str, Any]:
    text = (PROJECT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    options: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return options


def defaults(role: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((PROJECT / "roles" / role / "defaults" / "main.yml").read_text())
    return values


def documented(module: str) -> dict[str, Any]:
    """A module's options with their documentation, which ansible-test compares with its argument spec."""
    argv = [Path(sys.executable).parent / "ansible-doc", "--json", f"mobul.backup.{module}"]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    options: dict[str, Any] = told[f"mobul.backup.{module}"]["doc"]["options"]
    return options


@pytest.fixture(scope="module")
def module_options() -> dict[str, Any]:
    """The options of pg_backup."""
    return documented("pg_backup")


def plain(text: str) -> str:
    """A description in which the role's names are the module's."""
    return re.sub(r"\bbackup_(?=[a-z])", "", text)


def meaning(options: dict[str, Any]) -> dict[str, Any]:
    """What suboptions are, without what belongs to the place of their documentation."""
    told = {}
    for name, option in options.items():
        description = option["description"]
        told[name] = {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "choices": option.get("choices"),
            "required": bool(option.get("required")),
            "default": option.get("default"),
            "description": [plain(line) for line in ([description] if isinstance(description, str) else description)],
            "options": meaning(option.get("options") or option.get("suboptions") or {}),
        }
    return told


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_the_one_that_the_specification_names(role: str) -> None:
    specified = {name: option["default"] for name, option in specification(role).items() if "default" in option}
    assert defaults(role) == specified


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_among_the_choices(role: str) -> None:
    # A role that validates its arguments would else refuse whoever gives none.
    chosen = {name: option for name, option in specification(role).items() if {"choices", "default"} <= option.keys()}
    assert [name for name, option in chosen.items() if option["default"] not in option["choices"]] == []


@pytest.mark.parametrize("role", ROLES)
def test_what_has_no_default_is_required_and_every_option_is_described(role: str) -> None:
    for name, option in specification(role).items():
        assert option["description"]
        if name.startswith(f"{role}_"):
            assert ("default" in option) != bool(option.get("required")), name
        else:
            # A default here would hide that of another role, and being required would spoil inventories without it.
            assert name in OF_ALL_ROLES
            assert not {"default", "required"} & set(option), name


def test_the_role_takes_every_option_of_the_module(module_options: dict[str, Any]) -> None:
    taken = {name.removeprefix("backup_") for name in specification("backup")}
    assert taken == set(module_options) | OF_THE_ROLE


def test_an_option_of_the_role_is_what_the_module_takes(module_options: dict[str, Any]) -> None:
    ours = meaning({name.removeprefix("backup_"): option for name, option in specification("backup").items()})
    theirs = meaning(module_options)
    for name, option in theirs.items():
        role = ours[name]
        if option["default"] is None and option["type"] in ("str", "path"):
            option["default"] = ""
            option["choices"] = option["choices"] and ["", *option["choices"]]
        if option["type"] == "path":
            # An empty path would be the working directory; the role hands on only what is not empty.
            option["type"] = "str"
        if name in FROM_INVENTORY:
            option |= {"required": False, "default": "{{ inventory_hostname }}"}
        if name in OTHER_DEFAULTS:
            option["default"] = OTHER_DEFAULTS[name]
            option["description"] = role["description"]
        if name == "locations":
            option["default"] = role["default"]
        assert role == option, name


def test_a_channel_of_the_role_is_what_the_module_takes() -> None:
    ours = json.dumps(meaning(specification("backup")["backup_alerts"]["options"]))
    theirs = json.dumps(meaning(documented("backup_alert")["channels"]["suboptions"]))
    assert json.loads(ours.replace("O(alerts[]", "O(channels[]")) == json.loads(theirs)


def test_the_role_hands_every_option_on() -> None:
    (block,) = yaml.safe_load((PROJECT / "roles" / "backup" / "tasks" / "main.yml").read_text())
    task = block["block"][0]
    for name, value in task["mobul.backup.pg_backup"].items():
        assert f"backup_{name}" in value
    assert {f"backup_{name}" for name in task["mobul.backup.pg_backup"]} == set(specification("backup")) - {
        f"backup_{name}" for name in OF_THE_ROLE
    }


@pytest.mark.parametrize("secret", ["login_password", "signing_key"])
def test_no_secret_has_a_default(secret: str) -> None:
    assert defaults("backup")[f"backup_{secret}"] == ""
