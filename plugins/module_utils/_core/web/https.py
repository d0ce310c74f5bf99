"""One request to a web service, over TLS that is verified. A redirect is an answer: it is never followed.

A service that sends a secret on to another address would else learn it there, and a POST would become a GET.
"""

from __future__ import annotations

import functools
import http.client
import ipaddress
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from ..errors import ConfigError
from ..texts import visible
from .deadline import Deadline

_CHUNK = 65536


class Unreached(Exception):
    """The server could not be reached, or has not answered.

    :param hint: what to do about it, where that is known.
    :param transient: whether the same request may be answered later.
    :param arrived: whether the server may have got the request; False where it certainly has not.
    """

    def __init__(self, message: str, *, hint: str | None = None, transient: bool, arrived: bool) -> None:
        super().__init__(message)
        self.hint = hint
        self.transient = transient
        self.arrived = arrived


@dataclass(frozen=True)
class Answer:
    """What a service said.

    :param headers: their names are of any case.
    :param body: its beginning, see :func:`ask`.
    :param complete: whether that is all of it.
    """

    status: int
    headers: Message
    body: bytes
    complete: bool

    @property
    def text(self) -> str:
        """The body of the answer in one line."""
        return visible(" ".join(self.body.decode("utf-8", "replace").split()))


class _Unconnected(OSError):
    """No connection could be made, so nothing was sent."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class _Plain(http.client.HTTPConnection):
    def __init__(self, host: str, *, deadline: Deadline, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = deadline.connect

    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise _Unconnected() from error


class _Encrypted(_Plain, http.client.HTTPSConnection):
    """The same over TLS: what :meth:`_Plain.connect` calls is HTTPSConnection's."""


class _PlainHandler(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_Plain, deadline=self._deadline), req)


class _EncryptedHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext, deadline: Deadline) -> None:
        super().__init__(context=context)
        self._trusting = context
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_Encrypted, deadline=self._deadline), req, context=self._trusting)


def check_url(url: str, what: str) -> str:
    """*url* as one that a secret may be sent to; *what* is the option that it comes from.

    :raises ConfigError: which does not show the address, as that may be a secret itself.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        _port = parts.port
    except ValueError:
        host = ""
    if not host or not url.isprintable() or " " in url:
        raise ConfigError("check the options", f"{what} is no address", hint="it looks like https://host/path")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigError(
            "check the options", f"{what} is not https", hint="what is sent there would be read by everybody on the way"
        )
    return url


def client_context(ca_cert: str | None) -> ssl.SSLContext:
    """Certificates are checked against *ca_cert*, or against the system's authorities where it is None.

    :raises Unreached: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_cert)
    except (OSError, ssl.SSLError) as error:
        raise Unreached(
            f"ca_cert cannot be read: {ca_cert}: {error}",
            hint="it is a file of certificates as PEM text",
            transient=False,
            arrived=False,
        ) from error


def unreached(error: object, server: str, *, arrived: bool = True) -> Unreached:
    """What the network, or the system's TLS, says of *server*."""
    reason = " ".join(visible(str(error)).split()) or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        message, hint = f"{server} does not prove who it is: {reason}", "ca_cert names the file of another authority"
        return Unreached(message, hint=hint, transient=False, arrived=arrived)
    # A connection that is cut while it is made is no matter of TLS, whoever notices it.
    lasting = isinstance(error, ssl.SSLError | ValueError) and not isinstance(error, ssl.SSLEOFError)
    return Unreached(f"{server} cannot be reached: {reason}", transient=not lasting, arrived=arrived)


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    ca_cert: str | None,
    seconds: float,
    limit: int,
) -> Answer:
    """Send one request and return the answer, whatever its status.

    :param url: one that :func:`check_url` has let pass.
    :param ca_cert: file of the authorities to trust; None for the system's.
    :param seconds: that the server may be silent, and that the body of its answer may take; all of it takes no more
        than twice as long.
    :param limit: bytes of the answer that are read.
    :raises Unreached: there is none.
    """
    parts = urllib.parse.urlsplit(url)
    server = parts.hostname or ""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), _NoRedirects(), urllib.request.HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    deadline = Deadline(2 * seconds)
    # To read all authorities takes longer than the request does.
    encrypted = parts.scheme == "https"
    opener.add_handler(_EncryptedHandler(client_context(ca_cert), deadline) if encrypted else _PlainHandler(deadline))
    request = urllib.request.Request(url, body, {"User-Agent": "mobul.backup"}, method=method)  # noqa: S310
    for name, value in headers.items():
        # Of such a one no redirect would take a copy, either.
        request.add_unredirected_header(name, value)
    try:
        found = _opened(opener, request, seconds, limit)
        if deadline.passed:
            raise deadline.error()
        return found
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _cause(deadline.error() if deadline.passed else error, server) from error
    finally:
        deadline.stop()


def _opened(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, seconds: float, limit: int
) -> Answer:
    try:
        with opener.open(request, timeout=seconds) as answer:
            return _read(answer.status, answer, seconds, limit)
    except urllib.error.HTTPError as error:
        with error:
            try:
                return _read(error.code, error, seconds, limit)
            except (OSError, http.client.HTTPException):
                # Its status alone tells enough.
                return Answer(error.code, error.headers, b"", False)


def _cause(error: Exception, server: str) -> Unreached:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, _Unconnected):
        return unreached(reason.__cause__, server, arrived=False)
    return unreached(reason, server)


def _read(status: int, answer: Any, seconds: float, limit: int) -> Answer:
    end = time.monotonic() + seconds
    found = b""
    while len(found) <= limit:
        chunk = answer.read1(min(_CHUNK, limit + 1 - len(found)))
        if not chunk:
            if answer.length:
                raise http.client.IncompleteRead(found, answer.length)
            break
        found += chunk
        if time.monotonic() > end:
            raise TimeoutError(f"its answer has not ended within {seconds:g} s")
    return Answer(status, answer.headers, found[:limit], len(found) <= limit)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
