"""What a failure of a module is told in: the variables of the role that ran it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.plugin_utils.failure import line
from ansible_collections.mobul.backup.plugins.plugin_utils.role_names import PREFIX, known_variables, variable_of
from support.programs import PROJECT
from yaml import safe_load

NAMES = {
    "backup": "restore_backup",
    "login_host": "backup_login_host",
    "state": "restore_state",
    "label": "backup_label",
}
NAMES |= {"recipients": "backup_recipients", "adopt": "backup_adopt", "src": "restore_src"}
INTACT = "the database is intact"


@pytest.mark.parametrize(
    ("step", "message", "told"),
    [
        (
            "connect to the database",
            "connect to the database: no route (check login_host, and that the server runs)",
            "no route (check backup_login_host, and that the server runs); the database is intact",
        ),
        (
            "check the backup",
            "check the backup: the backup is of 'crm' (say backup: weekly_1); nothing was touched",
            "the backup is of 'crm' (say restore_backup: weekly_1); nothing was touched",
        ),
        (
            "check the options",
            "check the options: recipients is empty (give at least one recipient)",
            "backup_recipients is empty (give at least one recipient); the database is intact",
        ),
        (
            "find the backup",
            "find the backup: there is no backup of 'login_host' (is the label right?)",
            "there is no backup of 'login_host' (is the label right?); the database is intact",
        ),
        (
            "check the options",
            "check the options: before goes with backup: latest, and an id was given",
            "before goes with restore_backup: latest, and an id was given; the database is intact",
        ),
        (
            "know the database",
            "know the database: if it is the same, say so: adopt: 'x' (backup_adopt)",
            "if it is the same, say so: backup_adopt: 'x'; the database is intact",
        ),
        (
            None,
            "value of state must be one of: restored, reverted, got: x",
            "value of restore_state must be one of: restored, reverted, got: x; the database is intact",
        ),
    ],
)
def test_options_are_told_by_the_variables_of_the_role_and_words_are_left(
    step: str | None, message: str, told: str
) -> None:
    assert line(message, step, NAMES, INTACT) == f"{step or 'check the options'}: {told}"


@pytest.mark.parametrize(
    ("option", "text", "variables", "told"),
    [
        ("login_host", "{{ backup_login_host or omit }}", {}, "backup_login_host"),
        (
            "login_host",
            "{{ restore_login_host or omit }}",
            {"restore_login_host": "{{ backup_login_host | default('') }}"},
            "backup_login_host",
        ),
        ("login_host", "{{ restore_login_host or omit }}", {"restore_login_host": "db"}, "restore_login_host"),
        (
            "backup",
            "{{ restore_call_backup }}",
            {"restore_call_backup": "{{ restore_backup | default('latest', true) }}"},
            "restore_backup",
        ),
        ("backup", "{{ hold__asked.given.hold_backup }}", {}, "hold_backup"),
        (
            "locations",
            "{{ cleanup__locations }}",
            {"cleanup__locations": "{{ cleanup_locations | default([], true) }}"},
            "cleanup_locations",
        ),
        ("label", "{{ omit if restore_src else (restore_label or inventory_hostname) }}", {}, "restore_label"),
        ("jobs", "{{ omit if backup_jobs in ['', none] else backup_jobs }}", {}, "backup_jobs"),
        ("kind", "weekly", {}, ""),
        ("login_host", "{{ their_own }}", {"their_own": "{{ their_own }}"}, ""),
    ],
)
def test_the_variable_is_the_one_that_the_user_knows(
    option: str, text: str, variables: dict[str, Any], told: str
) -> None:
    assert variable_of(option, text, variables) == told


def tasks_of(tasks: Any) -> Iterator[dict[str, Any]]:
    for task in tasks or []:
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part))
        yield task


def test_every_option_that_a_role_hands_on_from_a_variable_of_its_own_is_told_by_it() -> None:
    unknown = set()
    for role in sorted(PROJECT.glob("roles/*")):
        tasks = [task for path in sorted(role.glob("tasks/*.yml")) for task in tasks_of(safe_load(path.read_text()))]
        # The first call of a file is the one that meets what the user has given.
        variables = {
            name: value
            for task in reversed(tasks)
            for name, value in (task.get("vars") or {}).items()
            if "{{" in str(value)
        }
        for found in (role / "defaults" / "main.yml", role / "vars" / "main.yml"):
            variables |= safe_load(found.read_text()) if found.exists() else {}
        called = [value for task in tasks for key, value in task.items() if key.startswith(PREFIX)]
        for option, text in (pair for arguments in called for pair in arguments.items()):
            given = isinstance(text, str) and "{{" in text and f"{role.name}_{option}" in known_variables()
            if given and not variable_of(option, text, variables):
                unknown.add((role.name, option, text))
    assert not unknown
