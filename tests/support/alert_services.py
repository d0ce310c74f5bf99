"""Services that take alerts: a real mail server, and stand-ins of Slack and PagerDuty that refuse what those refuse."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .certificates import Certificates
from .loopback import Loopback
from .programs import PATIENCE, free_port

USER, PASSWORD = "backups", "canary-smtp-password-1"
ROUTING_KEY = "canarycanarycanarycanarycanary01"
WEBHOOK_PATH = "/services/T0CANARY0/B0CANARY0/canarycanarycanarycanary"


@dataclass
class Mailbox:
    """What a mail server has taken.

    :param refused: recipients that it takes nothing for.
    """

    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        parsed = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.messages.append(parsed)
        return "250 OK"


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    good = data == LoginPassword(USER.encode(), PASSWORD.encode())
    # Some servers quote what they were given.
    told = None if good else f"535 5.7.8 not you: {data.password.decode()}"
    return AuthResult(success=good, handled=good, message=told)


class MailServer:
    """A mail server that takes mail after STARTTLS and a login only; a context manager.

    :param tls: ``starttls``, ``tls`` from the beginning, or ``none``, where nobody has to log in.
    """

    def __init__(self, certificates: Certificates, tls: str = "starttls") -> None:
        self.mailbox = Mailbox()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.certificate, certificates.key)
        options: dict[str, Any] = {"hostname": "127.0.0.1", "port": free_port(), "ready_timeout": PATIENCE}
        if tls != "none":
            options |= {"auth_required": True, "authenticator": _login, "auth_require_tls": tls == "starttls"}
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        elif tls == "tls":
            options |= {"ssl_context": context}
        self._controller = Controller(self.mailbox, **options)
        self.channel = {
            "type": "email",
            "host": "127.0.0.1",
            "port": self._controller.port,
            "tls": tls,
            "from": "Backups <backups@example.com>",
            "to": ["ops@example.com"],
        }
        if tls != "none":
            self.channel |= {"ca_cert": str(certificates.ca), "username": USER, "password": PASSWORD}

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._controller.stop()


@dataclass
class Reply:
    """An answer that a service gives whatever it is asked."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def check_slack(document: Any) -> str | None:
    """Why an incoming webhook refuses *document*, in Slack's word.

    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/ has the words, and
    https://docs.slack.dev/changelog/2018-04-truncating-really-long-messages/ the limit of the text.
    """
    if not isinstance(document, dict):
        return "invalid_payload"
    text, blocks = document.get("text"), document.get("blocks")
    if not text and not blocks:
        return "no_text"
    if text is not None and (not isinstance(text, str) or len(text) > 40_000 or not _is_escaped(text)):
        return "invalid_payload"
    if blocks is not None and not (isinstance(blocks, list) and len(blocks) <= 50 and all(map(_is_block, blocks))):
        return "invalid_blocks"
    return None


def _is_block(block: Any) -> bool:
    """https://docs.slack.dev/reference/block-kit/blocks/section-block and context-block."""
    if block.get("type") == "section":
        return _is_text(block.get("text"))
    if block.get("type") == "context":
        elements = block.get("elements")
        return isinstance(elements, list) and 1 <= len(elements) <= 10 and all(map(_is_text, elements))
    return False


def _is_text(text: Any) -> bool:
    """https://docs.slack.dev/reference/block-kit/composition-objects/text-object."""
    if not isinstance(text, dict) or text.get("type") != "mrkdwn" or not set(text) <= {"type", "text", "verbatim"}:
        return False
    words = text.get("text")
    return isinstance(words, str) and 1 <= len(words) <= 3000 and _is_escaped(words)


def _is_escaped(text: str) -> bool:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping; these alerts have no links and mentions."""
    return not re.search(r"[<>]|&(?!(?:amp|lt|gt);)", text)


def check_event(document: Any, size: int) -> list[str]:
    """Why PagerDuty refuses an event.

    https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json has the fields, and
    https://developer.pagerduty.com/docs/events-api-v2/overview/ the limits.
    """
    if not isinstance(document, dict):
        return ["JSON parse error"]
    problems = []
    action, key, payload = document.get("event_action"), document.get("dedup_key"), document.get("payload")
    if size > 512 * 1024:
        problems.append("the event is larger than 512 KB")
    if len(str(document.get("routing_key", ""))) != 32:
        problems.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if action not in ("trigger", "acknowledge", "resolve"):
        problems.append("'event_action' is none")
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= 255):
        problems.append("'dedup_key' is too long")
    if key is None and action != "trigger":
        problems.append("'dedup_key' is missing")
    if action == "trigger":
        problems += _payload_problems(payload)
    return problems


def _payload_problems(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing"]
    problems = [
        f"'payload.{name}' is missing or blank" for name in ("summary", "source", "severity") if not payload.get(name)
    ]
    if len(str(payload.get("summary"))) > 1024:
        problems.append("'payload.summary' is too long (maximum is 1024 characters)")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        problems.append("'payload.severity' is invalid")
    known = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
    if strange := set(payload) - known:
        problems.append(f"unknown fields {strange}")
    if not isinstance(payload.get("custom_details", {}), dict):
        problems.append("'payload.custom_details' is no object")
    return problems


class AlertServices(Loopback):
    """Slack and PagerDuty on a port of loopback, with TLS if there are certificates; a context manager.

    :ivar posts: the messages that Slack has taken.
    :ivar events: the events that PagerDuty has taken, in their order.
    :ivar incidents: the deduplication keys of incidents that are open.
    :ivar replies: answers, given one by one to whoever asks, before anything is looked at.
    :ivar asked: paths that were asked for.
    """

    def __init__(self, certificates: Certificates | None = None) -> None:
        self.posts: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.incidents: set[str] = set()
        self.replies: list[Reply] = []
        self.asked: list[str] = []
        self._lock = threading.Lock()
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)), 0.05)
        scheme = "http"
        if certificates is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificates.certificate, certificates.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self.slack = {"type": "slack", "webhook_url": self.url + WEBHOOK_PATH}
        self.pagerduty = {
            "type": "pagerduty",
            "routing_key": ROUTING_KEY,
            "events_url": f"{self.url}/v2/enqueue",
        }

    def answer(self, path: str, body: bytes) -> Reply:
        """Return the answer to a request."""
        with self._lock:
            self.asked.append(path)
            if self.replies:
                return self.replies.pop(0)
            try:
                document = json.loads(body)
            except ValueError:
                document = None
            if path == WEBHOOK_PATH:
                return self._post(document)
            if path == "/v2/enqueue":
                return self._enqueue(document, len(body))
            return Reply(404, "no_service" if path.startswith("/services/") else "")

    def _post(self, document: Any) -> Reply:
        problem = check_slack(document)
        if problem is not None:
            return Reply(400, problem)
        self.posts.append(document)
        return Reply(200, "ok")

    def _enqueue(self, document: Any, size: int) -> Reply:
        problems = check_event(document, size)
        if problems:
            told = {"status": "invalid event", "message": "Event object is invalid", "errors": problems}
            return Reply(400, json.dumps(told))
        self.events.append(document)
        if document["event_action"] == "trigger":
            self.incidents.add(document["dedup_key"])
        elif document["event_action"] == "resolve":
            self.incidents.discard(document["dedup_key"])
        told = {"status": "success", "message": "Event processed", "dedup_key": document["dedup_key"]}
        return Reply(202, json.dumps(told))


def _handler(services: AlertServices) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            typed = self.headers.get("Content-Type", "").startswith("application/json")
            self._say(services.answer(self.path, body if typed else b""))

        def do_GET(self) -> None:
            self._say(services.answer(self.path, b""))

        def _say(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body.encode())), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(reply.body.encode())

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler


@dataclass
class Desk:
    """The services that receive all alerts of a test."""

    mail: MailServer
    services: AlertServices

    @property
    def channels(self) -> list[dict[str, Any]]:
        """The options of one channel of each kind that needs no library."""
        return [self.mail.channel, self.services.slack, self.services.pagerduty]


@contextlib.contextmanager
def alert_desk(certificates: Certificates) -> Iterator[Desk]:
    """Start a mail server, Slack and PagerDuty without messages."""
    with MailServer(certificates) as mail, AlertServices() as services:
        yield Desk(mail, services)
