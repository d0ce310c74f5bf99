"""A proxy in front of an S3 server that makes its faults: errors, silence, lost answers, flipped bits.

Clients sign for the proxy's own address, which is passed on, so that the server behind checks real signatures.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .programs import PATIENCE

_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


@dataclass
class Request:
    """One request of a client. A fault may change its body before it is passed on."""

    operation: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """The server's answer, or one made up. With *cut*, the connection ends after that many bytes of the body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


class Reset(Exception):
    """Raised to reset the connection without an answer."""


Forward = Callable[[Request], Reply]
Action = Callable[[Request, Forward], Reply]


@dataclass
class Fault:
    """What happens to *operation*, the first *times* after *skip* times."""

    operation: str
    action: Action
    times: int = 10**9
    skip: int = 0


def error(status: int, code: str, message: str = "", headers: dict[str, str] | None = None) -> Action:
    """Answer with an error, in S3's form, without asking the server."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return lambda _request, _forward: Reply(status, body.encode(), headers or {})


def reset(_request: Request, _forward: Forward) -> Reply:
    """Reset the connection before the server hears of the request."""
    raise Reset


def lose_reply(request: Request, forward: Forward) -> Reply:
    """Let the server do it, and reset the connection instead of answering."""
    forward(request)
    raise Reset


def slow(seconds: float) -> Action:
    """A fault: answer late."""

    def action(request: Request, forward: Forward) -> Reply:
        time.sleep(seconds)
        return forward(request)

    return action


@contextlib.contextmanager
def held() -> Iterator[Action]:
    """Give no answer while the block lasts, and let the server hear nothing of it."""
    released = threading.Event()

    def action(_request: Request, _forward: Forward) -> Reply:
        released.wait()
        raise Reset

    try:
        yield action
    finally:
        released.set()


def flip_bit(request: Request, forward: Forward) -> Reply:
    """A fault: flip a bit in the middle of the body that the server gets."""
    body = bytearray(request.body)
    body[len(body) // 2] ^= 1
    request.body = bytes(body)
    return forward(request)


def cut_body(count: int) -> Action:
    """End the connection after *count* bytes of the answer's body."""

    def action(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        reply.cut = count
        return reply

    return action


class ChecksumStore:
    """Makes a server that knows no additional checksums one that checks and echoes CRC-32 as AWS does."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, int], bytes] = {}

    def __call__(self, request: Request, forward: Forward) -> Reply:
        sent = request.headers.get("x-amz-checksum-crc32")
        digest = zlib.crc32(request.body).to_bytes(4, "big")
        if sent and sent != base64.b64encode(digest).decode():
            return error(400, "BadDigest", "The CRC32 you specified did not match")(request, forward)
        reply = forward(request)
        if reply.status != 200:
            return reply
        upload = request.query.get("uploadId", [""])[0]
        if request.operation == "CreateMultipartUpload" and "x-amz-checksum-algorithm" in request.headers:
            reply.headers["x-amz-checksum-algorithm"] = request.headers["x-amz-checksum-algorithm"]
        if sent:
            reply.headers["x-amz-checksum-crc32"] = sent
        if request.operation == "UploadPart":
            self._parts[upload, int(request.query["partNumber"][0])] = digest
        if request.operation == "CompleteMultipartUpload":
            digests = [digest for (owner, _), digest in sorted(self._parts.items()) if owner == upload]
            whole = base64.b64encode(zlib.crc32(b"".join(digests)).to_bytes(4, "big")).decode()
            element = f"<ChecksumCRC32>{whole}-{len(digests)}</ChecksumCRC32></CompleteMultipartUploadResult>"
            reply.body = reply.body.replace(b"</CompleteMultipartUploadResult>", element.encode())
        return reply


class S3Proxy:
    """A proxy on a port of its own; a context manager.

    :param upstream: the server's address.

    ``bytes_read`` counts what the server's answers carried.
    """

    def __init__(self, upstream: str) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.most_bytes_at_once = 0
        self.bytes_read = 0
        self._bytes = 0
        self._lock = threading.Lock()
        parts = urlsplit(upstream)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> S3Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def inject(self, operation: str, action: Action, *, times: int = 10**9, skip: int = 0) -> None:
        """Add a fault; of several that fit, the one added last acts."""
        self.faults.append(Fault(operation, action, times, skip))

    def clear(self) -> None:
        """Remove all faults and forget all requests."""
        self.faults.clear()
        self.requests.clear()
        self.most_bytes_at_once = 0

    def of(self, operation: str) -> list[Request]:
        """The requests of *operation*, in the order in which they came."""
        return [request for request in self.requests if request.operation == operation]

    def answer(self, request: Request) -> Reply:
        """Answer one request, with the faults that are due."""
        size = len(request.body)
        with self._lock:
            self.requests.append(request)
            self._bytes += size
            self.most_bytes_at_once = max(self.most_bytes_at_once, self._bytes)
            action = self._due(request.operation)
        try:
            return action(request, self._forward) if action else self._forward(request)
        finally:
            with self._lock:
                self._bytes -= size

    def _due(self, operation: str) -> Action | None:
        for fault in reversed(self.faults):
            if fault.operation not in (operation, "*"):
                continue
            if fault.skip > 0:
                fault.skip -= 1
            elif fault.times > 0:
                fault.times -= 1
                return fault.action
        return None

    def _forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(*self._upstream, timeout=PATIENCE)
        with contextlib.closing(connection):
            method = request.headers[":method"]
            headers = {name: value for name, value in request.headers.items() if name not in (*_HOP_HEADERS, ":method")}
            connection.request(method, request.path, body=request.body, headers=headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            body = response.read()
        with self._lock:
            self.bytes_read += len(body)
        length = found.get("content-length")
        kept = {name: value for name, value in found.items() if name not in _HOP_HEADERS}
        if method == "HEAD" and length:
            kept["content-length"] = length
        return Reply(response.status, body, kept)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(_Handler):
            answer = staticmethod(proxy.answer)

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that go away, as tests let them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise the body of an answer waits until the client's kernel has confirmed the head, 40 ms.
    disable_nagle_algorithm = True
    answer: Callable[[Request], Reply]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()} | {":method": str(self.command)}
        body = self._body()
        operation = _operation(str(self.command), parts.path, query)
        try:
            reply = self.answer(Request(operation, self.path, query, headers, body))
        except Reset:
            self._reset()
            return
        self.send_response_only(reply.status)
        for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[: reply.cut])
            # Not reset, which would also throw away what the client has not read yet.
            self.close_connection |= reply.cut is not None

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closing the socket itself would wait for the files that the handler made of it.
        os.close(self.connection.detach())


def _operation(method: str, path: str, query: dict[str, list[str]]) -> str:
    """The name of the operation in S3's API."""
    is_bucket = bool(re.fullmatch(r"/[^/]*/?", path))
    if "uploadId" in query:
        named = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return named.get(method, "ListParts")
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if is_bucket:
        return {"GET": "ListObjectsV2", "HEAD": "HeadBucket"}.get(method, "Bucket")
    return {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}.get(method, method)
