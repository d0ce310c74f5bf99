"""A controller of AWX as a client meets it: a real HTTP server that takes and refuses what AWX 24.6 does.

What fields there are and what they may be is in ``tests/data/awx/api.json``, the OPTIONS of a real controller;
:mod:`.awx_rules` has the rest. Nothing is ever run.
"""

from __future__ import annotations

import ssl
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import awx_rules as rules
from .awx_answers import Answers
from .awx_checks import Checks
from .awx_rules import Refusal
from .awx_server import ROOT, serve
from .awx_tables import (
    API,
    ASSOCIATED,
    DATA,
    EDGES,
    OF_A_LAUNCH,
    OWNED,
    REFERENCES,
    TEMPLATES,
    UNIQUE,
    Record,
    specification,
    value_of,
)

__all__ = ["DATA", "ROOT", "Controller"]

_UNDESCRIBED = ("workflow_approval_templates", "unified_job_templates", "instances")
"""Tables that the recorded OPTIONS do not have."""


class Controller(Checks, Answers):
    """The objects of a controller, and the server in front of them.

    :param playbooks: directories of manual projects and what is in them, and names of git projects and what is in
        these; another git project has ``*``.
    :param on_kubernetes: whether its jobs run in containers of a cluster.
    :param ids: the next id of a table, those of the unified job templates under that name.
    """

    def __init__(
        self,
        playbooks: Mapping[str, list[str]] | None = None,
        ids: Mapping[str, int] | None = None,
        on_kubernetes: bool = False,
    ) -> None:
        self.tables: dict[str, dict[int, Record]] = defaultdict(dict)
        self.associations: dict[tuple[str, int, str], list[int]] = defaultdict(list)
        self.surveys: dict[int, Record] = {}
        self.requests: list[tuple[str, str]] = []
        self.secrets: dict[tuple[str, int], Record] = {}
        self.tokens = {"canary-77aa"}
        self.passwords = {"admin": "password"}
        self.page_size, self.largest_page = 25, 200
        self.version = API["version"]
        self.refuse: Callable[[str, str], int | None] = lambda _method, _path: None
        self.playbooks = playbooks or {}
        self.looks = 1
        """How often somebody looks at a git project until it is fetched."""
        self.fetched_as = "successful"
        self._next = Counter({"unified_job_templates": 7, **(ids or {})})
        self._lock = threading.Lock()
        self._add_managed(on_kubernetes)

    def _add_managed(self, on_kubernetes: bool) -> None:
        for number, one in enumerate((one for one in API["managed_credential_types"] if one["managed"]), 1):
            self.tables["credential_types"][number] = {"injectors": {}, **one, "id": number}
        self._next["credential_types"] = max(self._next["credential_types"], len(self.tables["credential_types"]) + 1)
        for number, (name, contained) in enumerate((("controlplane", False), ("default", on_kubernetes)), 1):
            group = {"id": number, "name": name, "is_container_group": contained, "credential": None}
            self.tables["instance_groups"][number] = {
                **group,
                "policy_instance_percentage": 0,
                "_table": "instance_groups",
            }
        self._next["instance_groups"] = max(self._next["instance_groups"], 3)

    def __enter__(self) -> Controller:
        self._server = serve(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def encrypt(self, certificate: Path, key: Path) -> None:
        """Use TLS for all further connections."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http://", "https://")

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, table: str, name: str) -> Record:
        """The object of that name, as an answer shows it."""
        (found,) = (one for one in self.listed(table) if one.get("name", one.get("identifier")) == name)
        return self.shown(found)

    def names(self, table: str) -> list[str]:
        """The names of all objects of a table that somebody made."""
        return sorted(one.get("name", one.get("identifier")) for one in self.listed(table) if not one.get("managed"))

    def associated(self, table: str, name: str, kind: str) -> list[str]:
        """The names of the objects that are associated with an object."""
        target = self.tables[ASSOCIATED[kind]]
        numbers = self.associations[table, self.named(table, name)["id"], kind]
        return [target[number].get("name") or target[number]["identifier"] for number in numbers]

    def changes(self) -> list[tuple[str, str]]:
        """The requests so far that were to change something, by method and path."""
        return [one for one in self.requests if one[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Return the status and body for a request; one request at a time."""
        with self._lock:
            self.requests.append((method, path))
            try:
                if status := self.refuse(method, path):
                    raise Refusal("detail", "refused by the test", status)
                return self._answer(method, path.removeprefix(ROOT).strip("/").split("/"), query, body)
            except Refusal as refusal:
                return refusal.status, refusal.body

    def _answer(self, method: str, parts: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        table = parts[0]
        if table == "me":
            return 200, self.page("me", [{"id": 1, "username": "admin"}], {})
        if not specification(table) and table not in _UNDESCRIBED:
            raise Refusal("detail", "Not found.", 404)
        if len(parts) == 1:
            if method == "GET":
                return 200, self.page(table, [one for one in self.listed(table) if self.matches(one, query)], query)
            if method != "POST":
                raise Refusal("detail", f'Method "{method}" not allowed.', 405)
            return 201, self.shown(self._create(table, body))
        record = self.find(table, parts[1])
        if len(parts) == 2:
            return self._one(method, table, record, body)
        return self._part(method, table, record, parts[2], query, body)

    def _one(self, method: str, table: str, record: Record, body: Any) -> tuple[int, Any]:
        if method == "GET":
            if table == "projects":
                self._fetch(record)
            return 200, self.shown(record)
        if method == "DELETE":
            if table == "inventories":
                # That takes a while, in which it is still there.
                if record.get("pending_deletion"):
                    raise Refusal("error", "Inventory is already pending deletion.")
                record["pending_deletion"] = True
                return 202, None
            self._delete(table, record)
            return 204, None
        if method in ("PATCH", "PUT"):
            given = body if table == "workflow_approval_templates" else self._typed(table, body, record)
            self.check_change(table, given, record)
            self._save(table, {**self._plain(table, record), **given}, record)
            return 200, self.shown(record)
        raise Refusal("detail", f'Method "{method}" not allowed.', 405)

    def _part(
        self, method: str, table: str, record: Record, part: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if part == "survey_spec":
            return self._survey(method, record, body)
        if part == "launch":
            return self._launch(record, body)
        if part == "create_approval_template":
            made = self._add("workflow_approval_templates", {"description": "", "timeout": 0, **body})
            record["unified_job_template"] = made["id"]
            return 201, self.shown(made)
        if part in ("schedules", "workflow_nodes") and method == "POST":
            kind, link = ("schedules", "unified_job_template")
            if part == "workflow_nodes":
                kind, link = ("workflow_job_template_nodes", "workflow_job_template")
            return 201, self.shown(self._create(kind, {**body, link: record["id"]}))
        if part not in ASSOCIATED or table == "workflow_approval_templates":
            raise Refusal("detail", "Not found.", 404)
        if method == "GET":
            members = [self.tables[ASSOCIATED[part]][number] for number in self.associations[table, record["id"], part]]
            return 200, self.page(f"{table}/{record['id']}/{part}", members, query)
        return self._associate(table, record, part, body)

    def _fetch(self, project: Record) -> None:
        if (project["scm_type"] and project["status"] == "never updated") or project["status"] == "pending":
            project["looks"] = project.get("looks", 0) + 1
            project["status"] = self.fetched_as if project["looks"] >= self.looks else "pending"

    def finish_removals(self) -> None:
        """Remove the objects whose removal is pending."""
        for record in list(self.tables["inventories"].values()):
            if record.get("pending_deletion"):
                self._delete("inventories", record)

    def find(self, table: str, number: str) -> Record:
        found = next((one for one in self.listed(table) if str(one["id"]) == number), None)
        if found is None:
            raise Refusal("detail", "Not found.", 404)
        return found

    def listed(self, table: str) -> list[Record]:
        tables = TEMPLATES if table == "unified_job_templates" else (table,)
        return sorted((one for name in tables for one in self.tables[name].values()), key=lambda one: one["id"])

    def _typed(self, table: str, body: Any, existing: Record | None) -> Record:
        """The fields of a body that the endpoint has, each as its description says."""
        taken: Record = {}
        for name, spec in specification(table).get("POST", {}).items():
            if name in body:
                taken[name] = value_of(name, spec, body[name])
                number, target = taken[name], REFERENCES.get(name)
                if target and number is not None and all(one["id"] != number for one in self.listed(target)):
                    raise Refusal(name, f'Invalid pk "{number}" - object does not exist.')
            elif existing is None:
                if spec.get("required"):
                    raise Refusal(name, "This field is required.")
                taken[name] = spec.get("default")
        return taken

    def _plain(self, table: str, record: Record) -> Record:
        return {name: value for name, value in record.items() if name in specification(table).get("POST", {})}

    def _create(self, table: str, body: Any) -> Record:
        wanted = self._typed(table, body, None)
        return self._save(table, wanted, None)

    def _save(self, table: str, wanted: Record, existing: Record | None) -> Record:
        if table == "job_templates":
            wanted["organization"] = (self.tables["projects"].get(wanted["project"]) or {}).get("organization")
        if table == "tokens":
            wanted |= {"token": f"token-{len(self.tokens)}"}
            self.tokens.add(wanted["token"])
        self._keep_secrets(table, wanted, existing)
        self.check(table, wanted, existing)
        fields, told = UNIQUE.get(table, ((), ""))
        for other in self.tables[table].values() if fields else ():
            if other is not existing and all(other.get(name) == wanted.get(name) for name in fields):
                raise Refusal(told, f"{table} with this {' and '.join(fields)} already exists.")
        if existing is None:
            return self._add(table, wanted)
        if table == "projects" and any(existing.get(name) != wanted.get(name) for name in ("scm_url", "scm_branch")):
            wanted |= {"status": "pending", "looks": 0}
        existing |= wanted
        return existing

    def _keep_secrets(self, table: str, wanted: Record, existing: Record | None) -> None:
        name = {"credentials": "inputs", "notification_templates": "notification_configuration"}.get(table)
        if name and existing:
            before = existing[name]
            wanted[name] = {
                key: before[key] if value == rules.ENCRYPTED else value for key, value in wanted[name].items()
            }

    def _add(self, table: str, record: Record) -> Record:
        sequence = "unified_job_templates" if table in TEMPLATES else table
        number = self._next[sequence] or 1
        self._next[sequence] = number + 1
        self.tables[table][number] = {**record, "id": number, "_table": table}
        return self.tables[table][number]

    def _delete(self, table: str, record: Record) -> None:
        if table == "credential_types" and any(
            one["credential_type"] == record["id"] for one in self.tables["credentials"].values()
        ):
            raise Refusal("detail", "Credential types that are in use cannot be deleted.", 403)
        del self.tables[table][record["id"]]
        for other, kind in ASSOCIATED.items():
            if kind == table:
                for key, members in self.associations.items():
                    if key[2] == other and record["id"] in members:
                        members.remove(record["id"])
        for name, link, goes_along in OWNED.get("templates" if table in TEMPLATES else table, ()):
            for one in list(self.tables[name].values()):
                if one.get(link) == record["id"]:
                    one[link] = None
                    if goes_along:
                        self._delete(name, one)

    def _survey(self, method: str, record: Record, body: Any) -> tuple[int, Any]:
        if method == "POST":
            rules.check_survey(body)
            self.surveys[record["id"]] = body
        elif method == "DELETE":
            self.surveys.pop(record["id"], None)
        return 200, self.surveys.get(record["id"], {}) if method == "GET" else None

    def _launch(self, record: Record, body: Any) -> tuple[int, Any]:
        spec = self.surveys.get(record["id"], {})
        given = body.get("extra_vars", {})
        if errors := list(rules.survey_errors(spec, given)):
            raise Refusal("variables_needed_to_start", errors[0])
        ignored = set(given) - {one["variable"] for one in spec.get("spec", [])}
        job = dict.fromkeys([*API["endpoints"]["jobs"]["fields"], *OF_A_LAUNCH]) | {
            "id": 1,
            "job": 1,
            "type": "job",
        }
        return 201, {**job, "ignored_fields": {"extra_vars": {name: given[name] for name in ignored}}}

    def _associate(self, table: str, record: Record, part: str, body: Any) -> tuple[int, Any]:
        members = self.associations[table, record["id"], part]
        if body.get("disassociate"):
            if body["id"] in members:
                members.remove(body["id"])
            return 204, None
        target = self.find(ASSOCIATED[part], str(body["id"]))
        if part == "credentials" and table == "job_templates":
            kind = self.tables["credential_types"][target["credential_type"]]["kind"]
            if kind not in ("ssh", "vault", "cloud", "net", "kubernetes"):
                raise Refusal("error", f"Cannot assign a Credential of kind `{kind}`.")
            kinds = [self.tables["credentials"][number]["credential_type"] for number in members]
            if target["credential_type"] in kinds:
                raise Refusal("error", "Cannot assign multiple credentials of one type.")
        if part in EDGES:
            self.check_edge(table, record, target)
        if target["id"] not in members:
            members.append(target["id"])
        return 204, None
