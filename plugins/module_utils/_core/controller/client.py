"""What a controller is asked through, and the error of one that does not do as it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ..errors import BackupError

Record = dict[str, Any]
_PAGE = 200
"""Objects of one answer; more than 200 a controller does not give."""


class ControllerError(BackupError):
    """The controller cannot be reached, lets nobody in, or refuses a request."""


class Client(Protocol):
    """A connection to a controller's API, with a login."""

    def request(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """Send one request; return the decoded JSON of the answer.

        :param path: from ``/api/v2/`` on, or an object's own address.
        :param data: for a GET the query, for others the body as JSON.
        :return: what was answered, None where that is nothing or the object is not there.
        :raises ControllerError: it did not do it.
        """

    def close(self) -> None:
        """Leave it."""


def all_of(client: Client, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Record]:
    """The objects of a list, of all its pages.

    :raises ControllerError: the controller has no such list.
    """
    page = client.request("GET", path, {**(query or {}), "page_size": _PAGE})
    if page is None:
        raise ControllerError("ask the controller", f"it has no {path}", hint="it is to be AWX 24.6")
    while page:
        yield from page["results"]
        page = client.request("GET", page["next"]) if page["next"] else None
