"""An empty answer of a survey is none: a role does with it what it does where nothing was given."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from ansible.template import Templar
from support.role_templates import ROLES, load, module_calls, role_tasks, role_templar, role_variables

Part = tuple[str, Any]
# Empty are no tasks at all; what no survey asks for; and no backup, which the module refuses: the newest is latest.
MEANT = {
    *("restore_maintenance_on_tasks", "restore_maintenance_off_tasks", "schedule_enabled", "backup_kind"),
    *("restore_backup", "restore_table_backup"),
}
# What a module or a task before has left.
RUN: dict[str, Any] = {
    "inventory_hostname": "shop",
    "omit": "omitted",
    "restore_call_backup": "latest",
    "restore_call_check": False,
    "restore_replaces": True,
    "ansible_check_mode": False,
    "ansible_play_hosts_all": ["shop"],
    "ansible_play_hosts": ["shop"],
}


@cache
def parts_of(role: str) -> list[Part]:
    """Every argument of a module of ours and every condition, as they are written, with what they are."""
    tasks = role_tasks(role)
    calls = [(name, given) for name, given in module_calls(tasks) if name != "run_check"]
    arguments = [(f"{name}.{option}", value) for name, given in calls for option, value in given.items()]
    conditions = [(f"when of {task['name']}", task["when"]) for task in tasks if isinstance(task.get("when"), str)]
    return arguments + conditions


def options_of(role: str) -> set[str]:
    specified = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return {name for name, option in specified.items() if not option.get("required")}


@cache
def made_of(role: str, name: str) -> list[str]:
    """The variables of the role that are made of one."""
    return [other for other, value in role_variables(role).items() if name in str(value) and other != name]


def templar_of(role: str, given: dict[str, Any]) -> Templar:
    return role_templar({**role_variables(role), **RUN, **given})


def rendered(templar: Templar, part: Part) -> Any:
    """An argument as the module gets it, or how a condition ends; the error where it cannot be told."""
    try:
        if part[0].startswith("when "):
            return templar.evaluate_conditional(part[1])
        return templar.template(part[1])
    except Exception as error:
        return type(error).__name__


# What sets a controller up is asked for by none of its surveys.
@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir() if path.name != "awx"))
def test_an_empty_answer_is_none(role: str) -> None:
    wrong = []
    without = templar_of(role, {})
    for name in options_of(role) - MEANT:
        answered = templar_of(role, {name: ""})
        for part in parts_of(role):
            if not any(one in str(part[1]) for one in (name, *made_of(role, name))):
                continue
            usual, empty = rendered(without, part), rendered(answered, part)
            if empty not in (usual, "omitted"):
                wrong.append(f"{name}: {part[0]} is {empty!r}, and {usual!r} where nothing is given")
    assert wrong == [], "\n".join(wrong)
