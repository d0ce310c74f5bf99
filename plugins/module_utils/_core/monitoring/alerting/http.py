"""A JSON document to a web service, over TLS that is verified."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ...errors import ConfigError
from .retry import DeliveryError
from .text import cut, one_line
from .tls import client_context, unreached

_ANSWER_LIMIT = 4096
"""Bytes of an answer that are read."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would follow with a GET that has no body, and take its success for that of the message."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


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


def post_json(url: str, document: dict[str, Any], *, ca_cert: str | None, seconds: float) -> tuple[int, str]:
    """Send *document*; return the status, which is below 300, and the beginning of the answer.

    :param ca_cert: file of the authorities to trust; None for the system's.
    :param seconds: that the server may be silent.
    :raises DeliveryError: it was not taken.
    """
    host = urllib.parse.urlsplit(url).hostname
    handler = urllib.request.HTTPSHandler(context=client_context(ca_cert))
    opener = urllib.request.build_opener(_NoRedirects(), handler)
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "mobul.backup"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers, method="POST")  # noqa: S310
    try:
        with opener.open(request, timeout=seconds) as answer:
            return answer.status, _text(answer.read(_ANSWER_LIMIT))
    except urllib.error.HTTPError as error:
        raise _refused(error, host) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise unreached(error.reason if isinstance(error, urllib.error.URLError) else error, str(host)) from error


def _refused(error: urllib.error.HTTPError, host: str | None) -> DeliveryError:
    with error:
        try:
            told = _text(error.read(_ANSWER_LIMIT))
        except (OSError, http.client.HTTPException):
            told = ""
    answer = f"{host} answered {error.code}{f': {told}' if told else ''}"
    hint = "a message is never sent on to another address: give the final one" if 300 <= error.code < 400 else None
    transient = error.code == 429 or error.code >= 500
    return DeliveryError(answer, hint=hint, transient=transient, pause=_pause(error.headers.get("Retry-After")))


def _pause(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which has a number or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _text(body: bytes) -> str:
    return cut(one_line(body.decode("utf-8", "replace")), 500)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
