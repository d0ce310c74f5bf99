"""The role's variables, and the module that it calls, without the seconds that a playbook takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from ansible_collections.mobul.backup.plugins.module_utils._ansible.awx_client import AwxClient
from ansible_collections.mobul.backup.plugins.module_utils._core.controller.run import run_awx_objects
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.plugin_utils.awx_plan import make_plan

from .awx_api import Controller
from .programs import PROJECT

TOKEN = "canary-77aa"
ROLE = PROJECT / "roles" / "awx"


def _loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROLE / name).read_text())
    return found


PRODUCT = {**_loaded("vars/main/credential_types.yml"), **_loaded("vars/main/job_templates.yml")}
SPECS = _loaded("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
DEFAULTS = {name: value for name, value in _loaded("defaults/main.yml").items() if "lookup(" not in str(value)}


def plan_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The plan that the filter makes of the role's variables."""
    given = {**DEFAULTS, **variables}
    return make_plan(
        {
            **{name: given[f"awx_{name}"] for name in ("environments", "templates", "schedules", "notifications")},
            **{name: given[f"awx_{name}"] for name in ("project", "organization", "execution_environment")},
            "specs": SPECS,
            "approval_timeout": given["awx_approval_timeout"],
            "mark": mark_of(given),
            "credential_types": PRODUCT["awx__credential_types"],
            "job_templates": PRODUCT["awx__job_templates"],
            "workflow": PRODUCT["awx__workflow"],
            "inventory": given.get("inventory", []),
        }
    )


def mark_of(variables: Mapping[str, Any]) -> str:
    """The mark at the end of a description by which the role knows its objects."""
    return f"[mobul.backup.awx for {variables['awx_organization']}]"


def options_of(controller: Controller, variables: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """The options that the role gives the module."""
    plan = plan_of(variables)
    if plan["problems"]:
        raise ValueError(plan["problems"][0])
    given = {**DEFAULTS, **variables}
    return {
        "controller_host": controller.url,
        "controller_oauthtoken": TOKEN,
        "organization": given["awx_organization"],
        "mark": mark_of(given),
        "objects": plan["objects"],
        **options,
    }


def bring(
    controller: Controller, variables: Mapping[str, Any], *, check_mode: bool = False, **options: Any
) -> dict[str, Any]:
    """Bring a controller to the state of *variables*, as the role does; what the module tells.

    :param options: of the module, other than the role's variables have them.
    """
    defaults = {"validate_certs": True, "remove": False, "update_secrets": False, "project_timeout": 5.0}
    given = {**defaults, **options_of(controller, variables, **options)}
    try:
        return run_awx_objects(given, check_mode, connect=lambda: AwxClient(given))
    except BackupError as error:
        return {"failed": True, "msg": str(error), "changed": error.changed, "changes": [], **(error.report or {})}
