"""What a role's specification refuses is refused by the role: no playbook has Ansible validate it, which shows it all.

``rolespec_validate: false`` keeps a wrong value from being answered with the whole specification, defaults and secrets
among them. Each such value reaches a module that takes no such thing, or a condition that says what is wrong.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.template import Templar
from support.module_parameters import argument_spec
from support.role_templates import COLLECTION, load, role_tasks, role_templar, role_variables

PROJECT = Path(__file__).resolve().parents[3]
MODULES = "ansible_collections.mobul.backup.plugins.modules"
OMITTED = "__omit__"
CHECK = f"{COLLECTION}run_check"
# What a module or a task before has left.
RUN: dict[str, Any] = {
    "inventory_hostname": "shop",
    "omit": OMITTED,
    "restore_call_backup": "latest",
    "restore_call_check": False,
    "ansible_check_mode": False,
    "procedure_name": "pre_deploy",
    "restore_replaces": True,
    "hostvars": {},
    "groups": {},
}
# Checked by awx_plan, whose own tests show it.
ROLES = sorted({path.name for path in (PROJECT / "roles").iterdir()} - {"awx"})
WRONG = {
    "str": [{"a": "b"}],
    "path": [{"a": "b"}],
    "int": ["many", ["1"]],
    "float": ["many"],
    "bool": ["perhaps", ["yes"]],
    "list": [{"a": "b"}],
    "dict": ["neither", ["a"]],
    "raw": [],
}


@cache
def module_spec(name: str) -> dict[str, Any]:
    """A module's argument spec, as it is handed to Ansible."""
    return argument_spec(importlib.import_module(f"{MODULES}.{name}"))


def specification(role: str) -> dict[str, Any]:
    options: dict[str, Any] = load(PROJECT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"][
        "options"
    ]
    return options


def refused(spec: dict[str, Any], value: Any) -> bool:
    """Whether an option of that specification cannot have the value."""
    return bool(ArgumentSpecValidator({"it": {**spec, "required": False}}).validate({"it": value}).error_messages)


def wrong_values(spec: dict[str, Any]) -> list[Any]:
    values = list(WRONG[spec.get("type", "str")])
    if "choices" in spec:
        values.append("another")
    if spec.get("elements") in ("dict", "int"):
        values.append(["neither"])
    return [value for value in values if refused(spec, value)]


@cache
def variables_of(role: str) -> dict[str, Any]:
    return {**role_variables(role), **RUN}


@cache
def texts_about(role: str, name: str) -> set[str]:
    """The variable, and those of the role that are made of it."""
    names = {name}
    while made := {key for key, value in variables_of(role).items() if any(one in str(value) for one in names)} - names:
        names |= made
    return names


def is_about(names: set[str], text: object) -> bool:
    return any(one in str(text) for one in names)


def refusals(role: str, name: str, value: Any) -> Iterator[str | None]:
    """Of each place where the value would be used, how it is refused; None where it is not."""
    names = texts_about(role, name)
    templar = role_templar({**variables_of(role), name: value})
    for task in role_tasks(role):
        conditions = task.get("when") if is_about(names, task.get("when")) else None
        for condition in [conditions] if isinstance(conditions, str) else conditions or []:
            if is_about(names, condition):
                yield error_of(templar, condition)
        checked = task.get(CHECK, task.get("ansible.builtin.assert", {}))
        if is_about(names, checked.get("that")) or is_about(names, task.get("loop")):
            yield failed_check(templar, checked, task)
        for key, arguments in task.items():
            for option, text in arguments.items() if key.startswith(COLLECTION) and key != CHECK else ():
                if is_about(names, text):
                    spec = module_spec(key.removeprefix(COLLECTION))[option]
                    yield error_of(templar, text, spec)


def error_of(templar: Templar, text: Any, spec: dict[str, Any] | None = None) -> str | None:
    """What is wrong with what becomes of a text, by itself or as an option of that specification."""
    try:
        found = templar.template(text) if spec is not None else templar.evaluate_conditional(text)
    except Exception as error:
        return str(error) if "check the options: " in str(error) else None
    return "by the module" if spec is not None and found != OMITTED and refused(spec, found) else None


def failed_check(templar: Templar, checked: dict[str, Any], task: dict[str, Any]) -> str | None:
    try:
        items = templar.template(task["loop"]) if "loop" in task else [None]
    except Exception:
        return None
    for item in items:
        templar.available_variables = {**templar.available_variables, "item": item}
        conditions = [checked["that"]] if isinstance(checked.get("that"), str) else checked.get("that") or []
        for condition in conditions:
            try:
                if not (templar.template if "{{" in condition else templar.evaluate_conditional)(condition):
                    return str(templar.template(checked["fail_msg"]))
            except Exception:
                # A check of something that an earlier one has refused already.
                return None
    return None


CASES = [(role, name) for role in ROLES for name, spec in specification(role).items() if wrong_values(spec)]


@pytest.mark.parametrize(("role", "name"), CASES, ids=[f"{role}-{name}" for role, name in CASES])
def test_a_value_that_the_specification_refuses_is_refused_in_one_line(role: str, name: str) -> None:
    for value in wrong_values(specification(role)[name]):
        told = next(filter(None, refusals(role, name, value)), None)
        assert told is not None, f"{name}: {value!r} is taken"
        assert told == "by the module" or name in told
        assert "\n" not in told
