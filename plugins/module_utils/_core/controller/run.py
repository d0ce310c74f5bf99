"""The operation: a controller is brought to its state, or what that takes is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from .applying import apply, remove
from .changes import left_line, plan_changes, removed_line
from .client import Client, ControllerError
from .desired import read_desired
from .state import State


def run_awx_objects(params: Mapping[str, Any], check_mode: bool, *, connect: Callable[[], Client]) -> dict[str, Any]:
    """Make what is missing, change what differs, and with ``remove`` remove what has the mark and is not wanted.

    :param params: of the module.
    :param connect: gives the controller.
    :return: ``changes``, a line for each, ``leftovers``, a line for each, and ``changed``.
    :raises BackupError: with what was done until then as ``changes``.
    """
    wanted = read_desired(params["objects"])
    client = _Watched(connect())
    try:
        if client.request("GET", "me/") is None:
            raise ControllerError("connect to the controller", "there is no AWX at its address", hint="check it")
        state = State(client, wanted, params["organization"], params["mark"])
        changes = plan_changes(wanted, state, update_secrets=params["update_secrets"])
        leftovers = state.leftovers() if params["mark"] else []
        removed = leftovers if params["remove"] else []
        lines = [*(change.line for change in changes), *map(removed_line, removed)]
        if not check_mode:
            work = chain(apply(changes, state, client, params["project_timeout"]), remove(removed, client))
            _do(work, client)
    finally:
        client.close()
    return {
        "changed": bool(lines),
        "changes": lines,
        "leftovers": [left_line(*one) for one in leftovers if not params["remove"]],
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
    }


def _do(work: Iterable[str], client: _Watched) -> None:
    done: list[str] = []
    try:
        for line in work:
            done.append(line)
    except ControllerError as error:
        # Of the object that it was about, something may be done, too.
        error.report, error.changed = {"changes": done}, client.wrote
        raise


class _Watched:
    """A controller of which is known whether it was changed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.wrote = False

    def request(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """See :class:`Client`."""
        answer = self._client.request(method, path, data)
        self.wrote = self.wrote or method != "GET"
        return answer

    def close(self) -> None:
        """Leave it."""
        self._client.close()
