"""The tasks and templates of roles as Ansible reads them, in the test's own process."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mobul.backup.plugins.filter.switch import switch

from .programs import PROJECT

ROLES = PROJECT / "roles"
COLLECTION = "mobul.backup."
_ALERT = ROLES / "backup" / "tasks" / "alert.yml"
"""What roles include to tell people, each with variables of its own."""


@functools.cache
def load(path: Path) -> Any:
    """What a file of a role or a playbook says, read once for all tests; nothing where there is no such file."""
    return DataLoader().load_from_file(str(path), trusted_as_template=True) if path.exists() else {}


def tasks_in(tasks: Any) -> Iterator[dict[str, Any]]:
    """All of a list of tasks, those within blocks, and those that tell people with the variables they get."""
    for task in tasks or []:
        for part in ("block", "rescue", "always"):
            yield from tasks_in(task.get(part))
        yield task
        if "backup__alert_label" in task.get("vars", {}):
            yield from ({**one, "vars": task["vars"]} for one in load(_ALERT))


@functools.cache
def role_tasks(role: str) -> list[dict[str, Any]]:
    """All tasks of a role."""
    files = sorted(path for path in (ROLES / role / "tasks").glob("*.yml") if path != _ALERT)
    return [task for file in files for task in tasks_in(load(file))]


def module_calls(tasks: Iterable[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The calls of the collection's modules among tasks, with their arguments as they are written."""
    return [
        (name.removeprefix(COLLECTION), arguments)
        for task in tasks
        for name, arguments in task.items()
        if name.startswith(COLLECTION)
    ]


@functools.cache
def role_variables(role: str) -> dict[str, Any]:
    """What the role itself says: its variables before its defaults before its tasks' own."""
    own = [load(ROLES / role / source / "main.yml") for source in ("vars", "defaults")]
    return {
        name: value
        for variables in reversed([*own, *(task.get("vars") or {} for task in role_tasks(role))])
        for name, value in variables.items()
    }


def role_templar(variables: Mapping[str, Any]) -> Templar:
    """One that knows the filter of the collection, which Ansible does not look for where its plugins are imported."""
    templar = Templar(loader=DataLoader(), variables=dict(variables))
    # Its public name is deprecated, and looks through all files of the stack to say so.
    templar._engine.environment.filters["mobul.backup.switch"] = switch
    return templar
