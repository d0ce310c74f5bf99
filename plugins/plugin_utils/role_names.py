# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which variable an option of a module is set, where a role or a playbook of the collection calls the module."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.values import VALUES
from jinja2 import nodes

PREFIX = "mobul.backup."
_COLLECTION = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"^ +(?:register: |(?=[a-z_]+: ))([a-z][a-z_]+)", re.MULTILINE)
_MOST_STEPS = 5
"""From an option to what the user has set: the task's variable, the role's, the one that it inherits from."""


@functools.cache
def known_variables() -> frozenset[str]:
    """The variables that are documented: those of the roles, and the answers that the playbooks take."""
    return answers() | frozenset(variable_types())


@functools.cache
def variable_types() -> Mapping[str, str]:
    """Variable of a role -> its type, as Ansible's argument specifications name them."""
    found: dict[str, str] = {}
    for path in sorted(_COLLECTION.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml_load(path.read_text("utf-8"))["argument_specs"].values():
            found |= {name: str(one.get("type", "str")) for name, one in (entry.get("options") or {}).items()}
    return found


@functools.cache
def answers() -> frozenset[str]:
    """The variables that may come from somebody else, by a survey say: they are data, and never templates."""
    return frozenset(value.name for values in VALUES.values() for value in values)


@functools.cache
def own_names() -> frozenset[str]:
    """What the collection's own tasks register and set, which is there when another playbook of it comes later."""
    paths = (*_COLLECTION.glob("roles/*/tasks/*.yml"), *_COLLECTION.glob("playbooks/*.yml"))
    return frozenset(name for path in paths for name in _NAMED.findall(path.read_text("utf-8")))


def variables_by_option(task: Any, task_vars: Mapping[str, Any]) -> dict[str, str]:
    """Option -> variable of a task of the collection's own; nothing of a user's task, who has written the options.

    :param task: in which the arguments are filled in already.
    """
    written = getattr(task, "_ds", None)
    if not isinstance(written, Mapping) or not _is_ours(task):
        return {}
    arguments = next((value for key, value in written.items() if str(key).startswith(PREFIX)), None)
    if not isinstance(arguments, Mapping):
        return {}
    found = {str(option): variable_of(str(option), text, task_vars) for option, text in arguments.items()}
    return {option: name for option, name in found.items() if name}


def variable_of(option: str, text: object, task_vars: Mapping[str, Any]) -> str:
    """The variable that a template takes an option's value from, as the user knows it; "" for none.

    What the user has set counts: a variable that only inherits another's value is passed over.
    """
    return _variable(option, text, task_vars, known_variables(), _MOST_STEPS)


def _variable(option: str, text: object, task_vars: Mapping[str, Any], known: Collection[str], steps: int) -> str:
    names = list(dict.fromkeys(_names(text))) if steps else []
    known_names = [name for name in names if name in known]
    found = next((name for name in known_names if name.endswith(f"_{option}")), known_names[0] if known_names else "")
    if found:
        inherited = _variable(option, task_vars.get(found), task_vars, known, steps - 1)
        return inherited if inherited.endswith(f"_{option}") or inherited == option else found
    further = (_variable(option, task_vars.get(name), task_vars, known, steps - 1) for name in names)
    return next(filter(None, further), "")


def _names(text: object) -> Iterator[str]:
    """The names in a template, in the order in which they stand."""
    if not isinstance(text, str) or "{{" not in text:
        return
    try:
        parsed = jinja2.Environment().parse(text)  # noqa: S701 - nothing is rendered
    except jinja2.TemplateSyntaxError:
        return
    for node in parsed.find_all((nodes.Name, nodes.Getattr)):
        yield node.name if isinstance(node, nodes.Name) else str(node.attr)


def _is_ours(task: Any) -> bool:
    """Whether the collection itself has the task, and not a playbook that calls its module."""
    path = Path(str(task.get_path() or "").rpartition(":")[0]).resolve()
    return any(path.is_relative_to(_COLLECTION / part) for part in ("roles", "playbooks"))
