"""Which project of Supabase is meant, and by which right: the options that all modules of it share."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...durations import STEP
from ...errors import ConfigError
from ...web.https import check_url

API_URL = "https://api.supabase.com"
TOKEN_VARIABLE = "SUPABASE_ACCESS_TOKEN"  # noqa: S105 - the name that the platform's own command line tool reads

_REFERENCE = re.compile(r"[a-z]{20}")
_TOKEN = re.compile(r"[\x21-\x7e]{8,8192}")
_LARGEST_FILE = 16384


@dataclass(frozen=True)
class Access:
    """One project and the credentials for the platform's API.

    :param ref: the project's reference.
    :param token: a secret.
    :param api_url: without a slash at its end.
    :param ca_cert: file of the authorities to trust; None for the system's.
    :param timeout: seconds that the API may be silent.
    """

    ref: str
    token: str = field(repr=False)
    api_url: str = API_URL
    ca_cert: str | None = None
    timeout: float = 30.0

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Access:
        """From a module's parameters.

        :raises ConfigError: one of them cannot be right, or there is no token; nothing was sent anywhere.
        """
        timeout = params["timeout"]
        if not 1 <= timeout <= 600:
            raise ConfigError(STEP, f"timeout is {timeout}", hint="give seconds, from 1 to 600")
        return cls(
            ref=check_reference(params["project_ref"]),
            token=_token(params),
            api_url=_api_url(params["api_url"]),
            ca_cert=params["ca_cert"] or None,
            timeout=float(timeout),
        )

    @property
    def dashboard(self) -> str:
        """The address of the page that shows the project's backups."""
        return f"https://supabase.com/dashboard/project/{self.ref}/database/backups"


def check_reference(text: str) -> str:
    """*text* as a project's reference: the platform makes them of 20 lower-case letters."""
    if not _REFERENCE.fullmatch(text):
        raise ConfigError(
            STEP,
            f"project_ref is {text[:60]!r}",
            hint="20 lower-case letters, as in https://supabase.com/dashboard/project/<project_ref>",
        )
    return text


def _api_url(text: str | None) -> str:
    url = check_url((text or API_URL).strip(), "api_url")
    parts = urllib.parse.urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(STEP, "api_url has a user, a query or a fragment", hint=f"it looks like {API_URL}")
    return url.rstrip("/").removesuffix("/v1")


def _token(params: Mapping[str, Any]) -> str:
    given, path = params["access_token"], params["access_token_file"]
    if given and path:
        raise ConfigError(STEP, "access_token and access_token_file were both given", hint="give one of them")
    token = (given or (_read(path) if path else os.environ.get(TOKEN_VARIABLE, ""))).strip()
    if not token:
        where = f"access_token_file is empty: {path}" if path else "access_token is missing"
        raise ConfigError(
            STEP,
            where,
            hint=f"a token of Supabase's account page, given by access_token, access_token_file or {TOKEN_VARIABLE}",
        )
    if not _TOKEN.fullmatch(token):
        raise ConfigError(STEP, "access_token is no token", hint="it is one word without blanks, such as sbp_...")
    return token


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError as error:
        raise ConfigError(
            STEP,
            f"access_token_file cannot be read: {path}: {error.strerror}",
            hint="it has the token and nothing else",
        ) from None
