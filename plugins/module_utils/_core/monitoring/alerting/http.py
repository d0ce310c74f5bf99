"""A JSON document to a web service, over TLS that is verified."""

from __future__ import annotations

import email.utils
import json
import time
import urllib.parse
from typing import Any

from ...web.https import Answer, Unreached, ask, check_url
from .retry_budget import DeliveryError
from .text import cut, one_line
from .tls import undelivered

__all__ = ["check_url", "post_json"]

_ANSWER_LIMIT = 4096
"""Bytes of an answer that are read."""


def post_json(url: str, document: dict[str, Any], *, ca_cert: str | None, seconds: float) -> tuple[int, str]:
    """Send *document*; return the status, which is below 300, and the beginning of the answer.

    :param ca_cert: file of the authorities to trust; None for the system's.
    :param seconds: that the server may be silent.
    :raises DeliveryError: it was not taken.
    """
    try:
        answer = ask(
            "POST",
            url,
            headers={"Content-Type": "application/json; charset=utf-8"},
            body=json.dumps(document).encode(),
            ca_cert=ca_cert,
            seconds=seconds,
            limit=_ANSWER_LIMIT,
        )
    except Unreached as error:
        raise undelivered(error) from error
    if answer.status >= 300:
        raise _refused(answer, urllib.parse.urlsplit(url).hostname)
    return answer.status, _text(answer.body)


def _refused(answer: Answer, host: str | None) -> DeliveryError:
    body = _text(answer.body)
    message = f"{host} answered {answer.status}{f': {body}' if body else ''}"
    hint = "a message is never sent on to another address: give the final one" if answer.status < 400 else None
    transient = answer.status == 429 or answer.status >= 500
    return DeliveryError(message, hint=hint, transient=transient, pause=_pause(answer.headers.get("Retry-After")))


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
