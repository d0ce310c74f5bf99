"""A controller of AWX as a client meets it: a real HTTP server that takes and refuses what AWX 24.6 does.

What fields there are and what they may be is in ``tests/data/awx/api.json``, the OPTIONS of a real controller;
:mod:`.awx_rules` has the rest. Nothing is ever run.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from . import awx_rules as rules
from .awx_rules import Refusal

DATA = Path(__file__).parents[1] / "data" / "awx"
API: dict[str, Any] = json.loads((DATA / "api.json").read_text())
ROOT = "/api/v2/"

TEMPLATES = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
"""What has its ids from one sequence: the unified job templates."""
_UNIQUE: Mapping[str, tuple[tuple[str, ...], str]] = {
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
_REFERENCES = {
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
_ASSOCIATED = {
    "credentials": "credentials",
    "labels": "labels",
    "instance_groups": "instance_groups",
    "galaxy_credentials": "credentials",
    "hosts": "hosts",
    "children": "groups",
    "success_nodes": "workflow_job_template_nodes",
    "failure_nodes": "workflow_job_template_nodes",
    "always_nodes": "workflow_job_template_nodes",
    **_NOTIFIED,
}
_APPROVAL = (
    *("created", "description", "execution_environment", "id", "last_job_failed", "last_job_run", "modified", "name"),
    *("next_job_run", "related", "status", "summary_fields", "timeout", "type", "url"),
)
"""What an approval shows, which OPTIONS do not tell."""
_OF_A_LAUNCH = ("event_processing_finished", "job", "job_args", "job_cwd", "job_env", "result_traceback")
_EDGES = ("success_nodes", "failure_nodes", "always_nodes")

Record = dict[str, Any]


def _specification(table: str) -> dict[str, Any]:
    found: dict[str, Any] = API["endpoints"].get("inventory" if table == "inventories" else table, {})
    return found


class Controller:
    """The objects of a controller, and the server in front of them.

    :param playbooks: directories of manual projects and what is in them; a git project has ``*``.
    :param ids: the next id of a table, those of the unified job templates under that name.
    """

    def __init__(self, playbooks: Mapping[str, list[str]] | None = None, ids: Mapping[str, int] | None = None) -> None:
        self.tables: dict[str, dict[int, Record]] = defaultdict(dict)
        self.associations: dict[tuple[str, int, str], list[int]] = defaultdict(list)
        self.surveys: dict[int, Record] = {}
        self.requests: list[tuple[str, str]] = []
        self.secrets: dict[tuple[str, int], Record] = {}
        self.tokens = {"token"}
        self.passwords = {"admin": "password"}
        self.page_size = 25
        self.refuse: Callable[[str, str], int | None] = lambda _method, _path: None
        self._playbooks = playbooks or {}
        self._next = Counter({"unified_job_templates": 7, **(ids or {})})
        self._lock = threading.Lock()
        self._add_managed()

    def _add_managed(self) -> None:
        for number, one in enumerate((one for one in API["managed_credential_types"] if one["managed"]), 1):
            self.tables["credential_types"][number] = {"injectors": {}, **one, "id": number}
        self._next["credential_types"] = max(self._next["credential_types"], len(self.tables["credential_types"]) + 1)

    def __enter__(self) -> Controller:
        controller = self

        class Handler(_Handler):
            served = controller

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, table: str, name: str) -> Record:
        """The object of that name, as an answer shows it."""
        (found,) = (one for one in self._list(table) if one.get("name", one.get("identifier")) == name)
        return self.shown(found)

    def names(self, table: str) -> list[str]:
        """The names of all objects of a table that somebody made."""
        return sorted(one.get("name", one.get("identifier")) for one in self._list(table) if not one.get("managed"))

    def associated(self, table: str, name: str, kind: str) -> list[str]:
        """The names of what belongs to an object."""
        target = self.tables[_ASSOCIATED[kind]]
        numbers = self.associations[table, self.named(table, name)["id"], kind]
        return [target[number].get("name") or target[number]["identifier"] for number in numbers]

    def changes(self) -> list[tuple[str, str]]:
        """The requests so far that were to change something, by method and path."""
        return [one for one in self.requests if one[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and body; one request at a time."""
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
            return 200, self._page("me", [{"id": 1, "username": "admin"}], {})
        if not _specification(table) and table not in ("workflow_approval_templates", "unified_job_templates"):
            raise Refusal("detail", "Not found.", 404)
        if len(parts) == 1:
            if method == "GET":
                return 200, self._page(table, [one for one in self._list(table) if _matches(one, query)], query)
            if method != "POST":
                raise Refusal("detail", f'Method "{method}" not allowed.', 405)
            return 201, self.shown(self._create(table, body))
        record = self._find(table, parts[1])
        if len(parts) == 2:
            return self._one(method, table, record, body)
        return self._part(method, table, record, parts[2], query, body)

    def _one(self, method: str, table: str, record: Record, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self.shown(record)
        if method == "DELETE":
            self._delete(table, record)
            return 204, None
        if method in ("PATCH", "PUT"):
            self._save(table, {**self._plain(table, record), **self._typed(table, body, record)}, record)
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
        if part not in _ASSOCIATED or table == "workflow_approval_templates":
            raise Refusal("detail", "Not found.", 404)
        if method == "GET":
            members = [
                self.tables[_ASSOCIATED[part]][number] for number in self.associations[table, record["id"], part]
            ]
            return 200, self._page(f"{table}/{record['id']}/{part}", members, query)
        return self._associate(table, record, part, body)

    def _find(self, table: str, number: str) -> Record:
        found = next((one for one in self._list(table) if str(one["id"]) == number), None)
        if found is None:
            raise Refusal("detail", "Not found.", 404)
        return found

    def _list(self, table: str) -> list[Record]:
        tables = TEMPLATES if table == "unified_job_templates" else (table,)
        return sorted((one for name in tables for one in self.tables[name].values()), key=lambda one: one["id"])

    def _page(self, path: str, found: list[Record], query: dict[str, str]) -> Record:
        size, page = int(query.get("page_size", self.page_size)), int(query.get("page", 1))
        more = f"{ROOT}{path}/?" + urlencode({**query, "page": page + 1}) if len(found) > size * page else None
        shown = [self.shown(one) for one in found[size * (page - 1) : size * page]]
        return {"count": len(found), "next": more, "previous": None, "results": shown}

    def shown(self, record: Record) -> Record:
        """An object as an answer has it."""
        table = record.get("_table", "")
        if not table:
            return record
        url = f"{ROOT}{table}/{record['id']}/"
        parts = [name for name, _url in _specification(table).get("related", [])]
        related = {name: f"{url}{name}/" for name in parts}
        if number := record.get("unified_job_template"):
            related["unified_job_template"] = (
                f"{ROOT}{self._find('unified_job_templates', str(number))['_table']}/{number}/"
            )
        shown = dict.fromkeys(_specification(table).get("fields", _APPROVAL))
        hidden = {name for name, spec in _specification(table).get("POST", {}).items() if spec.get("write_only")}
        if "managed" in shown:
            shown["managed"] = False
        shown |= {name: value for name, value in record.items() if not name.startswith("_") and name not in hidden}
        kind = "inventory" if table == "inventories" else table.removesuffix("s")
        shown |= {"type": kind, "url": url, "related": related, "summary_fields": {}}
        if table == "credentials":
            secret = self._secret_inputs(record)
            shown["inputs"] = rules.encrypt(record["inputs"], lambda name: name in secret)
        if table == "notification_templates":
            given = record["notification_configuration"]
            shown["notification_configuration"] = rules.encrypt(given, rules.NOTIFICATION_SECRETS.__contains__)
        if table == "workflow_job_template_nodes":
            shown |= {edge: self.associations[table, record["id"], edge] for edge in _EDGES}
        return shown

    def _secret_inputs(self, record: Record) -> set[str]:
        fields = self.tables["credential_types"][record["credential_type"]]["inputs"].get("fields", [])
        return {one["id"] for one in fields if one.get("secret")}

    def _typed(self, table: str, body: Any, existing: Record | None) -> Record:
        """The fields of a body that the endpoint has, each as its description says."""
        taken: Record = {}
        for name, spec in _specification(table).get("POST", {}).items():
            if name in body:
                taken[name] = _value(name, spec, body[name])
                number, target = taken[name], _REFERENCES.get(name)
                if target and number is not None and all(one["id"] != number for one in self._list(target)):
                    raise Refusal(name, f'Invalid pk "{number}" - object does not exist.')
            elif existing is None:
                if spec.get("required"):
                    raise Refusal(name, "This field is required.")
                taken[name] = spec.get("default")
        return taken

    def _plain(self, table: str, record: Record) -> Record:
        return {name: value for name, value in record.items() if name in _specification(table).get("POST", {})}

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
        getattr(self, f"_check_{table}", lambda _wanted: None)(wanted)
        fields, told = _UNIQUE.get(table, ((), ""))
        for other in self.tables[table].values() if fields else ():
            if other is not existing and all(other.get(name) == wanted.get(name) for name in fields):
                raise Refusal(told, f"{table} with this {' and '.join(fields)} already exists.")
        if existing is None:
            return self._add(table, wanted)
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
        links = {
            "inventories": "inventory",
            "workflow_job_templates": "workflow_job_template",
            "organizations": "organization",
        }
        link = "unified_job_template" if table in TEMPLATES else links.get(table)
        for other, kind in _ASSOCIATED.items():
            if kind == table:
                for key, members in self.associations.items():
                    if key[2] == other and record["id"] in members:
                        members.remove(record["id"])
        for name in (
            ("schedules", "workflow_job_template_nodes", "hosts", "groups", "inventory_sources") if link else ()
        ):
            for number, one in list(self.tables[name].items()):
                if one.get(link or "") == record["id"]:
                    del self.tables[name][number]

    def _check_credential_types(self, wanted: Record) -> None:
        rules.check_credential_type(wanted)

    def _check_credentials(self, wanted: Record) -> None:
        rules.check_credential(wanted, self.tables["credential_types"][wanted["credential_type"]])

    def _check_inventories(self, wanted: Record) -> None:
        rules.check_variables("variables", wanted["variables"])

    _check_hosts = _check_groups = _check_inventories

    def _check_notification_templates(self, wanted: Record) -> None:
        rules.check_notification(wanted)

    def _check_projects(self, wanted: Record) -> None:
        if wanted["scm_type"] in ("git", "svn", "archive") and not wanted["scm_url"]:
            raise Refusal("scm_url", "SCM URL is required.")
        if not wanted["scm_type"] and wanted["local_path"] not in self._playbooks:
            raise Refusal("local_path", "This path does not exist.")
        wanted |= {"status": "successful" if wanted["scm_type"] else "ok", "scm_revision": ""}

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
        known = ["*"] if project["scm_type"] else self._playbooks[project["local_path"]]
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
            template = self._find("unified_job_templates", str(number))
            rules.check_prompts(template, self.surveys.get(number, {}), wanted)

    def _check_workflow_job_template_nodes(self, wanted: Record) -> None:
        # Whether a node answers the survey is looked at when the workflow is started.
        number = wanted["unified_job_template"]
        if number is not None and wanted["extra_data"]:
            self._check_prompts(wanted)

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
        job = dict.fromkeys([*API["endpoints"]["jobs"]["fields"], *_OF_A_LAUNCH]) | {
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
        target = self._find(_ASSOCIATED[part], str(body["id"]))
        if part == "credentials" and table == "job_templates":
            kinds = [self.tables["credentials"][number]["credential_type"] for number in members]
            if target["credential_type"] in kinds:
                raise Refusal("error", "Cannot assign multiple credentials of one type.")
        if part in _EDGES:
            self._check_edge(table, record, target)
        if target["id"] not in members:
            members.append(target["id"])
        return 204, None

    def _check_edge(self, table: str, record: Record, target: Record) -> None:
        nodes = [
            one["id"] for one in self._list(table) if one["workflow_job_template"] == record["workflow_job_template"]
        ]
        children = {
            node: {child for edge in _EDGES for child in self.associations[table, node, edge]} for node in nodes
        }
        children[record["id"]].add(target["id"])
        if record is target or rules.has_cycle(children):
            raise Refusal("Error", "Cycle detected.")


def _value(name: str, spec: Mapping[str, Any], value: Any) -> Any:
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
    return value


def _matches(record: Record, query: Mapping[str, str]) -> bool:
    """Whether a record is what a query asks for."""
    told, either = [], []
    for name, value in query.items():
        field, _separator, how = name.removeprefix("or__").partition("__")
        if field in ("page", "page_size"):
            continue
        found = str(record.get(field))
        if how not in ("", "endswith") or field not in {*record, "organization"}:
            raise Refusal("detail", f"{name} is no field to search by")
        good = found.endswith(value) if how else found == value
        (either if name.startswith("or__") else told).append(good)
    return all(told) and (not either or any(either))


class _Handler(BaseHTTPRequestHandler):
    served: Controller

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        path = unquote(url.path)
        if self._known() or path.rstrip("/") == ROOT.rstrip("/") + "/ping":
            status, answer = self.served.answer(
                self.command, path, dict(parse_qsl(url.query)), json.loads(body or b"{}")
            )
        else:
            status, answer = 401, {"detail": "Authentication credentials were not provided."}
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", API["version"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815 - names of http.server

    def _known(self) -> bool:
        kind, _space, value = (self.headers.get("Authorization") or "").partition(" ")
        if kind == "Bearer":
            return value in self.served.tokens
        if kind == "Basic":
            name, _colon, password = base64.b64decode(value).decode().partition(":")
            return self.served.passwords.get(name) == password
        return False

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
