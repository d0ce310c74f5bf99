"""The HTTP in front of the stand-in for a controller."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

ROOT = "/api/v2/"


class Served(Protocol):
    """Anything that answers requests."""

    tokens: set[str]
    passwords: dict[str, str]
    version: str

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Return the status and body of the answer to one request."""


def serve(controller: Served) -> ThreadingHTTPServer:
    """A server on loopback, in a thread of its own."""

    class Handler(_Handler):
        served = controller

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    served: Served
    wbufsize = -1
    disable_nagle_algorithm = True

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
        self.send_header("X-API-Product-Version", self.served.version)
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
        """Suppress the server's log."""
