"""What a controller says to the objects that are sent to it, beyond the types of their fields.

Each rule was met on AWX 24.6 and is in ``tests/data/awx/cases.json``, or is how its serializers decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

ENCRYPTED = "$encrypted$"
PROMPTS = ("limit", "inventory", "job_type", "scm_branch", "verbosity", "forks", "timeout", "diff_mode", "job_tags")

_NAME = re.compile(r"[a-zA-Z_]\w*")
_QUESTION_TYPES = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")
_NOTIFICATION: dict[str, dict[str, type]] = {
    "slack": {"channels": list, "token": str},
    "pagerduty": {"token": str, "service_key": str, "subdomain": str, "client_name": str},
    "email": {
        **{"host": str, "port": int, "username": str, "password": str, "sender": str},
        **{"recipients": list, "use_tls": bool, "use_ssl": bool, "timeout": int},
    },
    "webhook": {
        **{"url": str, "http_method": str, "disable_ssl_verification": bool},
        **{"username": str, "password": str, "headers": dict},
    },
    "mattermost": {"mattermost_url": str, "mattermost_no_verify_ssl": bool},
}
_NOTIFICATION_DEFAULTS = {
    "email": {"timeout": 30},
    "webhook": {"http_method": "POST", "disable_ssl_verification": False, "username": "", "password": ""},
}
_SURVEY_TYPES = {"integer": (int,), "float": (int, float)}
NOTIFICATION_SECRETS = {"token", "password", "service_key_secret"}


class Refusal(Exception):
    """A request that the controller refuses: the fields of its answer, and the status."""

    def __init__(self, field: str, message: str, status: int = 400) -> None:
        super().__init__(f"{field}: {message}")
        self.body = {field: message if field == "detail" else [message]}
        self.status = status


class _Namespace:
    """The value of ``tower`` in an injector's template."""

    filename: Any = None


def check_credential_type(record: Mapping[str, Any]) -> None:
    """Inputs have the schema of AWX, and injectors use nothing but them."""
    fields = record["inputs"].get("fields", [])
    for one in fields:
        if not {"id", "label"} <= set(one) or not _NAME.fullmatch(one["id"]) or one["id"] == "tower":
            raise Refusal("inputs", "a field has no id or label")
        if one.get("type", "string") not in ("string", "boolean"):
            raise Refusal("inputs", f"{one['type']} is no type of a field")
        if one.get("type") == "boolean" and one.get("secret"):
            raise Refusal("inputs", "a boolean cannot be secret")
        if unknown := set(one) - {
            "id",
            "label",
            "type",
            "format",
            "choices",
            "secret",
            "multiline",
            "help_text",
            "default",
        }:
            raise Refusal("inputs", f"{unknown} is not known")
    if set(record["inputs"]) - {"fields", "required", "metadata", "dependencies"}:
        raise Refusal("inputs", "not known")
    if set(record["inputs"].get("required", [])) - {one["id"] for one in fields}:
        raise Refusal("inputs", "what is required is no field")
    _check_injectors(record["injectors"], {one["id"] for one in fields})


def _check_injectors(injectors: Mapping[str, Any], names: set[str]) -> None:
    if set(injectors) - {"file", "env", "extra_vars"}:
        raise Refusal("injectors", "not known")
    files = injectors.get("file", {})
    tower = _Namespace()
    if len(files) > 1 and "template" in files:
        raise Refusal("injectors", "with several files each must have a name")
    if files and "template" in files:
        tower.filename = "EXAMPLE"
    elif files:
        tower.filename = _Namespace()
        for label in files:
            if not re.fullmatch(r"template\.[a-zA-Z_]\w*", label):
                raise Refusal("injectors", f"{label} is no name of a file")
            setattr(tower.filename, label.partition(".")[2], "EXAMPLE")
    for name in injectors.get("env", {}):
        if name.startswith("ANSIBLE_") or not _NAME.fullmatch(name):
            raise Refusal("injectors", f"{name} may not be set")
    known = dict.fromkeys(names, "EXAMPLE") | {"tower": tower}
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for kind in injectors.values():
        for template in kind.values():
            try:
                environment.from_string(template).render(**known)
            except TemplateError as error:
                raise Refusal("injectors", str(error)) from None


def check_credential(record: Mapping[str, Any], credential_type: Mapping[str, Any]) -> None:
    """A credential belongs to somebody, and has inputs of its type."""
    if not any(record.get(name) for name in ("organization", "user", "team")):
        raise Refusal("detail", "Missing 'user', 'team', or 'organization'.")
    known = {one["id"] for one in credential_type["inputs"].get("fields", [])}
    if unknown := set(record["inputs"]) - known:
        raise Refusal("inputs", f"{unknown} is not known")
    types = {one["id"]: one.get("type", "string") for one in credential_type["inputs"].get("fields", [])}
    for name, value in record["inputs"].items():
        if not isinstance(value, {"string": str, "boolean": bool}[types[name]]):
            raise Refusal("inputs", f"{name}: {value!r} is not of type '{types[name]}'")


def check_variables(field: str, value: object) -> None:
    """Variables are a mapping as JSON or YAML, or nothing."""
    if isinstance(value, str) and value:
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise Refusal(field, str(error)) from None
    if value not in ("", None) and not isinstance(value, dict):
        raise Refusal(field, "is no mapping")


def check_notification(record: Mapping[str, Any]) -> None:
    """A channel has all its settings, of the right types; some have defaults, which are kept then."""
    kind, given = record["notification_type"], record["notification_configuration"]
    for name, value in _NOTIFICATION_DEFAULTS.get(kind, {}).items():
        given.setdefault(name, value)
    wanted = _NOTIFICATION.get(kind, {})
    if missing := [name for name in wanted if name not in given]:
        raise Refusal("__all__", f"Missing required fields for Notification Configuration: {missing}.")
    for name, what in wanted.items():
        if type(given[name]) is not what or (what is list and not given[name]):
            raise Refusal("__all__", f"Configuration field '{name}' incorrect type, expected {what.__name__}.")


def check_survey(spec: Mapping[str, Any]) -> None:
    """Raise the error with which AWX refuses a survey."""
    if not {"name", "description", "spec"} <= set(spec):
        raise Refusal("error", "'name', 'description' or 'spec' missing")
    if not isinstance(spec["spec"], list) or not spec["spec"]:
        raise Refusal("error", "'spec' doesn't contain any items")
    seen = set()
    for one in spec["spec"]:
        for name in ("question_name", "required", "type", "variable"):
            if name not in one:
                raise Refusal("error", f"'{name}' missing")
        if one["type"] not in _QUESTION_TYPES:
            raise Refusal("error", f"'{one['type']}' is no type of a question")
        if not isinstance(one["required"], bool) or not all(
            isinstance(one[name], str) for name in ("question_name", "variable")
        ):
            raise Refusal("error", "a name is no text, or 'required' is neither true nor false")
        if any(not isinstance(one.get(name) or 0, int) for name in ("min", "max")):
            raise Refusal("error", "'min' and 'max' are numbers")
        if one["variable"] in seen or not one["variable"]:
            raise Refusal("error", f"'variable' '{one['variable']}' duplicated")
        seen.add(one["variable"])
        default = one.get("default", "")
        if one["type"] in ("multiplechoice", "multiselect") and "choices" not in one:
            raise Refusal("error", "choices missing")
        if one["type"] == "multiplechoice" and default not in ("", *_choices(one)):
            raise Refusal("error", "the default is no choice")
        if default != "" and not isinstance(default, _SURVEY_TYPES.get(one["type"], (str,))):
            raise Refusal("error", "the default is of another type")
        if isinstance(default, str) and default.startswith(ENCRYPTED):
            raise Refusal("error", "$encrypted$ is a reserved keyword")


def _choices(question: Mapping[str, Any]) -> list[str]:
    found = question["choices"]
    return found.splitlines() if isinstance(found, str) else list(found)


def survey_errors(spec: Mapping[str, Any], answers: Mapping[str, Any]) -> Iterator[str]:
    """The messages with which AWX refuses *answers*; a missing answer counts as none."""
    for one in spec.get("spec", []):
        name, answer = one["variable"], answers.get(one["variable"])
        if answer in (None, ""):
            # Defaults are for the form that somebody fills in.
            if one["required"]:
                yield f"'{name}' value missing"
        elif one["type"] in ("text", "textarea", "password"):
            if not isinstance(answer, str):
                yield f"'{name}' expected to be a string"
            elif not (one.get("min") or 0) <= len(answer) <= (one.get("max") or 1024):
                yield f"'{name}' is too short or too long"
        elif one["type"] == "integer" and not (isinstance(answer, int) and (one.get("min") or 0) <= answer):
            yield f"'{name}' expected to be an integer"
        elif one["type"] == "multiplechoice" and answer not in _choices(one):
            yield f"'{name}' is no choice"


def check_prompts(template: Mapping[str, Any], spec: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """A schedule or node sets only what its template asks for, and answers what it must."""
    answers = given.get("extra_data") or {}
    if errors := list(survey_errors(spec if template.get("survey_enabled") else {}, answers)):
        raise Refusal("variables_needed_to_start", errors[0])
    asked = {one["variable"] for one in spec.get("spec", [])} if template.get("survey_enabled") else set()
    if not template.get("ask_variables_on_launch") and set(answers) - asked:
        raise Refusal("extra_data", f"Variables {set(answers) - asked} are not allowed on launch.")
    for name in PROMPTS:
        asks = "ask_tags_on_launch" if name == "job_tags" else f"ask_{name}_on_launch"
        if given.get(name) not in (None, "") and not template.get(asks):
            raise Refusal(name, "Field is not configured to prompt on launch.")


def check_rrule(text: str) -> None:
    """The rules of AWX, which are narrower than RFC 5545's."""
    start = re.fullmatch(r"DTSTART(?:;TZID=([^:;]+))?:(\d{8}T\d{6})(Z?)((?: (?:EX)?RRULE:[A-Z0-9=;,+-]+)+)", text)
    if not start or bool(start[1]) == bool(start[3]):
        raise Refusal("rrule", "needs DTSTART with a time zone, and then RRULE")
    try:
        ZoneInfo(start[1] or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise Refusal("rrule", f"{start[1]} is no time zone") from None
    for rule in start[4].split():
        parts = dict(part.partition("=")[::2] for part in rule.partition(":")[2].split(";"))
        if "INTERVAL" not in parts or parts.get("FREQ") not in (
            "YEARLY",
            "MONTHLY",
            "WEEKLY",
            "DAILY",
            "HOURLY",
            "MINUTELY",
        ):
            raise Refusal("rrule", "needs INTERVAL and a FREQ other than SECONDLY")
        if re.search(r"\d", parts.get("BYDAY", "")) or "BYYEARDAY" in parts or "BYWEEKNO" in parts:
            raise Refusal("rrule", "BYDAY with a number, BYYEARDAY and BYWEEKNO are not supported")
        if int(parts.get("COUNT", 0)) > 999 or {"COUNT", "UNTIL"} <= set(parts):
            raise Refusal("rrule", "COUNT may be 999, and not stand beside UNTIL")


def has_cycle(children: Mapping[int, set[int]]) -> bool:
    """Whether a walk from the nodes that nothing leads to comes back, or there are no such nodes."""
    roots = set(children) - {child for group in children.values() for child in group}

    def walk(node: int, path: frozenset[int]) -> bool:
        return node in path or any(walk(child, path | {node}) for child in children[node])

    return (bool(children) and not roots) or any(walk(root, frozenset()) for root in roots)


def encrypt(values: Mapping[str, Any], secret: Callable[[str], bool]) -> dict[str, Any]:
    """What an answer shows of *values*."""
    return {name: ENCRYPTED if secret(name) and value not in ("", None) else value for name, value in values.items()}
