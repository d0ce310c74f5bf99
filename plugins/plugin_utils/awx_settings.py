# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the file of the user, found before a controller is asked anything."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

WORKFLOW = "workflow"
"""What a schedule calls the workflow."""
_LONGEST_NAME = 250
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_RULE = re.compile(r"DTSTART(;TZID=[^:;\s]+)?:\d{8}T\d{6}Z?( (EX)?RRULE:\S+)+")
_NAIVE_UNTIL = re.compile(r"UNTIL=\d{8}T\d{6}(?!Z)")

Settings = Mapping[str, Any]


def read_settings(given: Settings) -> tuple[dict[str, Any], list[str]]:
    """The settings, each of its type and with its defaults, and what is wrong with them, the first of which matters.

    :param given: the variables of the role without ``awx_``, and ``specs``, its options as Ansible has them.
    """
    named = {f"awx_{name}" for name in given}
    specs = {name: option for name, option in given["specs"].items() if name in named}
    checked = ArgumentSpecValidator(specs).validate({name: given[name.removeprefix("awx_")] for name in specs})
    settings = {**given, **{name.removeprefix("awx_"): value for name, value in checked.validated_parameters.items()}}
    # What Ansible says of a part is only understood with what it says of the whole.
    messages = [message for message in checked.error_messages if "awx_" in message] or checked.error_messages
    wrong = [f"{'there is no ' * ('Supported param' in one)}{one.rstrip('.')} (correct it)" for one in messages]
    # What is looked at next relies on what was looked at before.
    return settings, wrong or list(islice(_problems(settings), 1))


def credentials_of(environments: list[Any]) -> list[dict[str, Any]]:
    """The credentials of environments, each with the name of its own."""
    return [{**one, "environment": env["name"]} for env in environments for one in env.get("credentials") or []]


def databases_of(environment: Settings, wanted: Settings) -> list[str]:
    """The databases of an environment, by the names that a restore expects."""
    if environment.get("databases"):
        return list(dict.fromkeys(environment["databases"]))
    # A name may be a number in the inventory.
    found = [str(database) for name, database in wanted["inventory"] if str(name) == environment["name"]]
    for host, variables in (environment.get("hosts") or {}).items():
        found.append(str((variables or {}).get("backup_login_db") or host))
    return list(dict.fromkeys(found))


def _problems(wanted: Settings) -> Iterator[str]:
    if not wanted["environments"]:
        yield "awx_environments is empty (name at least one environment)"
    yield from _problems_of_names(wanted)
    yield from _problems_of_project(wanted)
    known = [template["name"] for template in wanted["job_templates"]]
    for option, names in (
        ("awx_templates", list(wanted["templates"])),
        ("awx_schedules", [one["template"] for one in wanted["schedules"] if one["template"] != WORKFLOW]),
    ):
        if unknown := sorted(set(names) - set(known)):
            yield f"{option} names {unknown[0]}, which is no template (there are {', '.join(known)})"
    for one in wanted["environments"]:
        yield from _problems_of_environment(one)
        if "" in databases_of(one, wanted):
            yield f"environment {one['name']} has a database without a name (leave it out)"
        if not databases_of(one, wanted):
            yield (
                f"environment {one['name']} has no database (name them by databases or hosts, or give the "
                f"inventory in which backup_environment is {one['name']} by -i)"
            )
        yield from _problems_of_credentials(one, wanted)
    environments = [one["name"] for one in wanted["environments"]]
    for one in wanted["schedules"]:
        yield from _problems_of_schedule(one, environments)
        yield from _problems_of_answers(one, wanted)


def _problems_of_names(wanted: Settings) -> Iterator[str]:
    credentials = [dict(one) for env in wanted["environments"] for one in env.get("credentials") or []]
    shared = [one for number, one in enumerate(credentials) if one not in credentials[:number]]
    used = {
        "awx_environments": [one["name"] for one in wanted["environments"]],
        "credentials of awx_environments": [one["name"] for one in shared],
        "awx_notifications": [one["name"] for one in wanted["notifications"]],
        "awx_schedules": [one["name"] for one in wanted["schedules"]],
        "awx_organization": [wanted["organization"]],
        "awx_project": [wanted["project"]["name"]],
    }
    for option, names in used.items():
        for name in names:
            if names.count(name) > 1:
                yield f"{option} has the name {name} twice (give each a name of its own)"
            if not 1 <= len(name.strip()) == len(name) <= _LONGEST_NAME or not name.isprintable():
                rule = f"a name has 1 to {_LONGEST_NAME} characters on one line, and no blanks at its ends"
                yield f"{option} has the name {name!r} ({rule})"


def _problems_of_project(wanted: Settings) -> Iterator[str]:
    project, image = wanted["project"], wanted["execution_environment"]
    if bool(project.get("scm_url")) == bool(project.get("local_path")):
        yield "awx_project has to have scm_url or local_path (give one of them)"
    for one in wanted["environments"]:
        if one.get("source_path") and not project.get("scm_url"):
            yield f"environment {one['name']} has a source_path, which takes a project with scm_url (give hosts)"
    if image.get("image") and not image.get("name"):
        yield "awx_execution_environment has an image without a name (give it one)"


def _problems_of_environment(one: Settings) -> Iterator[str]:
    """What of an environment a controller would not take, or not keep."""
    if one.get("source_path") and (one.get("variables") or one.get("hosts")):
        yield (
            f"environment {one['name']} has variables or hosts beside source_path, which replaces them (write them in "
            f"the inventory of the project)"
        )
    for host, variables in (one.get("hosts") or {}).items():
        if not isinstance(variables or {}, Mapping):
            yield f"the variables of host {host} of {one['name']} are no mapping (write a name and a value each)"
        if host in ("databases", "all") or host.count(":") == 1 or host != host.strip():
            # A colon would begin a port.
            yield f"{one['name']} has a host {host!r} (no group's name, no colon, and no blanks at its ends)"
    group = one.get("instance_group") or {}
    if (group.get("name") or one["name"]) in ("default", "controlplane") and group.get("create", True):
        yield f"the instance group of {one['name']} is the controller's own (give it another name, or create: false)"
    if group.get("container") and group.get("instances"):
        yield f"the instance group of {one['name']} is a container group and has instances (leave one of them out)"
    if not group.get("container") and (group.get("credential") or group.get("pod_spec")):
        yield f"the instance group of {one['name']} has credential or pod_spec (these want container: true)"


def _problems_of_credentials(environment: Settings, wanted: Settings) -> Iterator[str]:
    credentials = environment.get("credentials") or []
    types = {one["name"]: one for one in wanted["credential_types"]}
    kinds = [one["type"] for one in credentials]
    for one in credentials:
        place = f"credential {one['name']} of {environment['name']}"
        if not one["type"]:
            yield f"{place} has no type (give it one)"
        if one["type"] != "Vault" and kinds.count(one["type"]) > 1:
            yield f"{place}: there is another of the type {one['type']} (a job takes one; leave one of them out)"
        inputs = one.get("inputs")
        if inputs is None:
            continue
        for name, value in inputs.items():
            if value is not None and not isinstance(value, str | bool):
                yield f"{place}: {name} is no text (write it in quotes)"
        if one["type"] in types:
            fields = [field["id"] for field in types[one["type"]]["fields"]]
            if unknown := sorted(set(inputs) - set(fields)):
                yield f"{place} has {unknown[0]}, which is no input of {one['type']} (there are {', '.join(fields)})"
            for name in types[one["type"]].get("required", []):
                if not inputs.get(name):
                    yield f"{place} has no {name} (give it one, or leave out inputs and fill it in on the controller)"


def _problems_of_schedule(one: Settings, environments: list[str]) -> Iterator[str]:
    place = f"schedule {one['name']}"
    if unknown := sorted(set(one.get("environments") or []) - set(environments)):
        yield f"{place} names the environment {unknown[0]}, which is none (there are {', '.join(environments)})"
    if not _TIME.fullmatch(one["time"]):
        yield f"{place} has the time {one['time']} (write hours and minutes in quotes, for example '02:00')"
    if one["time_zone"] != "UTC" and one["time_zone"] not in (zoneinfo.available_timezones() or {one["time_zone"]}):
        yield f"{place} has the time zone {one['time_zone']}, which is none (for example Europe/Berlin)"
    if one.get("month_day") is not None and not 1 <= one["month_day"] <= 31:
        yield f"{place} has the month_day {one['month_day']} (1 to 31)"
    if one.get("days") and one.get("month_day"):
        yield f"{place} has days and month_day (leave one of them out)"
    rule = one.get("rrule")
    if rule and (not _RULE.fullmatch(" ".join(rule.split())) or _NAIVE_UNTIL.search(rule)):
        yield (
            f"{place} has an rrule that a controller does not keep as it is (write "
            f"'DTSTART;TZID=Europe/Berlin:20260101T020000 RRULE:FREQ=DAILY;INTERVAL=1' say, and UNTIL with a Z)"
        )


def _problems_of_answers(one: Settings, wanted: Settings) -> Iterator[str]:
    """A controller takes a schedule only with all answers that its template cannot do without, and no others."""
    survey = [
        question
        for template in wanted["job_templates"]
        if template["name"] == one["template"]
        for question in template.get("survey", [])
    ]
    place, answers = f"schedule {one['name']}", one.get("answers") or {}
    asked = [question["variable"] for question in survey]
    if unknown := sorted(set(answers) - set(asked)):
        asks = ", ".join(asked) or "nothing"
        yield f"{place} answers {unknown[0]}, which {one['template']} does not ask for (it asks for {asks})"
    for question in survey:
        name, answer = question["variable"], answers.get(question["variable"])
        is_number = question["type"] == "integer"
        if answer is None:
            if question.get("required"):
                yield f"{place} does not answer {name}, which {one['template']} asks for (say it in answers)"
        elif isinstance(answer, bool) or not isinstance(answer, int if is_number else str):
            yield f"{place}: {name} is no {'number' if is_number else 'text (write it in quotes)'}"
        elif answer not in question.get("choices", [answer]):
            yield f"{place}: {name} is {answer} (there are {', '.join(question['choices'])})"
