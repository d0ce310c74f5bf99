"""What the inventory says once holds in every role: no module is called without the keys and places that it names."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible.template import Templar
from support.role_templates import COLLECTION, load, module_calls, role_tasks, role_templar, role_variables, tasks_in

PROJECT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (PROJECT / "roles").iterdir())
PLAYBOOKS = sorted(path.name for path in (PROJECT / "playbooks").iterdir())

LOGIN = {
    "login_host",
    "login_port",
    "login_user",
    "login_password",
    "login_db",
    "login_unix_socket",
    "ssl_mode",
    "ca_cert",
    "ssl_cert",
    "ssl_key",
    "connect_params",
}
ONE_NAME = {"verify_key", "record_verify_key", "record_signing_key", "record_signing_key_passphrase", "adopt"}
INHERITED = {*LOGIN, *ONE_NAME, "label", "locations", "environment", "identities", "gnupghome", "pg_bin_dir"}
OTHER_NAMES = {"policy": "retention", "channels": "alerts"}
# A drill restores into another server than the one that was backed up; a procedure's record keeps what it began with.
NOT_INHERITED = {
    "restore_drill": LOGIN,
    "procedure_record": {"label", "environment", "gnupghome"},
    # The authorities of the platform's API are not those of the database.
    **{name: {"ca_cert"} for name in ("supabase_backup_info", "supabase_restore", "supabase_restore_point")},
}
# What an incident's set is copied to is no location of the backups: the inventory's incident_location.
ITS_OWN = {"{{ procedure__forensic }}"}


@cache
def calls_of(owner: str) -> list[tuple[str, dict[str, Any]]]:
    """The calls of a role, or of a playbook by the name of its file, with their arguments as they are written."""
    if owner in PLAYBOOKS:
        plays = load(PROJECT / "playbooks" / owner)
        return module_calls(task for play in plays for task in tasks_in(play.get("tasks")))
    return module_calls(role_tasks(owner))


CALLS = [(owner, number) for owner in [*ROLES, *PLAYBOOKS] for number, _call in enumerate(calls_of(owner))]


@cache
def options_of() -> dict[str, set[str]]:
    """Module -> its options, which ansible-test compares with its argument spec."""
    modules = sorted(f"{COLLECTION}{path.stem}" for path in (PROJECT / "plugins" / "modules").glob("*.py"))
    argv = [Path(sys.executable).parent / "ansible-doc", "--json", *modules]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    return {name.removeprefix(COLLECTION): set(entry["doc"]["options"]) for name, entry in told.items()}


def inventory(option: str) -> Any:
    """What a test's inventory says of an option: nothing that a default could be."""
    if option in ("locations", "channels"):
        return [{"name": "from-inventory", "type": "local"}]
    if option in ("policy", "connect_params"):
        return {"from": "inventory"}
    return ["from-inventory"] if option in ("verify_key", "record_verify_key", "identities") else "from-inventory"


def inherited(module: str) -> list[str]:
    left = options_of()[module] - NOT_INHERITED.get(module, set())
    return sorted(left & (INHERITED | set(OTHER_NAMES)))


def templar_of(role: str, given: dict[str, Any]) -> Templar:
    """What makes of an argument what the module gets where the inventory says what is *given*."""
    variables = {**(role_variables(role) if role in ROLES else {}), "inventory_hostname": "shop", "omit": "omitted"}
    # Both are of calls to come.
    calls = {"restore_call_backup": "latest", "restore_call_check": False, "supabase_call_check": False}
    return role_templar({**variables, **given, **calls})


@pytest.mark.parametrize(("role", "number"), CALLS, ids=[f"{role}-{number}" for role, number in CALLS])
def test_what_the_inventory_says_reaches_every_module_that_takes_it(role: str, number: int) -> None:
    module, arguments = calls_of(role)[number]
    given = {f"backup_{OTHER_NAMES.get(option, option)}": inventory(option) for option in INHERITED | set(OTHER_NAMES)}
    templar = templar_of(role, given)
    for option in inherited(module):
        assert option in arguments, f"{role} calls {module} without its {option}"
        if arguments[option] in ITS_OWN:
            continue
        assert templar.template(arguments[option]) == inventory(option), f"{role}: {option} of {module}"


@pytest.mark.parametrize(("role", "number"), CALLS, ids=[f"{role}-{number}" for role, number in CALLS])
def test_what_the_inventory_leaves_empty_is_left_to_the_module(role: str, number: int) -> None:
    module, arguments = calls_of(role)[number]
    for empty in ("", None, []):
        templar = templar_of(role, {f"backup_{option}": empty for option in ONE_NAME})
        for option in sorted(ONE_NAME & options_of()[module]):
            assert templar.template(arguments[option]) == "omitted", f"{role}: {option} of {module}"
    for option in sorted({"label", "login_db"} & set(inherited(module))):
        templar = templar_of(role, {f"backup_{option}": ""})
        assert templar.template(arguments[option]) == "shop", f"{role}: {option} of {module}"


@pytest.mark.parametrize("role", ROLES)
def test_keys_have_one_name_in_all_roles(role: str) -> None:
    specified = set(load(PROJECT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"])
    taken = {f"backup_{option}" for module, _call in calls_of(role) for option in ONE_NAME & options_of()[module]}
    assert taken <= specified
    assert {name for name in specified if name.endswith(("verify_key", "signed_by", "record_signing_key"))} <= taken
