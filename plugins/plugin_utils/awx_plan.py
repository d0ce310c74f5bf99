# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller is to have, worked out from the file of the user; nothing here speaks to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .awx_objects import not_of_jobs, objects_of
from .awx_settings import WORKFLOW, credentials_of, databases_of, read_settings

TYPE_PREFIX = "mobul.backup "
"""Begins the names of our types of credentials, which are the whole controller's."""
_LONGEST_ANSWER = 1024
_LARGEST_NUMBER = 2147483647
_START = "20260101"
"""A day that has been, and is always the same, so that a schedule does not change with the day it is looked at."""

Object = dict[str, Any]


def make_plan(given: Mapping[str, Any]) -> Object:
    """Lists with an entry for each object, and what is wrong with the file.

    :param given: ``environments``, ``templates``, ``schedules``, ``notifications``, ``project``, ``organization``,
        ``execution_environment``, ``approval_timeout`` and ``mark`` of the user, and ``specs``, what these may be;
        ``credential_types``, ``job_templates`` and ``workflow`` of the product; ``inventory``, a list of an environment
        and a database each.
    :return: ``problems`` first: where there is one, nothing else counts. ``objects`` is all of it for the module
        ``awx_objects``.
    """
    wanted, problems = read_settings(given)
    if problems:
        return {"problems": problems}
    templates = _templates(wanted)
    names = [template["name"] for template in templates]
    environments = wanted["environments"]
    nodes = wanted["workflow"] if {node.get("template", names[0]) for node in wanted["workflow"]} <= set(names) else []
    plan: Object = {
        "problems": [],
        "environments": environments,
        "types": [_type(one) for one in wanted["credential_types"] if one["name"] in _types(environments)],
        "credentials": [_credential(one, wanted) for one in credentials_of(environments)],
        "jobs": [_job(template, one, wanted) for one in environments for template in templates],
        "workflows": [f"{one['name']} {WORKFLOW}" for one in environments if nodes],
        "nodes": [
            {**node, "environment": one["name"], "workflow": f"{one['name']} {WORKFLOW}"}
            for one in environments
            for node in nodes
        ],
        "schedules": [
            _schedule(schedule, one["name"])
            for one in environments
            for schedule in wanted["schedules"]
            if one["name"] in (schedule.get("environments") or [one["name"]])
            and (schedule["template"] in names or (schedule["template"] == WORKFLOW and nodes))
        ],
    }
    objects: list[Object] = []
    for found in objects_of(plan, wanted):
        # Environments may share a credential or an instance.
        if found not in objects:
            objects.append(found)
    return {**plan, "objects": objects}


def _templates(wanted: Mapping[str, Any]) -> list[Object]:
    chosen = wanted["templates"] or [template["name"] for template in wanted["job_templates"]]
    return [template for template in wanted["job_templates"] if template["name"] in chosen]


def _types(environments: Sequence[Mapping[str, Any]]) -> set[str]:
    return {one["type"] for one in credentials_of(environments)}


def _type(one: Mapping[str, Any]) -> Object:
    """A type of credentials, whose injectors are files and environment only."""
    env = {variable: _filled(field) for variable, field in one.get("env", {}).items()}
    files = {}
    for variable, field in one.get("files", {}).items():
        # A file that was not given is none: its variable is empty, and not the path of an empty file.
        env[variable] = "{% if " + field + " %}" + _filled(f"tower.filename.{field}") + "{% endif %}"
        files[f"template.{field}"] = _filled(field)
    return {
        "name": TYPE_PREFIX + one["name"],
        "description": one["description"],
        "inputs": {"fields": one["fields"], "required": one.get("required", [])},
        "injectors": {"env": env, "file": files} if files else {"env": env},
    }


def _filled(name: str) -> str:
    return "{{ " + name + " }}"


def _credential(one: Mapping[str, Any], wanted: Mapping[str, Any]) -> Object:
    ours = one["type"] in {known["name"] for known in wanted["credential_types"]}
    found = {
        "name": one["name"],
        "environment": one["environment"],
        "type": (TYPE_PREFIX if ours else "") + one["type"],
    }
    if one.get("inputs") is not None:
        # What is empty would be stored as something that was given.
        found["inputs"] = {name: value for name, value in one["inputs"].items() if value not in ("", None)}
        public = _public(one["type"], wanted)
        found["hidden"] = [name for name in found["inputs"] if name not in public]
    return found


def _public(kind: str, wanted: Mapping[str, Any]) -> set[str]:
    """The inputs of a type of credential that everybody may see."""
    for known in wanted["credential_types"]:
        if known["name"] == kind:
            return {field["id"] for field in known["fields"] if not field.get("secret")}
    return {"username", "host", "url", "become_method", "become_username"}


def _job(template: Mapping[str, Any], environment: Mapping[str, Any], wanted: Mapping[str, Any]) -> Object:
    # What is none of our types, for example a key for SSH, every template gets, but not the one that fetches the
    # project.
    elsewhere = not_of_jobs(wanted).values()
    ours = {known["name"] for known in wanted["credential_types"]} - set(template["credentials"])
    choices = {"environment": [environment["name"]], "databases": databases_of(environment, wanted)}
    spec = [_question(one, choices) for one in template.get("survey", [])]
    return {
        "name": f"{environment['name']} {template['name']}",
        "environment": environment["name"],
        "description": f"{template['description']} {wanted['mark']}",
        "playbook": f"{_folder(wanted['project'].get('playbooks'))}{template.get('playbook', template['name'])}.yml",
        "job_type": template.get("job_type", "run"),
        "credentials": [
            one["name"]
            for one in credentials_of([environment])
            if one["type"] not in ours and one["name"] not in elsewhere
        ],
        "survey": {"name": "", "description": "", "spec": spec} if spec else {},
    }


def _folder(path: str | None) -> str:
    return path.rstrip("/") + "/" if path else ""


def _question(one: Mapping[str, Any], choices: Mapping[str, list[str]]) -> Object:
    required = one.get("required", False)
    found = {
        "question_name": one["question"],
        "question_description": one.get("help", ""),
        "required": required,
        "type": one["type"],
        "variable": one["variable"],
        "min": 1 if required and one["type"] != "multiplechoice" else 0,
        "max": one.get("max", _LARGEST_NUMBER if one["type"] == "integer" else _LONGEST_ANSWER),
        "default": one.get("default", ""),
        "new_question": True,
    }
    if one["type"] == "multiplechoice":
        found["choices"] = [str(choice) for choice in one.get("choices") or choices[one["choices_of"]]]
    return found


def _schedule(one: Mapping[str, Any], environment: str) -> Object:
    time = f"{_START}T{one['time'].replace(':', '')}00"
    zone = one["time_zone"]
    start = f"DTSTART:{time}Z" if zone == "UTC" else f"DTSTART;TZID={zone}:{time}"
    rule = "FREQ=DAILY;INTERVAL=1"
    if one.get("days"):
        rule = f"FREQ=WEEKLY;INTERVAL=1;BYDAY={','.join(one['days'])}"
    elif one.get("month_day"):
        rule = f"FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY={one['month_day']}"
    return {
        **{key: one[key] for key in ("limit", "enabled")},
        "name": f"{environment} {one['name']}",
        "kind": "workflow_job_templates" if one["template"] == WORKFLOW else "job_templates",
        "template": f"{environment} {one['template']}",
        # A controller keeps one blank between the parts.
        "rrule": " ".join((one.get("rrule") or f"{start} RRULE:{rule}").split()),
        "answers": one.get("answers") or {},
    }
