"""The kinds of objects, as the API of a controller has them (AWX 24.6, ``/api/v2/``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of object of the controller's API.

    :param title: what a person calls it.
    :param within: the reference to what a name is unique in; empty where it is the whole controller.
    :param asked_by: the query, by the organisation's id, that tells all objects of an organisation; empty for all.
    :param identity: the field that is the name.
    :param links: what belongs to an object beside its fields.
    """

    title: str
    within: str = ""
    asked_by: str = "organization"
    identity: str = "name"
    links: tuple[str, ...] = ()


_NOTIFIED = ("notification_templates_started", "notification_templates_success", "notification_templates_error")

KINDS: dict[str, Kind] = {
    "organizations": Kind("organisation", asked_by=""),
    "credential_types": Kind("credential type", asked_by=""),
    "credentials": Kind("credential", within="credential_type"),
    "execution_environments": Kind("execution environment", asked_by=""),
    "instances": Kind("instance", asked_by="", identity="hostname"),
    "instance_groups": Kind("instance group", asked_by="", links=("instances",)),
    "notification_templates": Kind("notification template"),
    "projects": Kind("project"),
    "inventories": Kind("inventory", links=("instance_groups",)),
    "inventory_sources": Kind("inventory source", within="inventory", asked_by="inventory__organization"),
    "hosts": Kind("host", within="inventory", asked_by="inventory__organization"),
    "groups": Kind("group", within="inventory", asked_by="inventory__organization", links=("hosts",)),
    "job_templates": Kind("job template", links=("credentials", *_NOTIFIED)),
    "workflow_job_templates": Kind("workflow", links=(*_NOTIFIED, "notification_templates_approvals")),
    "workflow_job_template_nodes": Kind(
        "workflow node",
        within="workflow_job_template",
        asked_by="workflow_job_template__organization",
        identity="identifier",
        links=("success_nodes",),
    ),
    "schedules": Kind("schedule", asked_by="unified_job_template__organization"),
}
"""In the order in which they are made: each comes after what it refers to."""

MARKED = (
    *("schedules", "workflow_job_templates", "job_templates", "notification_templates", "hosts", "inventory_sources"),
    *("inventories", "projects", "execution_environments", "credentials"),
)
"""What a description marks as ours, in the order in which it can be removed. Types of credentials, instance groups and
the organisation are other people's, too, and stay."""
