"""The client of Supabase's API, against a server that takes and gives nothing but what is described."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase import backups as managed
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.access import Access
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.client import ApiError, Client
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.project import read_project
from support.supabase_api import FOREIGN_REF, REF, TOKEN, Reply, SupabaseApi, answer_schema, description, sample

BACKUPS = "/v1/projects/{ref}/database/backups"
READ: dict[str, Callable[[Client], Any]] = {
    "/v1/projects/{ref}": read_project,
    BACKUPS: managed.read_backups,
    f"{BACKUPS}/schedule": managed.read_schedule,
    f"{BACKUPS}/restore-point": managed.read_points,
}
STATUSES = [(path, int(code)) for path in READ for code in description()[path]["get"]["responses"] if code >= "3"]
ORDERED = {
    f"{BACKUPS}/restore-pitr": {"recovery_time_target_unix": 1},
    f"{BACKUPS}/restore": {"id": 1},
    f"{BACKUPS}/restore-point": {"name": "one"},
    f"{BACKUPS}/undo": {"name": "one"},
}
"""All that is ever asked to be done, with a document that the description allows."""
ORDER_STATUSES = [
    (path, int(code)) for path in ORDERED for code in description()[path]["post"]["responses"] if code >= "3"
]
Name = tuple[str | int, ...]


def required(schema: Any, at: Name = ()) -> Iterator[Name]:
    """The way to each field that an answer must have, at every depth."""
    if schema.get("type") == "array":
        yield from required(schema["items"], (*at, 0))
    for name in schema.get("required", ()):
        yield (*at, name)
        yield from required(schema["properties"][name], (*at, name))


NEEDED = [(path, name) for path in READ for name in required(answer_schema(path, "get", 200))]
NOT_NEEDED: set[Name] = {
    ("id",), ("organization_id",), ("organization_slug",), ("updated_at",), ("completed_on",),
    ("database", "release_channel"),
}  # fmt: skip


def test_no_operation_of_backups_is_forgotten() -> None:
    """Of those that are described, none but that which changes the schedule."""
    described = {(path, method) for path, methods in description().items() for method in methods if BACKUPS in path}
    used = {(path, "get") for path in READ} | {(path, "post") for path in ORDERED}
    assert described - used == {(f"{BACKUPS}/schedule", "patch")}
    assert used - described == {("/v1/projects/{ref}", "get")}


class Clock:
    """A clock that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def client(self, url: str, **options: Any) -> Client:
        params = {"project_ref": REF, "access_token": TOKEN, "access_token_file": None, "ca_cert": None, "timeout": 5}
        access = Access.parse({**params, "api_url": url, **options})
        return Client(access, clock=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refused(act: Callable[[], object]) -> ApiError:
    """What is told of a refusal: one line, and no secret in it."""
    with pytest.raises(ApiError) as raised:
        act()
    assert str(raised.value).isprintable()
    assert TOKEN not in str(raised.value) + repr(raised.value)
    return raised.value


@pytest.mark.parametrize(("path", "status"), STATUSES)
def test_every_class_of_answers_is_one_line_that_says_what_to_do(
    api: SupabaseApi, clock: Clock, path: str, status: int
) -> None:
    api.replies = [Reply(status, json.dumps({"message": f"told {TOKEN}"}))] * 50
    if path.endswith("/schedule") and status in (402, 403, 404):
        assert READ[path](clock.client(api.url)) is None
        return
    error = refused(lambda: READ[path](clock.client(api.url)))
    assert error.status == status
    assert "told ********" in str(error)
    words = {401: "access_token", 403: "project_ref", 429: "limit", 500: "given up after"}
    assert words[status] in str(error)
    assert (len(api.requests) > 1) == (status in (429, 500))
    assert clock.now <= 90


@pytest.mark.parametrize(("path", "status"), ORDER_STATUSES)
def test_every_class_of_answers_to_an_order_is_one_line_and_nothing_was_done(
    api: SupabaseApi, clock: Clock, path: str, status: int
) -> None:
    api.project.with_pitr()
    api.replies = [Reply(status, json.dumps({"message": f"told {TOKEN}"}))] * 50
    ordered = path.removeprefix("/v1/projects/{ref}")
    error = refused(lambda: clock.client(api.url).post("test", ordered, ORDERED[path]))
    assert (error.status, error.arrived) == (status, False)
    assert "told ********" in str(error)
    assert {401: "access_token", 403: "project_ref", 429: "limit"}[status] in str(error)
    assert (len(api.requests) > 1) == (status == 429)
    assert (api.project.restored, api.project.points) == ([], {})


@pytest.mark.parametrize(("path", "name"), NEEDED)
def test_an_answer_that_lacks_something_is_told_and_more_than_is_needed_is_not(
    api: SupabaseApi, clock: Clock, path: str, name: Name
) -> None:
    whole = {**sample(answer_schema(path, "get", 200)), "something_new": {"a": [1]}}
    if path.endswith("{ref}"):
        whole["ref"] = REF
    api.replies = [Reply(200, json.dumps(whole))]
    READ[path](clock.client(api.url))
    inner: Any = whole
    for step in name[:-1]:
        inner = inner[step]
    del inner[name[-1]]
    api.replies = [Reply(200, json.dumps(whole))]
    if name in NOT_NEEDED:
        READ[path](clock.client(api.url))
    else:
        assert f"{name[-1]}: the member is missing" in str(refused(lambda: READ[path](clock.client(api.url))))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "[]",
        "null",
        '{"ref": 1}',
        '{"a": 1, "a": 2}',
        "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/projects/{ref}", BACKUPS])
def test_an_answer_of_something_else_is_told(api: SupabaseApi, clock: Clock, path: str, body: str) -> None:
    api.replies = [Reply(200, body)]
    assert "api_url" in str(refused(lambda: READ[path](clock.client(api.url))))


def test_an_answer_about_another_project_is_not_taken(api: SupabaseApi, clock: Clock) -> None:
    other = {**sample(answer_schema("/v1/projects/{ref}", "get", 200)), "ref": FOREIGN_REF}
    api.replies = [Reply(200, json.dumps(other))]
    assert FOREIGN_REF in str(refused(lambda: read_project(clock.client(api.url))))


@pytest.mark.parametrize(("told", "waited"), [("20", 20), ("45000", 45), ("junk", 1), ("-5", 1), ("1e400", 1)])
def test_what_the_limit_refuses_is_asked_again_when_it_says(
    api: SupabaseApi, clock: Clock, told: str, waited: float
) -> None:
    api.limit, api.reset = 0, told
    assert read_project(clock.client(api.url)).name == "shop"
    assert clock.slept == [waited]


def test_a_limit_that_never_ends_is_given_up(api: SupabaseApi, clock: Clock) -> None:
    api.limit, api.refused, api.reset = 0, 1000, "9999999"
    assert refused(lambda: read_project(clock.client(api.url))).status == 429
    assert clock.now <= 90


def test_a_post_that_the_limit_refused_is_sent_again_and_done_once(api: SupabaseApi, clock: Clock) -> None:
    api.project.with_pitr()
    api.limit = 0
    clock.client(api.url).post("test", "/database/backups/restore-point", {"name": "one"})
    assert (len(api.posts), list(api.project.points)) == (2, ["one"])


@pytest.mark.parametrize("reply", [Reply(0, carried_out=True), Reply(0), Reply(500), Reply(503), Reply(504, "<html>")])
def test_a_post_that_may_have_arrived_is_never_sent_again(api: SupabaseApi, clock: Clock, reply: Reply) -> None:
    api.project.with_pitr()
    api.replies = [reply]
    client = clock.client(api.url)
    error = refused(lambda: client.post("test", "/database/backups/restore-point", {"name": "one"}))
    assert error.arrived
    assert len(api.posts) == 1


def test_a_post_that_certainly_did_not_arrive_is_sent_again(clock: Clock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        error = refused(lambda: clock.client(url).post("test", "/database/backups/undo", {"name": "one"}))
    assert not error.arrived
    assert len(clock.slept) > 2


def test_a_get_whose_answer_is_lost_is_asked_again(api: SupabaseApi, clock: Clock) -> None:
    api.replies = [Reply(0), Reply(503), Reply(500)]
    assert read_project(clock.client(api.url)).status == "ACTIVE_HEALTHY"
    assert clock.slept == [1, 2, 4]


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another host, to which the API's sends on."""

    seen: list[str | None]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization"))
        self.send_error(404)

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str | None]]]:
    seen: list[str | None] = []
    handler = type("Handler", (Elsewhere,), {"seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/", seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_no_token(
    api: SupabaseApi, clock: Clock, elsewhere: tuple[str, list[str | None]], status: int
) -> None:
    url, seen = elsewhere
    api.replies = [Reply(status, "", {"Location": url})]
    assert "api_url" in str(refused(lambda: read_project(clock.client(api.url))))
    assert seen == []


def test_a_server_that_falls_silent_is_given_up(clock: Clock) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = clock.client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1)
        client._request_seconds = 2.0
        error = refused(lambda: client.post("test", "/database/backups/undo", {"name": "one"}))
    assert error.arrived
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"project_ref": "shop"},
        {"project_ref": "ABCDEFGHIJKLMNOPQRST"},
        {"project_ref": f"{REF}\n"},
        {"project_ref": f"../{REF[3:]}"},
        {"project_ref": "\u0430bcdefghijklmnopqrst"},
        {"access_token": ""},
        {"access_token": "two words"},
        {"access_token": f"{TOKEN}\r\nX-Other: 1"},
        {"access_token": "пароль-пароль"},
        {"access_token": None, "access_token_file": "/nonexistent/token"},
        {"access_token_file": "/nonexistent/token"},
        {"api_url": "http://api.example.com"},
        {"api_url": "api.supabase.com"},
        {"api_url": f"https://user:{TOKEN}@api.example.com"},
        {"api_url": "https://api.example.com/?q"},
        {"timeout": 0},
    ],
)
def test_what_cannot_be_right_is_told_before_anything_is_sent(
    api: SupabaseApi, clock: Clock, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUPABASE_ACCESS_TOKEN", raising=False)
    with pytest.raises(ConfigError) as raised:
        clock.client(**{"url": api.url, **options})
    told = str(raised.value)
    assert told.isprintable()
    assert not any(secret in told for secret in (TOKEN, "two words", "пароль"))
    assert api.requests == []


def test_the_token_may_be_in_a_file_or_the_environment(
    api: SupabaseApi, clock: Clock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("SUPABASE_ACCESS_TOKEN", "sbp_of_the_environment")
    read_project(clock.client(api.url, access_token=None, access_token_file=str(path)))
    assert refused(lambda: read_project(clock.client(api.url, access_token=None))).status == 401
    monkeypatch.setenv("SUPABASE_ACCESS_TOKEN", TOKEN)
    read_project(clock.client(f"{api.url}/v1/", access_token=None))


def test_the_stand_in_answers_every_operation_as_it_is_described(api: SupabaseApi) -> None:
    """And nothing else: what is not described is a problem."""
    api.project.with_pitr()
    api.project.points["one"] = {"states": ["AVAILABLE"]}
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    for path, methods in description().items():
        for method, operation in methods.items():
            body = operation.get("requestBody")
            document = sample(body["content"]["application/json"]["schema"]) if body else None
            if path.endswith("/undo"):
                document = {"name": "one"}
            data = b"" if document is None else json.dumps(document).encode()
            reply = api.answer(method.upper(), path.replace("{ref}", REF), headers, data)
            assert reply.status < 300 or reply.status == 400, (path, method, reply)
    assert api.problems == []
    for method, target, sent in [
        ("GET", f"/v1/projects/{REF}/database/backup", b""),
        ("PUT", f"/v1/projects/{REF}", b""),
        ("GET", "/v1/projects/short", b""),
        ("GET", f"/v1/projects/{REF}?a=1", b""),
        ("POST", f"/v1/projects/{REF}/database/backups/undo", b'{"name": "a name of more than 20"}'),
        ("POST", f"/v1/projects/{REF}/database/backups/restore-pitr", b"{}"),
    ]:
        assert api.answer(method, target, headers, sent).status in (400, 404)
    assert len(api.problems) == 6
    api.problems.clear()
