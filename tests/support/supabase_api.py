"""A stand-in for Supabase's management API: a real server that takes and gives nothing but what is described.

``tests/data/supabase-management-api.json`` is the platform's own description of the operations. Requests that it does
not allow, and answers of ours that it does not, are :attr:`SupabaseApi.problems`, of which a test has none. What it
does not say is as it was met: 400 with a text where a project lacks something, 429 with the limit's headers, and states
that a project goes through after a restore was asked for.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jsonschema

from .loopback import Loopback
from .programs import PROJECT

REF = "abcdefghijklmnopqrst"
FOREIGN_REF = "zyxwvutsrqponmlkjihg"
TOKEN = "sbp_canary0canary0canary0canary0canary0canary0"
BY_HAND = {400, 404}
"""Statuses that are met, and not described for most operations."""
NO_PITR = "PITR is not enabled for this project."
UNAVAILABLE = "This endpoint is unavailable at the moment"
_BACKUPS = "/v1/projects/{ref}/database/backups"


@cache
def description() -> dict[str, Any]:
    """The platform's description, with its references followed."""
    text = (PROJECT / "tests" / "data" / "supabase-management-api.json").read_text()
    document: dict[str, Any] = json.loads(text)
    schemas = document["components"]["schemas"]

    def follow(value: Any) -> Any:
        if isinstance(value, list):
            return [follow(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return follow(schemas[value["$ref"].rpartition("/")[2]])
        found = {name: follow(one) for name, one in value.items()}
        if found.pop("nullable", False) is True:
            found["type"] = [found["type"], "null"]
        return found

    return {path: follow(methods) for path, methods in document["paths"].items()}


def answer_schema(path: str, method: str, status: int) -> Any:
    """What an answer has to look like; None where it is empty."""
    told = description()[path][method]["responses"].get(str(status), {})
    return told.get("content", {}).get("application/json", {}).get("schema")


def sample(schema: Mapping[str, Any]) -> Any:
    """A value that fits a schema of the description."""
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "array":
        return [sample(schema["items"])]
    if "example" in schema:
        return schema["example"]
    if isinstance(kind, list):
        return None
    return {"integer": 1, "boolean": True}.get(str(kind), "2026-11-23T04:00:00Z")


@dataclass
class Reply:
    """An answer that is given whatever is asked; status 0 hangs up after the request was read."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    carried_out: bool = False


@dataclass
class FakeProject:
    """A project and what the platform keeps of it.

    :param states: which the project shows from now on, one each time that it is looked at; the last one stays.
    :param after_restore: the states that follow when a restore was taken.
    :param restored: what was asked for: path and document.
    """

    name: str = "shop"
    states: list[str] = field(default_factory=lambda: ["ACTIVE_HEALTHY"])
    after_restore: list[str] = field(
        default_factory=lambda: ["ACTIVE_HEALTHY", "RESTORING", "RESTORING", "ACTIVE_HEALTHY"]
    )
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc) - timedelta(days=400))
    backups: list[dict[str, Any]] = field(default_factory=list)
    pitr: bool = False
    window: dict[str, int] = field(default_factory=dict)
    schedule: str | None = "04:00:00"
    offers_points: bool = True
    points: dict[str, dict[str, Any]] = field(default_factory=dict)
    point_states: list[str] = field(default_factory=lambda: ["PENDING", "AVAILABLE"])
    restored: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def with_daily(self, days: int, *, physical: bool = True, status: str = "COMPLETED") -> FakeProject:
        """A backup of each of the last days, the newest some hours old."""
        now = datetime.now(timezone.utc)
        self.backups = [
            {
                "id": 1000 - day,
                "is_physical_backup": physical,
                "status": status,
                "inserted_at": f"{now - timedelta(days=day, hours=5):%Y-%m-%dT%H:%M:%S.000Z}",
            }
            for day in range(days)
        ]
        return self

    def with_pitr(self, days: float = 7, *, behind: float = 120) -> FakeProject:
        """Point-in-time recovery so far back, up to some seconds ago."""
        now = time.time()
        self.pitr, self.backups = True, []
        self.window = {
            "earliest_physical_backup_date_unix": int(now - days * 86400),
            "latest_physical_backup_date_unix": int(now - behind),
        }
        return self

    def state(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


class SupabaseApi(Loopback):
    """The API on a port of loopback; a context manager.

    :ivar projects: by reference.
    :ivar tokens: token -> the references of the projects that it may ask about.
    :ivar limit: how many requests are answered; what is beyond it gets 429 until :attr:`refused` were.
    :ivar replies: answers that are given, one by one, before anything is looked at.
    :ivar before_post: called when something is asked to be done, before it is looked at.
    :ivar requests: method and path with query of each.
    :ivar problems: what was not as described.
    """

    def __init__(self) -> None:
        self.projects: dict[str, FakeProject] = {REF: FakeProject(), FOREIGN_REF: FakeProject()}
        self.tokens: dict[str, set[str]] = {TOKEN: {REF}}
        self.limit = 120
        self.refused = 1
        self.reset = "20"
        self.replies: list[Reply] = []
        self.before_post: Callable[[], None] = lambda: None
        self.requests: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self._lock = threading.Lock()
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)), 0.005)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def project(self) -> FakeProject:
        return self.projects[REF]

    @property
    def options(self) -> dict[str, Any]:
        """The options with which a module reads :attr:`project`."""
        return {"project_ref": REF, "access_token": TOKEN, "api_url": self.url}

    @property
    def posts(self) -> list[str]:
        return [path for method, path in self.requests if method == "POST"]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer to a request."""
        with self._lock:
            self.requests.append((method, target))
            if method == "POST":
                self.before_post()
            forced = self.replies.pop(0) if self.replies else None
            if forced is not None and not forced.carried_out:
                return forced
            reply = self._checked(method, target, headers, body)
            return reply if forced is None else forced

    def _checked(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        parts = urllib.parse.urlsplit(target)
        found = _operation(method, parts.path)
        if found is None:
            self.problems.append(f"no such operation: {method} {target}")
            return _told(404, f"Cannot {method} {parts.path}")
        path, operation, names = found
        wrong = list(_request_problems(operation, names, urllib.parse.parse_qs(parts.query), headers, body))
        self.problems += [f"{method} {target}: {problem}" for problem in wrong]
        if wrong:
            return _told(400, "; ".join(wrong))
        reply = self._limited() or self._denied(headers, names.get("ref"))
        if reply is None:
            document = json.loads(body) if body else {}
            query = urllib.parse.parse_qs(parts.query)
            reply = self._operate(path, method.lower(), names.get("ref", ""), document, query)
        self.problems += [f"answer to {method} {target}: {one}" for one in _answer_problems(path, method, reply)]
        return reply

    def _limited(self) -> Reply | None:
        if self.limit > 0 or self.refused == 0:
            self.limit -= 1
            return None
        self.refused -= 1
        headers = {"X-RateLimit-Limit": "120", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": self.reset}
        return Reply(429, '{"message": "ThrottlerException: Too Many Requests"}', headers)

    def _denied(self, headers: Mapping[str, str], ref: str | None) -> Reply | None:
        scheme, _between, token = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            # Some servers quote what they were given.
            return _told(401, f"Unauthorized: {token}")
        if ref is not None and ref not in self.tokens[token]:
            return _told(403, "Your account does not have the necessary privileges to access this endpoint.")
        return None if ref is None or ref in self.projects else _told(404, "Project not found")

    def _operate(
        self, path: str, method: str, ref: str, document: dict[str, Any], query: dict[str, list[str]]
    ) -> Reply:
        project = self.projects.get(ref)
        if project is None or not path.startswith("/v1/projects/{ref}"):
            return _sampled(path, method)
        if (path, method) == ("/v1/projects/{ref}", "get"):
            return _json(200, _project(ref, project))
        if (path, method) == (_BACKUPS, "get"):
            return _json(200, _backups(project))
        if path == f"{_BACKUPS}/schedule" and method == "get":
            if project.schedule is None:
                return _told(404, "Backup schedule not found")
            return _json(200, {"schedule_for": project.schedule, "updated_at": "2026-05-04T14:40:44+00:00"})
        if path == f"{_BACKUPS}/restore-point":
            return _point(project, document, query) if method == "post" else _get_point(project, query)
        if path.startswith(f"{_BACKUPS}/") and method == "post":
            return _restore(project, path.removeprefix(_BACKUPS), document)
        return _sampled(path, method)


def _operation(method: str, path: str) -> tuple[str, dict[str, Any], dict[str, str]] | None:
    for template, methods in description().items():
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        match = re.fullmatch(pattern, path)
        if match and method.lower() in methods:
            return template, methods[method.lower()], match.groupdict()
    return None


def _request_problems(
    operation: Mapping[str, Any],
    names: Mapping[str, str],
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    body: bytes,
) -> Iterator[str]:
    known = {one["name"]: one for one in operation.get("parameters", ())}
    given = {**{name: [value] for name, value in names.items()}, **query}
    for name, values in given.items():
        if name not in known or len(values) != 1:
            yield f"{name}: not described"
        else:
            yield from _mismatches(values[0], known[name]["schema"], name)
    yield from (f"{name}: missing" for name, one in known.items() if one["required"] and name not in given)
    wanted = operation.get("requestBody")
    if wanted is None:
        if body:
            yield "a body: not described"
    elif not headers.get("Content-Type", "").startswith("application/json"):
        yield "the body is not application/json"
    else:
        yield from _mismatches(json.loads(body), wanted["content"]["application/json"]["schema"], "body")


def _answer_problems(path: str, method: str, reply: Reply) -> Iterator[str]:
    operation = description()[path][method.lower()]
    if str(reply.status) not in operation["responses"] and reply.status not in BY_HAND:
        yield f"{reply.status}: not described"
    schema = answer_schema(path, method.lower(), reply.status)
    if schema is not None:
        yield from _mismatches(json.loads(reply.body), schema, "answer")
    elif reply.status < 300 and reply.body:
        yield "a body: not described"


def _mismatches(value: Any, schema: Mapping[str, Any], where: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{where}{error.json_path[1:]}: {error.message}" for error in validator.iter_errors(value)]


def _project(ref: str, project: FakeProject) -> dict[str, Any]:
    version = {"version": "17.6.1.063", "postgres_engine": "17", "release_channel": "ga"}
    return {
        "id": ref,
        "ref": ref,
        "organization_id": "tsrqponmlkjihgfedcba",
        "organization_slug": "tsrqponmlkjihgfedcba",
        "name": project.name,
        "region": "eu-central-1",
        "created_at": f"{project.created:%Y-%m-%dT%H:%M:%S.123456Z}",
        "status": project.state(),
        "database": {"host": f"db.{ref}.supabase.co", **version},
    }


def _backups(project: FakeProject) -> dict[str, Any]:
    return {
        "region": "eu-central-1",
        "walg_enabled": True,
        "pitr_enabled": project.pitr,
        "backups": project.backups,
        "physical_backup_data": project.window,
    }


def _get_point(project: FakeProject, query: Mapping[str, list[str]]) -> Reply:
    if not project.offers_points:
        return _told(400, UNAVAILABLE)
    names = query.get("name", list(project.points)[-1:])
    if not names or names[0] not in project.points:
        return _told(404, "Restore point not found")
    point = project.points[names[0]]
    states = point["states"]
    status = states.pop(0) if len(states) > 1 else states[0]
    completed = "2026-11-23T04:00:01+00:00" if status == "AVAILABLE" else None
    return _json(200, {"name": names[0], "status": status, "completed_on": completed})


def _point(project: FakeProject, document: Mapping[str, Any], _query: Mapping[str, list[str]]) -> Reply:
    if not project.offers_points:
        return _told(400, UNAVAILABLE)
    if not project.pitr:
        return _told(400, NO_PITR)
    name = document["name"]
    if name in project.points:
        return _told(400, "A restore point of this name exists")
    project.points[name] = {"states": list(project.point_states)}
    return _json(201, {"name": name, "status": "PENDING", "completed_on": None})


def _restore(project: FakeProject, path: str, document: dict[str, Any]) -> Reply:
    """A restore is taken by an empty answer; the project's states tell the rest."""
    if path == "/restore-pitr":
        if not project.pitr:
            return _told(400, NO_PITR)
        first, last = project.window.values()
        # 0 means now.
        if document["recovery_time_target_unix"] and not first <= document["recovery_time_target_unix"] <= last:
            return _told(400, f"Recovery target must be between {first} and {last}")
    if path == "/restore" and document["id"] not in [one["id"] for one in project.backups if one["is_physical_backup"]]:
        return _told(400, UNAVAILABLE)
    if path == "/undo" and document["name"] not in project.points:
        return _told(400, "Restore point not found")
    project.restored.append((path, document))
    project.states = list(project.after_restore)
    return Reply(201)


def _sampled(path: str, method: str) -> Reply:
    status = next(int(code) for code in description()[path][method]["responses"] if code.startswith("2"))
    schema = answer_schema(path, method, status)
    return Reply(status) if schema is None else _json(status, sample(schema))


def _json(status: int, document: Any) -> Reply:
    return Reply(status, json.dumps(document))


def _told(status: int, message: str) -> Reply:
    return _json(status, {"message": message})


def _handler(api: SupabaseApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = api.answer(self.command, self.path, dict(self.headers), body)
            if reply.status == 0:
                self.close_connection = True
                return
            data = reply.body.encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(data)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._any
            raise AttributeError(name)

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler
