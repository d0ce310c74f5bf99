"""What the stand-in for a controller asks of an object that refers to others."""

from __future__ import annotations

from collections.abc import Mapping

from . import awx_rules as rules
from .awx_rules import Refusal
from .awx_tables import EDGES, Record


class Checks:
    """The rules of each table, for whoever has the tables."""

    tables: dict[str, dict[int, Record]]
    associations: dict[tuple[str, int, str], list[int]]
    surveys: dict[int, Record]
    playbooks: Mapping[str, list[str]]

    def listed(self, table: str) -> list[Record]:
        """The objects of a table, by their ids."""
        raise NotImplementedError

    def find(self, table: str, number: str) -> Record:
        """Return one object of a table."""
        raise NotImplementedError

    def check(self, table: str, wanted: Record, existing: Record | None) -> None:
        """Raise the error with which a controller refuses a request."""
        if (
            table == "execution_environments"
            and existing
            and wanted["organization"] not in (*(None, existing["organization"]),)
        ):
            raise Refusal("organization", "Cannot change the organization of an execution environment")
        getattr(self, f"_check_{table}", lambda _wanted: None)(wanted)

    def check_change(self, table: str, given: Record, existing: Record) -> None:
        """Refuse what a controller would of a change, for which it looks at the request and not at what comes of it."""
        if table == "instance_groups":
            if given.get("credential") and not given.get("is_container_group"):
                raise Refusal("is_container_group", "must be True when associating a credential")
            if existing["is_container_group"] and given.get("policy_instance_percentage"):
                raise Refusal("policy_instance_percentage", "Containerized instances may not be managed via the API")
            if existing["name"] in ("default", "controlplane") and "is_container_group" in given:
                raise Refusal("is_container_group", "may not be changed")
        if table == "inventories" and given.get("kind"):
            raise Refusal("error", "You cannot turn a regular inventory into another.", 405)
        in_use = {one["credential_type"] for one in self.tables["credentials"].values()}
        if (
            table == "credential_types"
            and existing["id"] in in_use
            and given.get("inputs", existing["inputs"]) != existing["inputs"]
        ):
            raise Refusal("detail", "Modifications to inputs are not allowed for types that are in use", 403)

    def _check_credential_types(self, wanted: Record) -> None:
        rules.check_credential_type(wanted)

    def _check_credentials(self, wanted: Record) -> None:
        rules.check_credential(wanted, self.tables["credential_types"][wanted["credential_type"]])

    def _check_kind(self, field: str, number: int | None, kind: str) -> None:
        if number is not None:
            credential = self.find("credentials", str(number))
            if self.tables["credential_types"][credential["credential_type"]]["kind"] != kind:
                raise Refusal(field, f"Only credentials of the kind {kind} can be associated.")

    def _check_execution_environments(self, wanted: Record) -> None:
        self._check_kind("credential", wanted["credential"], "registry")

    def _check_instance_groups(self, wanted: Record) -> None:
        self._check_kind("credential", wanted["credential"], "kubernetes")
        if wanted["credential"] and not wanted["is_container_group"]:
            raise Refusal("is_container_group", "must be True when associating a credential")

    def _check_inventories(self, wanted: Record) -> None:
        rules.check_variables("variables", wanted["variables"])

    _check_hosts = _check_groups = _check_inventories

    def _check_notification_templates(self, wanted: Record) -> None:
        rules.check_notification(wanted)

    def _check_projects(self, wanted: Record) -> None:
        self._check_kind("credential", wanted["credential"], "scm")
        if wanted["scm_type"] in ("git", "svn", "archive") and not wanted["scm_url"]:
            raise Refusal("scm_url", "SCM URL is required.")
        if not wanted["scm_type"] and (wanted["scm_clean"] or wanted["scm_update_on_launch"]):
            raise Refusal("scm_clean", "Update options must be set to false for manual projects.")
        if not wanted["scm_type"] and wanted["local_path"] not in self.playbooks:
            raise Refusal("local_path", "This path does not exist.")
        wanted |= {"status": "pending" if wanted["scm_type"] else "ok", "scm_revision": ""}

    def _check_inventory_sources(self, wanted: Record) -> None:
        if wanted["source"] == "scm":
            project = self.tables["projects"].get(wanted["source_project"])
            if project is None:
                raise Refusal("source_project", "Project required for scm type sources.")
            if not project["scm_type"]:
                raise Refusal("source_project", "Cannot use manual project for SCM-based inventory.")

    def _check_job_templates(self, wanted: Record) -> None:
        project = self.tables["projects"].get(wanted["project"])
        if project is None:
            raise Refusal("project", "This field is required.")
        known = self.playbooks.get(project["name"] if project["scm_type"] else project["local_path"], ["*"])
        if project["scm_type"] and project["status"] in ("never updated", "pending"):
            known = []
        if not wanted["playbook"] or ("*" not in known and wanted["playbook"] not in known):
            raise Refusal("playbook", "Playbook not found for project.")
        if wanted["inventory"] is None and not wanted["ask_inventory_on_launch"]:
            raise Refusal("inventory", "Job Template must provide 'inventory' or allow prompting for it.")
        rules.check_variables("extra_vars", wanted["extra_vars"])

    def _check_workflow_job_templates(self, wanted: Record) -> None:
        rules.check_variables("extra_vars", wanted["extra_vars"])

    def _check_schedules(self, wanted: Record) -> None:
        rules.check_rrule(wanted["rrule"])
        self._check_prompts(wanted)

    def _check_prompts(self, wanted: Record) -> None:
        number = wanted["unified_job_template"]
        if number is not None:
            template = self.find("unified_job_templates", str(number))
            rules.check_prompts(template, self.surveys.get(number, {}), wanted)

    def _check_workflow_job_template_nodes(self, wanted: Record) -> None:
        # Whether a node answers the survey is looked at when the workflow is started.
        number = wanted["unified_job_template"]
        if number is not None and wanted["extra_data"]:
            self._check_prompts(wanted)

    def check_edge(self, table: str, record: Record, target: Record) -> None:
        nodes = [
            one["id"] for one in self.listed(table) if one["workflow_job_template"] == record["workflow_job_template"]
        ]
        children = {node: {child for edge in EDGES for child in self.associations[table, node, edge]} for node in nodes}
        children[record["id"]].add(target["id"])
        if record is target or rules.has_cycle(children):
            raise Refusal("Error", "Cycle detected.")
