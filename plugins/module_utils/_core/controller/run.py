"""The operation: a controller is brought to its state, or what that takes is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .applying import apply, remove
from .changes import left_line, plan_changes
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
    client = connect()
    try:
        if client.request("GET", "me/") is None:
            raise ControllerError("connect to the controller", "there is no AWX at its address", hint="check it")
        state = State(client, wanted, params["organization"], params["mark"])
        changes = plan_changes(wanted, state, update_secrets=params["update_secrets"])
        leftovers = state.leftovers() if params["mark"] else []
        removed = leftovers if params["remove"] else []
        lines = [*(change.line for change in changes), *(f"remove {left_line(*one)}" for one in removed)]
        if not check_mode:
            _carry_out(lambda: apply(changes, state, client, params["project_timeout"]))
            remove(removed, client)
    finally:
        close = getattr(client, "close", None)
        if close is not None:
            close()
    return {
        "changed": bool(lines),
        "changes": lines,
        "leftovers": [left_line(*one) for one in leftovers if not params["remove"]],
        "diff": {"prepared": "".join(f"{line}\n" for line in lines)},
    }


def _carry_out(start: Callable[[], Any]) -> None:
    done: list[str] = []
    try:
        done.extend(start())
    except ControllerError as error:
        error.report, error.changed = {"changes": done}, bool(done)
        raise
