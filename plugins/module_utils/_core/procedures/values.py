"""What the caller of a procedure gives: a deployment's id, an incident's details. They are data, and come from anyone.

A branch's name or the answer of a survey becomes part of what is stored, announced and run, so that each is checked
before it is used, and nothing of it is ever taken as a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..durations import STEP, parse_duration, parse_time
from ..errors import ConfigError
from ..lifecycle.hold.request import parse_until
from .checklists import BEGUN, RESTORED, states_of

REFERENCE = re.compile(r"[A-Za-z0-9._/-]{1,128}")
"""What an id may be: it stands in labels, messages and names of files."""
MARKERS = ("{{", "{%", "{#")
"""What begins a template of Jinja."""

_SHOWN = 60


@dataclass(frozen=True)
class Value:
    """One variable that the caller sets.

    :param kind: ``reference``, ``duration``, ``until``, ``state``, ``time``,
        ``names`` (a list), ``text``, ``path`` or ``plain``.
    :param meant: what to give, in words; of one that cannot be left out.
    """

    name: str
    kind: str
    meant: str = ""

    @property
    def variable(self) -> str:
        """Where the environment may have it."""
        return f"MOBUL_{self.name.upper()}"


RESULT = Value("procedure_result_path", "path")
VALUES: Mapping[str, tuple[Value, ...]] = {
    "pre_deploy": (
        Value("deployment_id", "reference", "give the deployment that waits: -e deployment_id=..."),
        Value("reuse_within", "duration"),
    ),
    "pre_migration": (
        Value("migration_id", "reference", "give the migration that waits: -e migration_id=..."),
        Value("migration_state", "state"),
        Value("migration_expected_differences", "names"),
        Value("expect_environment", "plain"),
        Value("expect_database", "plain"),
    ),
    "post_incident": (
        Value("incident_reference", "reference", "give the incident's: -e incident_reference=..."),
        Value("incident_details", "text"),
        Value("incident_details_file", "path"),
        Value("incident_hold_until", "until"),
    ),
    "restore": (
        Value("expect_environment", "plain"),
        Value("expect_database", "plain"),
        Value("restore_state", "state"),
        Value("restore_backup", "plain"),
        Value("restore_before", "time"),
    ),
    "restore_table": (
        Value("expect_environment", "plain"),
        Value("table", "plain"),
        Value("restore_table_state", "state"),
        Value("restore_table_backup", "plain"),
        Value("restore_table_before", "time"),
    ),
}
"""The variables of each procedure; that of :data:`RESULT` belongs to all of them."""


def values_of(procedure: str) -> tuple[Value, ...]:
    """The variables that a procedure takes."""
    return (*VALUES[procedure], RESULT)


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
        elif value.meant:
            raise ConfigError(STEP, f"{value.name} is missing", hint=value.meant)
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
    """Which part of the procedure is asked for."""
    return next((values[value.name] for value in VALUES[procedure] if value.kind == "state"), None)


def _text(value: Value, given: object) -> str:
    if given is None:
        return ""
    if value.kind == "names" and isinstance(given, list):
        return "\n".join(_text(value, one) for one in given)
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ConfigError(STEP, f"{value.name} is {_shown(given)}", hint=f"give a text in quotes; {_how(value)}")
    text = str(given)
    return text if value.kind == "text" else text.strip()


def _check(procedure: str, value: Value, text: str, now: datetime) -> None:
    if value.kind == "text":
        if "\0" in text:
            raise ConfigError(STEP, f"{value.name} has a NUL in it", hint="give a text")
        return
    if any(marker in text for marker in MARKERS):
        hint = f"it is taken as it stands, and never as a template; {_how(value)}"
        raise ConfigError(STEP, f"{value.name} is a template: {_shown(text)}", hint=hint)
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


def _check_until(value: Value, text: str, now: datetime) -> None:
    try:
        parse_until(text, now)
    except ConfigError as error:
        # It is the same time under the name that the caller knows.
        told = error.message.removeprefix("until")
        raise ConfigError(error.step, f"{value.name}{told}", hint=error.hint) from None


def _how(value: Value) -> str:
    return f"""as JSON: -e '{{"{value.name}": "..."}}', or in the environment: {value.variable}=..."""


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
