"""The tables of the stand-in for a controller: their fields, what is unique, and what refers to what.

What fields there are and what they may be is in ``tests/data/awx/api.json``, the OPTIONS of a real controller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .awx_rules import Refusal

DATA = Path(__file__).parents[1] / "data" / "awx"
API: dict[str, Any] = json.loads((DATA / "api.json").read_text())

TEMPLATES = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
"""What has its ids from one sequence: the unified job templates."""
UNIQUE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "organizations": (("name",), "name"),
    "credential_types": (("name", "kind"), "__all__"),
    "credentials": (("organization", "name", "credential_type"), "__all__"),
    "execution_environments": (("name",), "name"),
    "inventories": (("name", "organization"), "__all__"),
    "hosts": (("name", "inventory"), "__all__"),
    "groups": (("name", "inventory"), "__all__"),
    "labels": (("name", "organization"), "__all__"),
    "projects": (("name", "organization"), "__all__"),
    "inventory_sources": (("name", "inventory"), "__all__"),
    "job_templates": (("name", "organization"), "__all__"),
    "workflow_job_templates": (("name", "organization"), "__all__"),
    "workflow_job_template_nodes": (("identifier", "workflow_job_template"), "__all__"),
    "notification_templates": (("name", "organization"), "__all__"),
    "instance_groups": (("name",), "name"),
    "schedules": (("name", "unified_job_template"), "__all__"),
}
OWNED = {
    "templates": (
        ("schedules", "unified_job_template", True),
        ("workflow_job_template_nodes", "workflow_job_template", True),
        ("workflow_job_template_nodes", "unified_job_template", False),
        ("job_templates", "project", False),
        ("inventory_sources", "source_project", True),
    ),
    "inventories": (
        *((name, "inventory", True) for name in ("hosts", "groups", "inventory_sources")),
        ("job_templates", "inventory", False),
    ),
}
"""By what is deleted: what refers to it, by which field, and whether that goes with it."""
REFERENCES = {
    "organization": "organizations",
    "inventory": "inventories",
    "project": "projects",
    "source_project": "projects",
    "credential_type": "credential_types",
    "execution_environment": "execution_environments",
    "default_environment": "execution_environments",
    "unified_job_template": "unified_job_templates",
    "workflow_job_template": "workflow_job_templates",
}
_NOTIFIED = {
    f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error", "approvals")
}
ASSOCIATED = {
    "credentials": "credentials",
    "labels": "labels",
    "instance_groups": "instance_groups",
    "galaxy_credentials": "credentials",
    "hosts": "hosts",
    "instances": "instances",
    "children": "groups",
    "success_nodes": "workflow_job_template_nodes",
    "failure_nodes": "workflow_job_template_nodes",
    "always_nodes": "workflow_job_template_nodes",
    **_NOTIFIED,
}
APPROVAL = (
    *("created", "description", "execution_environment", "id", "last_job_failed", "last_job_run", "modified", "name"),
    *("next_job_run", "related", "status", "summary_fields", "timeout", "type", "url"),
)
"""What an approval shows, which OPTIONS do not tell."""
OF_A_LAUNCH = ("event_processing_finished", "job", "job_args", "job_cwd", "job_env", "result_traceback")
EDGES = ("success_nodes", "failure_nodes", "always_nodes")

Record = dict[str, Any]


def specification(table: str) -> dict[str, Any]:
    found: dict[str, Any] = API["endpoints"].get("inventory" if table == "inventories" else table, {})
    return found


def value_of(name: str, spec: Mapping[str, Any], value: Any) -> Any:
    """One field's value, of the type that its description has."""
    kind = spec["type"]
    if value in (None, "") and kind == "id":
        return None
    if value is None and kind == "choice" and "" in spec.get("choices", ()):
        return ""
    wrong = {
        "id": not isinstance(value, int),
        "integer": value is not None and not isinstance(value, int),
        "boolean": value is not None and not isinstance(value, bool),
        "string": value is not None and not isinstance(value, str),
        "choice": value not in spec.get("choices", ()),
    }
    if wrong.get(kind) or (spec.get("required") and value in (None, "")):
        raise Refusal(name, f"{value!r} is not a valid {kind}.")
    if (
        kind == "integer"
        and value is not None
        and not spec.get("min_value", value) <= value <= spec.get("max_value", value)
    ):
        raise Refusal(name, f"{value} is out of bounds.")
    if kind == "string" and value and len(value) > spec.get("max_length", len(value)):
        raise Refusal(name, "is too long.")
    return value.strip() if kind == "string" and value else value
