"""The platform's management API: one request at a time, tried again only where that cannot do anything twice.

https://supabase.com/docs/reference/api/introduction has the operations. An account may ask 120 times a minute; what is
beyond that is refused with 429, was not carried out, and is asked again when the limit's minute is over.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ...documents import strict_json
from ...documents.values import FieldType, Mismatch
from ...errors import BackupError, FormatError
from ...web.https import Answer, Unreached, ask
from .access import Access

REQUEST_SECONDS = 90.0
"""Seconds after which a request that is not answered is given up, all tries together."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
"""Seconds: the limit is one of a minute."""
_ANSWER_LIMIT = 4 * 1024 * 1024
_SHOWN = 300
_HIDDEN = "********"

_T = TypeVar("_T")


class ApiError(BackupError):
    """The API refused a request, or did not answer.

    :param status: of its answer; None where there is none.
    :param transient: whether the same request may be answered later.
    :param arrived: whether it may have been carried out.
    """

    def __init__(
        self,
        step: str,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        transient: bool = False,
        arrived: bool = False,
    ) -> None:
        super().__init__(step, message, hint=hint)
        self.status = status
        self.transient = transient
        self.arrived = arrived


class Client:
    """Requests to the platform's API about one project.

    :param request_seconds: seconds for a request and its tries, at most.
    """

    def __init__(
        self,
        access: Access,
        *,
        request_seconds: float = REQUEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self._request_seconds = request_seconds
        self._clock = clock
        self._sleep = sleep

    def get(self, step: str, path: str = "", query: Mapping[str, str] | None = None) -> Any:
        """What the API says of *path* below the project.

        :raises ApiError: it refused, or did not answer in time.
        """
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        return self._carry(step, "GET", path + asked, None)

    def post(self, step: str, path: str, document: Mapping[str, object]) -> Any:
        """Ask for something to be done; what the API says, None where that is nothing.

        It is sent again only where it certainly was not carried out: there was no connection, or the limit refused it.

        :raises ApiError: it refused, or it is not known whether it did it (``arrived``).
        """
        return self._carry(step, "POST", path, json.dumps(document).encode())

    def _carry(self, step: str, method: str, path: str, body: bytes | None) -> Any:
        end, pause, tries = self._clock() + self._request_seconds, _FIRST_PAUSE, 1
        while True:
            try:
                return self._once(step, method, path, body, end)
            except _Again as again:
                wanted = min(_LONGEST_PAUSE, max(pause, again.pause))
                repeatable = method == "GET" or not again.error.arrived
                if not again.error.transient or not repeatable or wanted >= end - self._clock():
                    if tries > 1:
                        again.error.add(f"given up after {tries} tries")
                    raise again.error from again.__cause__
                self._sleep(wanted)
            pause *= 2
            tries += 1

    def _once(self, step: str, method: str, path: str, body: bytes | None, end: float) -> Any:
        access = self.access
        headers = {"Authorization": f"Bearer {access.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = ask(
                method,
                f"{access.api_url}/v1/projects/{access.ref}{path}",
                headers=headers,
                body=body,
                ca_cert=access.ca_cert,
                seconds=max(1.0, min(access.timeout, end - self._clock())),
                limit=_ANSWER_LIMIT,
            )
        except Unreached as error:
            refused = ApiError(
                step, self._hide(str(error)), hint=error.hint, transient=error.transient, arrived=error.arrived
            )
            raise _Again(refused) from error
        if not 200 <= answer.status < 300:
            raise _Again(self._refused(step, answer), _reset(answer))
        return self._document(step, method, answer)

    def _document(self, step: str, method: str, answer: Answer) -> Any:
        if not answer.body.strip():
            return None
        try:
            if not answer.complete:
                raise FormatError(step, f"is longer than {_ANSWER_LIMIT} bytes")
            return strict_json.loads(answer.body, step)
        except FormatError as error:
            # Of what was asked to be done the status tells enough; no members are expected of most of these answers.
            if method == "POST":
                return None
            hint = "is api_url the address of Supabase's API, and nothing else answers there?"
            raise ApiError(step, f"the answer of {self._host} {error.message}", hint=hint) from None

    def _refused(self, step: str, answer: Answer) -> ApiError:
        reported, ref = self._hide(_message(answer)), self.access.ref
        message, hint = _MEANT.get(answer.status, ("the API refused it", None))
        if 300 <= answer.status < 400:
            message, hint = (
                "the API sends on to another address, which is never followed",
                "give the final one as api_url",
            )
        return ApiError(
            step,
            f"{message.format(ref=ref)} ({self._host} answered {answer.status}{f': {reported}' if reported else ''})",
            hint=hint and hint.format(ref=ref),
            status=answer.status,
            transient=answer.status == 429 or answer.status >= 500,
            arrived=answer.status >= 500,
        )

    @property
    def _host(self) -> str:
        return urllib.parse.urlsplit(self.access.api_url).netloc

    def _hide(self, text: str) -> str:
        """*text* without the access token, which an error answer may quote."""
        return text.replace(self.access.token, _HIDDEN)


_MEANT: Mapping[int, tuple[str, str | None]] = {
    400: ("the API refused it", None),
    401: (
        "the access token is not accepted: it is wrong, revoked or has expired",
        "make another one on Supabase's account page, and give it as access_token",
    ),
    402: ("the project's plan does not have this", "a higher plan has it"),
    403: (
        "the access token may not do this with project {ref}",
        "is project_ref right, and is its organization one of the account's? A scoped token needs the permission, too",
    ),
    404: (
        "there is no such project for this access token",
        "is project_ref {ref} right, and the token of its organization?",
    ),
    429: ("the API's limit of requests is used up", "another program asks with the same account: try later"),
}


class _Again(Exception):
    """An error, after which the same may be tried.

    :param pause: seconds that the API wants to be left alone.
    """

    def __init__(self, error: ApiError, pause: float = 0.0) -> None:
        super().__init__(error)
        self.error = error
        self.pause = pause


def _message(answer: Answer) -> str:
    with contextlib.suppress(ValueError, UnicodeDecodeError, AttributeError, RecursionError):
        message = json.loads(answer.body).get("message")
        if isinstance(message, list):
            message = "; ".join(map(str, message))
        if message:
            return str(message)[:_SHOWN]
    return answer.text[:_SHOWN]


def _reset(answer: Answer) -> float:
    """Seconds until requests are answered again, by the headers of a 429; 0 where it does not tell.

    The documentation does not give the unit: a moment is told by its size, and what is more than a minute, to which the
    limit applies, is milliseconds.
    """
    if answer.status != 429:
        return 0.0
    for name in ("Retry-After", "X-RateLimit-Reset"):
        with contextlib.suppress(TypeError, ValueError):
            value = float(answer.headers[name])
            if value > 1e11:
                value = value / 1000 - time.time()
            elif value > 1e8:
                value -= time.time()
            elif value > _LONGEST_PAUSE:
                value /= 1000
            if 0 <= value < float("inf"):
                return value
    return 0.0


def read_answer(field_type: FieldType[_T], document: object, step: str) -> _T:
    """A document of the API; what it has beside what is needed is left alone.

    :raises ApiError: something is missing, or is not what it should be.
    """
    try:
        return field_type.read(document)
    except Mismatch as mismatch:
        hint = "it is not what Supabase's API is described to answer: is api_url right, or is this collection too old?"
        raise ApiError(step, f"in the API's answer {mismatch}", hint=hint) from None
