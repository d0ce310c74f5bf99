# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller is to have, worked out from the file of the user; nothing here speaks to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .awx_objects import objects_of

TYPE_PREFIX = "mobul.backup "
"""Begins the names of our types of credentials, which are the whole controller's."""
WORKFLOW = "workflow"
_LONGEST_ANSWER = 1024
_LONGEST_NAME = 250
_LARGEST_NUMBER = 2147483647
_START = "20260101"
"""A day that has been, and is always the same, so that a schedule does not change with the day it is looked at."""

Object = dict[str, Any]


def make_plan(wanted: Mapping[str, Any]) -> Object:
    """Lists with an entry for each object, and what is wrong with the file.

    :param wanted: ``environments``, ``templates``, ``schedules``, ``notifications``, ``project``, ``organization``,
        ``execution_environment``, ``approval_timeout`` and ``mark`` of the user; ``credential_types``,
        ``job_templates`` and ``workflow`` of the product; ``inventory``, a list of an environment and a database each.
    :return: ``problems`` first: where there is one, nothing else counts. ``objects`` is all of it for the module
        ``awx_objects``.
    """
    if problems := list(_missing(wanted)) or list(_problems(wanted)):
        return {"problems": problems}
    templates = _templates(wanted)
    names = [template["name"] for template in templates]
    environments = wanted["environments"]
    nodes = wanted["workflow"] if {node.get("template", names[0]) for node in wanted["workflow"]} <= set(names) else []
    plan: Object = {
        "problems": [],
        "environments": environments,
        "types": [_type(one) for one in wanted["credential_types"] if one["name"] in _types(environments)],
        "credentials": [_credential(one, wanted) for one in _credentials(environments)],
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
            if one["name"] in schedule.get("environments", [one["name"]])
            and (schedule["template"] in names or (schedule["template"] == WORKFLOW and nodes))
        ],
    }
    return {**plan, "objects": list(objects_of(plan, wanted))}


def _missing(wanted: Mapping[str, Any]) -> Iterator[str]:
    """What each entry of the file has to say."""
    environments = wanted["environments"]
    credentials = [one for environment in environments for one in environment.get("credentials") or []]
    for option, entries, keys in (
        ("awx_project", [wanted["project"]], ("name",)),
        ("awx_environments", environments, ("name",)),
        ("credentials of awx_environments", credentials, ("name", "type")),
        ("awx_notifications", wanted["notifications"], ("name", "type", "configuration")),
        ("awx_schedules", wanted["schedules"], ("name", "template")),
    ):
        for one in entries:
            for key in keys:
                if not one.get(key):
                    yield f"{option} has an entry without {key} (give it one)"


def _problems(wanted: Mapping[str, Any]) -> Iterator[str]:
    environments = wanted["environments"]
    known = [template["name"] for template in wanted["job_templates"]]
    used = {
        "awx_environments": [one["name"] for one in environments],
        "credentials of awx_environments": [one["name"] for one in _credentials(environments)],
        "awx_notifications": [one["name"] for one in wanted["notifications"]],
        "awx_schedules": [one["name"] for one in wanted["schedules"]],
        "awx_organization": [wanted["organization"]],
        "awx_project": [wanted["project"]["name"]],
    }
    if not environments:
        yield "awx_environments is empty (name at least one environment)"
    for option, names in used.items():
        for name in names:
            if names.count(name) > 1:
                yield f"{option} has the name {name} twice (give each a name of its own)"
            if not isinstance(name, str) or len(name) > _LONGEST_NAME:
                yield f"{option} has the name {name!r} (a name is a text of up to {_LONGEST_NAME} characters)"
    for option, names in (
        ("awx_templates", list(wanted["templates"])),
        ("awx_schedules", [one["template"] for one in wanted["schedules"] if one["template"] != WORKFLOW]),
    ):
        if unknown := sorted(set(names) - set(known)):
            yield f"{option} names {unknown[0]}, which is no template (there are {', '.join(known)})"
    for one in environments:
        if not _databases(one, wanted):
            yield (
                f"environment {one['name']} has no database (name them by databases or hosts, or give the "
                f"inventory in which backup_environment is {one['name']} by -i)"
            )
        yield from _problems_of(one)


def _problems_of(one: Mapping[str, Any]) -> Iterator[str]:
    """What of an environment a controller would not take, or not keep."""
    if one.get("source_path") and (one.get("variables") or one.get("hosts")):
        yield (
            f"environment {one['name']} has variables or hosts beside source_path, which replaces them (write them in "
            f"the inventory of the project)"
        )
    group = one.get("instance_group") or {}
    if group.get("name", one["name"]) in ("default", "controlplane") and group.get("create", True):
        yield f"the instance group of {one['name']} is the controller's own (give it another name, or create: false)"
    if group.get("container") and group.get("instances"):
        yield f"the instance group of {one['name']} is a container group and has instances (leave one of them out)"
    if not group.get("container") and (group.get("credential") or group.get("pod_spec")):
        yield f"the instance group of {one['name']} has credential or pod_spec (these want container: true)"


def _templates(wanted: Mapping[str, Any]) -> list[Object]:
    chosen = wanted["templates"] or [template["name"] for template in wanted["job_templates"]]
    return [template for template in wanted["job_templates"] if template["name"] in chosen]


def _credentials(environments: Sequence[Mapping[str, Any]]) -> list[Object]:
    return [{**one, "environment": env["name"]} for env in environments for one in env.get("credentials") or []]


def _types(environments: Sequence[Mapping[str, Any]]) -> set[str]:
    return {one["type"] for one in _credentials(environments)}


def _databases(environment: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The databases of an environment, by the names that a restore expects."""
    if environment.get("databases"):
        return list(environment["databases"])
    found = [database for name, database in wanted["inventory"] if name == environment["name"]]
    for host, variables in (environment.get("hosts") or {}).items():
        found.append((variables or {}).get("backup_login_db") or host)
    return list(dict.fromkeys(found))


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
    # What is none of our types, a key for SSH say, every template gets.
    ours = {known["name"] for known in wanted["credential_types"]} - set(template["credentials"])
    choices = {"environment": [environment["name"]], "databases": _databases(environment, wanted)}
    spec = [_question(one, choices) for one in template.get("survey", [])]
    return {
        "name": f"{environment['name']} {template['name']}",
        "environment": environment["name"],
        "description": f"{template['description']} {wanted['mark']}",
        "playbook": f"{wanted['project'].get('playbooks', '')}{template.get('playbook', template['name'])}.yml",
        "job_type": template.get("job_type", "run"),
        "credentials": [one["name"] for one in _credentials([environment]) if one["type"] not in ours],
        "survey": {"name": "", "description": "", "spec": spec} if spec else {},
    }


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
    time = f"{_START}T{one.get('time', '00:00').replace(':', '')}00"
    zone = one.get("time_zone", "UTC")
    start = f"DTSTART:{time}Z" if zone == "UTC" else f"DTSTART;TZID={zone}:{time}"
    rule = "FREQ=DAILY;INTERVAL=1"
    if one.get("days"):
        rule = f"FREQ=WEEKLY;INTERVAL=1;BYDAY={','.join(one['days'])}"
    elif one.get("month_day"):
        rule = f"FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY={one['month_day']}"
    return {
        **{key: one[key] for key in ("limit", "enabled") if key in one},
        "name": f"{environment} {one['name']}",
        "kind": "workflow_job_templates" if one["template"] == WORKFLOW else "job_templates",
        "template": f"{environment} {one['template']}",
        "rrule": one.get("rrule") or f"{start} RRULE:{rule}",
        "answers": one.get("answers", {}),
    }
