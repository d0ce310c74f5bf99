# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a controller, from the plan: what :mod:`awx_plan` has worked out in the words of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Object = dict[str, Any]

ASKS = (
    *("credential", "diff_mode", "execution_environment", "forks", "instance_groups", "inventory", "job_slice_count"),
    *("job_type", "labels", "scm_branch", "skip_tags", "tags", "timeout", "variables", "verbosity"),
)
"""What a launch may not choose: whoever may choose an image, say, gets what the credentials put into it."""
_CHANNEL_SECRET = re.compile("token|password|_key|_url|headers")
_WORKFLOW_ASKS = ("inventory", "labels", "scm_branch", "skip_tags", "tags", "variables")


def objects_of(plan: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Object]:
    """All objects of the plan, each after those that it refers to.

    :param plan: what there is to be of each kind.
    :param wanted: the settings of the role.
    """
    organization = f"organizations:{wanted['organization']}"
    yield {"kind": "organizations", "name": wanted["organization"]}
    for one in plan["types"]:
        fields = {name: one[name] for name in ("description", "inputs", "injectors")}
        yield {"kind": "credential_types", "name": one["name"], "fields": {"kind": "cloud", **fields}}
    yield from _credentials(plan, wanted, organization)
    image = wanted["execution_environment"]
    if image.get("name"):
        yield _image(image, wanted["mark"], organization)
    for one in plan["environments"]:
        yield from _instance_group(one)
    yield from (_notification(one, wanted["mark"], organization) for one in wanted["notifications"])
    yield _project(wanted, organization)
    for one in plan["environments"]:
        yield from _inventory(one, wanted, organization)
    yield from (_job_template(one, wanted) for one in plan["jobs"])
    for environment in plan["workflows"]:
        yield from _workflow(environment, plan["nodes"], wanted, organization)
    yield from (_schedule(one, wanted["mark"]) for one in plan["schedules"])


def _notification(one: Mapping[str, Any], mark: str, organization: str) -> Object:
    configuration = one["configuration"]
    fields = {"description": mark, "notification_type": one["type"], "notification_configuration": configuration}
    secret = {"secret": "notification_configuration", "hidden": list(filter(_CHANNEL_SECRET.search, configuration))}
    references = {"organization": organization}
    return {"kind": "notification_templates", "name": one["name"], "fields": fields, "references": references, **secret}


def _schedule(one: Mapping[str, Any], mark: str) -> Object:
    fields = {"description": mark, "rrule": one["rrule"], "extra_data": one["answers"]}
    fields |= {"limit": one.get("limit") or None, "enabled": one.get("enabled", True)}
    references = {"unified_job_template": f"{one['kind']}:{one['template']}"}
    return {"kind": "schedules", "name": one["name"], "fields": fields, "references": references}


def _credentials(plan: Mapping[str, Any], wanted: Mapping[str, Any], organization: str) -> Iterator[Object]:
    made = {one["name"] for one in plan["types"]}
    for name in sorted({one["type"] for one in plan["credentials"]} - made):
        option = "credentials of awx_environments"
        yield {"kind": "credential_types", "name": name, "exists": True, "named_by": option}
    for one in plan["credentials"]:
        found = {
            "kind": "credentials",
            "name": one["name"],
            "references": {"credential_type": f"credential_types:{one['type']}"},
        }
        if "inputs" in one:
            found["references"]["organization"] = organization
            found |= {"fields": {"description": wanted["mark"], "inputs": one["inputs"]}, "secret": "inputs"}
            found["hidden"] = one["hidden"]
        else:
            found |= {"exists": True, "named_by": "credentials of awx_environments"}
        yield found
    known = {one["name"] for one in plan["credentials"]}
    for option, name in not_of_jobs(wanted).items():
        if name not in known:
            known.add(name)
            yield {"kind": "credentials", "name": name, "exists": True, "named_by": option}


def not_of_jobs(wanted: Mapping[str, Any]) -> dict[str, str]:
    """The credentials that something other than a job uses, by the option that says so."""
    named = {
        "awx_execution_environment": wanted["execution_environment"].get("credential"),
        "awx_project": wanted["project"].get("credential"),
    }
    for one in wanted["environments"]:
        named[f"instance_group of {one['name']}"] = (one.get("instance_group") or {}).get("credential")
    return {option: name for option, name in named.items() if name}


def _credential(name: str | None) -> str | None:
    return f"credentials:{name}" if name else None


def _image(image: Mapping[str, Any], mark: str, organization: str) -> Object:
    if not image.get("image"):
        return {
            "kind": "execution_environments",
            "name": image["name"],
            "exists": True,
            "named_by": "awx_execution_environment",
        }
    return {
        "kind": "execution_environments",
        "name": image["name"],
        "fields": {"image": image["image"], "pull": image.get("pull") or "missing", "description": mark},
        "references": {"credential": _credential(image.get("credential")), "organization": organization},
        # Names are the whole controller's, and one's organisation never changes.
        "once": ["organization"],
    }


def group_of(environment: Mapping[str, Any]) -> str:
    """The name of the instance group that an environment's jobs run in."""
    return str((environment.get("instance_group") or {}).get("name") or environment["name"])


def _instance_group(environment: Mapping[str, Any]) -> Iterator[Object]:
    group = environment.get("instance_group") or {}
    found: Object = {"kind": "instance_groups", "name": group_of(environment)}
    if not group.get("create", True):
        yield {**found, "exists": True, "named_by": "awx_environments"}
        return
    for instance in group.get("instances") or []:
        yield {"kind": "instances", "name": instance, "exists": True, "named_by": "awx_environments"}
    container = bool(group.get("container"))
    found["fields"] = {name: group.get(name) or 0 for name in ("max_concurrent_jobs", "max_forks")}
    found["fields"]["is_container_group"] = container
    found["references"] = {"credential": _credential(group.get("credential"))}
    if container:
        found["fields"]["pod_spec_override"] = group.get("pod_spec") or ""
    elif group.get("instances"):
        found["fields"]["policy_instance_percentage"] = 0
        found["links"] = {"instances": [f"instances:{name}" for name in group["instances"]]}
    else:
        found["fields"]["policy_instance_percentage"] = 100
        if group.get("container") is None:
            # On Kubernetes no instance runs jobs, and a group of all instances would have none.
            found["in_containers"] = {"is_container_group": True, "policy_instance_percentage": 0}
    yield found


def _project(wanted: Mapping[str, Any], organization: str) -> Object:
    project = wanted["project"]
    fields = {"description": wanted["mark"], "scm_type": "git" if project.get("scm_url") else ""}
    if project.get("scm_url"):
        fields |= {
            "scm_url": project["scm_url"],
            "scm_branch": project.get("scm_branch") or "",
            "scm_clean": True,
            "scm_update_on_launch": bool(project.get("update_on_launch")),
        }
    else:
        # What a git project has and another may not, where it was one.
        fields |= {"local_path": project.get("local_path") or "", "scm_clean": False, "scm_update_on_launch": False}
    references = {"organization": organization, "credential": _credential(project.get("credential"))}
    return {"kind": "projects", "name": project["name"], "fields": fields, "references": references}


def _inventory(one: Mapping[str, Any], wanted: Mapping[str, Any], organization: str) -> Iterator[Object]:
    name, mark = one["name"], wanted["mark"]
    inventory = f"inventories:{name}"
    # A job of one environment never runs where another's do.
    fields = {"description": mark, "kind": "", "prevent_instance_group_fallback": True}
    if not one.get("source_path"):
        # A source brings them along, and would replace what was said here.
        fields["variables"] = _text(one.get("variables"))
    yield {
        "kind": "inventories",
        "name": name,
        "fields": fields,
        "references": {"organization": organization},
        "links": {"instance_groups": [f"instance_groups:{group_of(one)}"]},
    }
    if one.get("source_path"):
        yield {
            "kind": "inventory_sources",
            "name": name,
            "within": name,
            "fields": {
                **{"description": mark, "source": "scm", "source_path": one["source_path"]},
                **{"overwrite": True, "overwrite_vars": True, "update_on_launch": True},
            },
            "references": {
                **{"inventory": inventory, "source_project": f"projects:{wanted['project']['name']}"},
                "execution_environment": _image_of(wanted),
            },
        }
    for host, variables in (one.get("hosts") or {}).items():
        fields = {"description": mark, "variables": _text(variables)}
        found = {"kind": "hosts", "name": host, "within": name, "fields": fields}
        yield {**found, "references": {"inventory": inventory}}
    if one.get("hosts"):
        links = {"hosts": [f"hosts:{name}/{host}" for host in one["hosts"]]}
        found = {"kind": "groups", "name": "databases", "within": name, "links": links}
        yield {**found, "references": {"inventory": inventory}}


def _image_of(wanted: Mapping[str, Any]) -> str | None:
    name = wanted["execution_environment"].get("name")
    return f"execution_environments:{name}" if name else None


def _text(variables: Mapping[str, Any] | None) -> str:
    return json.dumps(variables, sort_keys=True) if variables else ""


def _notifications(wanted: Mapping[str, Any], *events: str) -> dict[str, list[str]]:
    return {
        f"notification_templates_{event}": [
            f"notification_templates:{one['name']}"
            for one in wanted["notifications"]
            if event in (one.get("events") or [])
        ]
        for event in events
    }


def _job_template(one: Mapping[str, Any], wanted: Mapping[str, Any]) -> Object:
    return {
        "kind": "job_templates",
        "name": one["name"],
        "fields": {
            **{name: one[name] for name in ("description", "job_type", "playbook")},
            # Who launches it may choose hosts of its inventory, and answer what it asks for, and nothing else.
            **{f"ask_{name}_on_launch": False for name in ASKS},
            "ask_limit_on_launch": True,
            # A slice ignores the limit, and one that is left with no host fails.
            "job_slice_count": 1,
            "allow_simultaneous": False,
            "survey_enabled": bool(one["survey"]),
        },
        "references": {
            "project": f"projects:{wanted['project']['name']}",
            "inventory": f"inventories:{one['environment']}",
            "execution_environment": _image_of(wanted),
        },
        "links": {
            "credentials": [f"credentials:{name}" for name in one["credentials"]],
            **_notifications(wanted, "error", "success", "started"),
        },
        "survey": one["survey"],
    }


def _workflow(name: str, nodes: list[Object], wanted: Mapping[str, Any], organization: str) -> Iterator[Object]:
    nodes = [one for one in nodes if one["workflow"] == name]
    environment = nodes[0]["environment"]
    yield {
        "kind": "workflow_job_templates",
        "name": name,
        "fields": {
            "description": f"The weekly backup, its drill, and what is due after somebody has agreed {wanted['mark']}",
            **{f"ask_{field}_on_launch": False for field in _WORKFLOW_ASKS},
            "ask_limit_on_launch": True,
            "allow_simultaneous": False,
        },
        "references": {"organization": organization, "inventory": f"inventories:{environment}"},
        "links": _notifications(wanted, "error", "approvals"),
    }
    for node in nodes:
        found: Object = {"kind": "workflow_job_template_nodes", "name": node["name"], "within": name}
        found["references"] = {"workflow_job_template": f"workflow_job_templates:{name}"}
        found["links"] = {
            "success_nodes": [f"workflow_job_template_nodes:{name}/{node['next']}"] if "next" in node else []
        }
        if "template" in node:
            found["references"]["unified_job_template"] = f"job_templates:{environment} {node['template']}"
        else:
            asked = f"{environment} cleanup: delete what the plan shows?"
            found["approval"] = {"name": asked, "timeout": wanted["approval_timeout"]}
        yield found
