# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller, spoken to by the client of awx.awx: logins, addresses and versions are as that collection has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ansible.module_utils import urls

from .._core.controller.client import ControllerError
from .._core.errors import PreflightError

_SECONDS = 60.0
CONNECTION: dict[str, dict[str, Any]] = {
    "controller_host": {"type": "str", "required": True},
    "controller_oauthtoken": {"type": "str", "no_log": True},
    "controller_username": {"type": "str"},
    "controller_password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
}
"""The options of a connection, named as those of awx.awx are."""
_CAUSES = (
    ("(HTTP 401)", "takes neither the token nor the name and password", "a token may have expired: make another"),
    ("Error 401", "takes neither the token nor the name and password", "a token may have expired: make another"),
    (
        "(HTTP 403)",
        "does not let this user do that",
        "take an administrator of the organisation, and of the controller for types of credentials and instance groups",
    ),
    ("CERTIFICATE_VERIFY", "has a certificate that nobody here knows", "trust its authority, or see validate_certs"),
    ("Hostname mismatch", "has a certificate for another name", "check controller_host"),
    ("resolve controller_host", "has no address", "check controller_host"),
    ("trying to connect", "does not answer", "check controller_host"),
)
"""A part of what the client says, what that is of the controller, and what to do."""


class AwxClient:
    """A connection to a controller, with the login of one user.

    :param options: those of :data:`CONNECTION`.
    :raises PreflightError: the collection awx.awx is not there.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        try:
            # Where it is not installed, Ansible must not look for it before a module starts.
            from ansible_collections.awx.awx.plugins.module_utils.controller_api import ControllerAPIModule
        except ImportError as error:
            raise PreflightError(
                "find the collection awx.awx",
                "it is not installed",
                hint="ansible-galaxy collection install awx.awx",
            ) from error
        _read_authorities_once()
        self._host = options["controller_host"]
        self._step, self._warnings = "connect to the controller", list[str]()
        # What is not said is empty: else the client would take it from a tower_cli.cfg that lies about. Where there are
        # both a token and a name, the token counts.
        given = {name: options.get(name) or "" for name in CONNECTION if name != "validate_certs"}
        given["validate_certs"] = bool(options["validate_certs"])
        self._module = ControllerAPIModule(
            argument_spec={},
            direct_params={**given, "request_timeout": _SECONDS},
            error_callback=self._fail,
            warn_callback=self._warnings.append,
        )

    def request(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """Send one request and return the decoded answer; see :class:`Client`."""
        answer = self._module.make_request(method, path, data=dict(data or {}), return_none_on_404=True)
        if answer is None:
            return None
        if answer["status_code"] >= 400:
            body = answer.get("json", answer.get("text", ""))
            raise ControllerError(self._step, f"the controller refuses it: {_plain(body)}")
        if method == "POST" and isinstance(answer["json"], dict) and "results" in answer["json"]:
            redirected = f"{self._host} leads elsewhere, where what is sent gets lost"
            raise ControllerError("connect to the controller", redirected, hint="begin it with https://")
        # From now on it is known to be there.
        self._step = "ask the controller"
        return answer["json"]

    def close(self) -> None:
        """Give the token back that a name and a password were exchanged for."""
        self._module.logout()

    def _fail(self, **result: Any) -> NoReturn:
        message = str(result.get("msg"))
        for part, meaning, hint in _CAUSES:
            if part in message:
                where = "" if meaning.startswith("takes") else f": {message}"
                raise ControllerError(self._step, f"{self._host} {meaning}{where}", hint=hint)
        raise ControllerError(self._step, message)


def _read_authorities_once() -> None:
    """Have Ansible keep what it trusts: to read all authorities for each request takes longer than the request does."""
    make = urls.make_context
    if hasattr(make, "kept"):
        return
    kept: dict[str, Any] = {}

    def make_once(*arguments: Any, **options: Any) -> Any:
        key = repr((arguments, sorted(options.items())))
        if key not in kept:
            kept[key] = make(*arguments, **options)
        return kept[key]

    make_once.kept = kept  # type: ignore[attr-defined]
    urls.make_context = make_once


def _plain(body: Any) -> str:
    """The text of an error answer, in one line."""
    if isinstance(body, dict):
        return "; ".join(f"{name}: {_plain(value)}" for name, value in body.items())
    if isinstance(body, list):
        return ", ".join(map(_plain, body))
    return str(body)
