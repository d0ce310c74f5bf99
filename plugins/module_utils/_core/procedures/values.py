"""What the caller of a playbook gives: a deployment's id, an incident's details. They are data, and come from anyone.

A branch's name or the answer of a survey becomes part of what is stored, announced and run, so that each is checked
before it is used, and nothing of it is ever taken as a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..durations import STEP, parse_duration, parse_time
from ..errors import ConfigError
from ..lifecycle.hold.request import parse_until
from .checklists import BEGUN, RESTORED, states_of
from .document import PROCEDURES

REFERENCE = re.compile(r"[A-Za-z0-9._/-]{1,128}")
"""What an id may be: it stands in labels, messages and names of files."""
MARKERS = ("{{", "{%", "{#")
"""What begins a template of Jinja."""
HEADER = "#jinja2:"
"""With what a text begins that names other markers to Ansible."""

_SHOWN = 60
_ON, _OFF = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Value:
    """A variable that the caller of a procedure sets.

    :param kind: ``reference``, ``duration``, ``until``, ``state``, ``time``, ``choice``, ``flag``, ``data`` (a list or
        a mapping, or one as text), ``text`` (as it stands), ``path`` or ``plain``.
    :param meant: what to give, in words; of one that cannot be left out.
    :param choices: what a ``choice`` may be.
    :param empty: what to write where the default is meant. That would change data, so that an answer that was
        cleared, or a variable of a pipeline that is not set, does not stand for it.
    :param private: whether it is told to nobody but those who can open the set.
    """

    name: str
    kind: str
    meant: str = ""
    choices: tuple[str, ...] = ()
    empty: str = ""
    private: bool = False

    @property
    def variable(self) -> str:
        """The name of the environment variable that may hold the value."""
        return f"MOBUL_{self.name.upper()}"


RESULT = Value("procedure_result_path", "path")
_EXPECTED = (Value("expect_environment", "plain"), Value("expect_database", "plain"))
_ASKED_FOR = (Value("procedure_drill", "flag"), Value("procedure_must_tell", "flag"))
_NEWEST, _RESTORES = "latest for the newest, or its id", "restored to restore, or what else is meant"
_KINDS = ("daily", "weekly", "monthly", "yearly", "manual")
VALUES: Mapping[str, tuple[Value, ...]] = {
    "pre_deploy": (
        Value("deployment_id", "reference", "give the deployment that waits: -e deployment_id=..."),
        Value("reuse_within", "duration"),
        *_ASKED_FOR,
    ),
    "pre_migration": (
        Value("migration_id", "reference", "give the migration that waits: -e migration_id=..."),
        Value("migration_state", "state", empty="begun, verified or reverted"),
        Value("migration_expected_differences", "data"),
        Value("migration_revert_by", "choice", choices=("set", "restore_point"), empty="set, or restore_point"),
        *_EXPECTED,
        *_ASKED_FOR,
    ),
    "post_incident": (
        Value("incident_reference", "reference", "give the incident's: -e incident_reference=..."),
        Value("incident_details", "text", private=True),
        Value("incident_details_file", "path"),
        Value("incident_hold_until", "until"),
        *_ASKED_FOR,
    ),
    "restore": (
        *_EXPECTED,
        Value("restore_state", "state", empty=_RESTORES),
        Value("restore_backup", "plain", empty=_NEWEST),
        Value("restore_before", "time"),
        Value("restore_location", "plain"),
        Value("restore_strategy", "plain"),
        Value("restore_safety_backup", "flag"),
        Value("restore_expected_differences", "data"),
        Value("restore_entry_search_path", "data"),
        Value("backup_adopt", "plain"),
    ),
    "restore_table": (
        *_EXPECTED,
        Value("table", "plain"),
        Value("restore_table_table", "plain"),
        Value("restore_table_source_table", "plain"),
        Value("restore_table_state", "state", empty=_RESTORES),
        Value("restore_table_backup", "plain", empty=_NEWEST),
        Value("restore_table_before", "time"),
        Value("restore_table_location", "plain"),
        Value("restore_table_strategy", "plain", empty="swap, merge or replace"),
        Value("restore_table_expected_differences", "data"),
        Value("restore_table_entry_search_path", "data"),
        Value("procedure_table_maintenance", "flag"),
        Value("procedure_table_safety_backup", "flag"),
        Value("backup_adopt", "plain"),
    ),
    "backup": (
        Value("backup_kind", "choice", choices=_KINDS),
        Value("backup_labels", "data"),
    ),
    "export": (Value("export_tables", "data"),),
    "hold": (
        Value("hold_backup", "plain", "name the backup by its id, or as latest: -e hold_backup=..."),
        Value("hold_reason", "text", "say for whom and why: -e hold_reason=INC-4711"),
        Value("hold_until", "until"),
        Value("hold_state", "choice", choices=("held", "released")),
    ),
    "info": (Value("info_kinds", "data"), Value("info_limit", "plain")),
    "maintenance": (Value("maintenance_state", "flag", "say -e maintenance_state=on or off"),),
    "rekey": (Value("rekey_backup", "plain"),),
    "supabase_restore": (
        Value("expect_environment", "plain", "say which environment the project belongs to: -e expect_environment=..."),
        Value("supabase_expect_project", "plain"),
        Value("supabase_to", "time"),
        Value("supabase_backup_id", "plain"),
        Value("supabase_restore_point", "plain"),
        Value("supabase_safety_backup", "flag"),
    ),
    "verify": (
        Value("verify_backup", "plain"),
        Value("verify_before", "time"),
        Value("verify_location", "plain"),
    ),
}
"""The variables of each playbook that takes answers; that of :data:`RESULT` belongs to all procedures."""


def values_of(procedure: str) -> tuple[Value, ...]:
    """The variables that the playbook of a procedure takes."""
    return (*VALUES[procedure], *([RESULT] if procedure in PROCEDURES else []))


def check_values(procedure: str, given: Mapping[str, object], now: datetime) -> dict[str, str]:
    """What was given, as texts; "" for what was not.

    :param given: by name, as it stands: no template in it was followed.
    :raises ConfigError: naming the variable and what to give.
    """
    found = {value.name: _text(value, given.get(value.name)) for value in values_of(procedure)}
    for value in values_of(procedure):
        text = found[value.name]
        if text:
            _check(procedure, value, text, now)
        elif value.empty and given.get(value.name) is not None:
            raise ConfigError(STEP, f"{value.name} is empty", hint=f"write {value.empty}; nothing was done")
        elif value.meant:
            raise ConfigError(STEP, f"{value.name} is missing", hint=value.meant)
        if value.kind == "flag" and text:
            found[value.name] = str(text.lower() in _ON).lower()
    for value in VALUES[procedure]:
        if value.kind == "state":
            found[value.name] = found[value.name] or (BEGUN if procedure == "pre_migration" else RESTORED)
    if found.get("incident_details") and found.get("incident_details_file"):
        raise ConfigError(STEP, "incident_details and incident_details_file were both given", hint="give one of them")
    return found


def reference_of(procedure: str, values: Mapping[str, str]) -> str | None:
    """The deployment's, migration's or incident's id."""
    return next((values[value.name] for value in VALUES[procedure] if value.kind == "reference"), None)


def state_of(procedure: str, values: Mapping[str, str]) -> str | None:
    """The requested part of the procedure; None if it has only one."""
    return next((values[value.name] for value in VALUES[procedure] if value.kind == "state"), None)


def _text(value: Value, given: object) -> str:
    if given is None:
        return ""
    if value.kind == "data" and isinstance(given, list | dict):
        if _is_template(given):
            raise _template(value, given)
        return json.dumps(given) if given else ""
    if value.kind == "flag" and isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ConfigError(STEP, f"{value.name} is {_shown(given)}", hint=f"give a text in quotes; {_how(value)}")
    text = str(given)
    # A text is stored as it stands, but one of blanks alone says nothing.
    return text if value.kind == "text" and text.strip() else text.strip()


def _check(procedure: str, value: Value, text: str, now: datetime) -> None:
    if value.kind == "text":
        if "\0" in text:
            raise ConfigError(STEP, f"{value.name} has a NUL in it", hint="give a text")
        return
    if _is_template(text):
        raise _template(value, text)
    if value.kind == "reference" and not REFERENCE.fullmatch(text):
        hint = f"1 to 128 letters, digits, '.', '_', '/' or '-'; {_how(value)}"
        raise ConfigError(STEP, f"{value.name} is {_shown(text)}", hint=hint)
    if value.kind == "duration":
        parse_duration(text, value.name)
    if value.kind == "time":
        parse_time(text, value.name)
    if value.kind == "until":
        _check_until(value, text, now)
    if value.kind == "state" and text not in states_of(procedure):
        raise ConfigError(STEP, f"{value.name} is {_shown(text)}", hint=f"one of {', '.join(states_of(procedure))}")
    if value.kind == "choice" and text not in value.choices:
        raise ConfigError(STEP, f"{value.name} is {_shown(text)}", hint=f"one of {', '.join(value.choices)}")
    if value.kind == "flag" and text.lower() not in (*_ON, *_OFF):
        raise ConfigError(STEP, f"{value.name} is {_shown(text)}", hint=value.meant or "give true or false")


def _check_until(value: Value, text: str, now: datetime) -> None:
    try:
        parse_until(text, now)
    except ConfigError as error:
        # It is the same time under the name that the caller knows.
        message = error.message.removeprefix("until")
        raise ConfigError(error.step, f"{value.name}{message}", hint=error.hint) from None


def _is_template(given: object) -> bool:
    """Whether the value contains a template that Ansible would evaluate."""
    if isinstance(given, str):
        return given.startswith(HEADER) or any(marker in given for marker in MARKERS)
    if isinstance(given, Mapping):
        return any(_is_template(one) for pair in given.items() for one in pair)
    return isinstance(given, list) and any(map(_is_template, given))


def _template(value: Value, given: object) -> ConfigError:
    hint = f"it is taken as it stands, and never as a template; {_how(value)}"
    return ConfigError(STEP, f"{value.name} is a template: {_shown(given)}", hint=hint)


def _how(value: Value) -> str:
    return f"""as JSON: -e '{{"{value.name}": "..."}}', or in the environment: {value.variable}=..."""


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
