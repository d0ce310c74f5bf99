# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets inside options that as such are none, so that they can be hidden like those that say ``no_log``."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

from ansible.module_utils.common.validation import check_type_dict

from .._core.stream.key_files import path_of

_PRIVATE_KEY = re.compile(
    r"AGE-SECRET-KEY-1\w*|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*", re.DOTALL | re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s/@]+)@")

# The quoting of https://rclone.org/docs/#connection-strings: a quote inside is doubled.
_REMOTE_PARAMETER = re.compile(r""",\s*([\w-]+)=("(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*)""")

_SECRET_NAME = re.compile(
    r"pass(?!file)|pwd|secret|token|credential|cookie|header|sas_url|(?:^|_)(?:key|otp|2fa)", re.IGNORECASE
)
# What leads to a secret, or belongs to one, and is none.
_HARMLESS_NAME = re.compile(r"_(?:agent|exchange|expiry|file|id|path)$|(?<!sas)_url$", re.IGNORECASE)
_KEY_OPTIONS = frozenset(("identities", "signing_key", "record_signing_key", "document_key"))
"""Options that take a secret key or the path of a file with one."""
_HARMLESS_VALUES = {"", "true", "false", "none"}


def secrets(parameters: object, option: str = "") -> Iterator[str]:
    """Every secret in a module's parameters, checked or not: a tree of dicts, lists and texts.

    Those are private keys and passwords of addresses in any text, and what is called a secret among libpq's parameters
    (``connect_params``) and in rclone's connection strings (``remote``), and what an object of a controller names
    (``hidden``).

    :param option: the one whose value *parameters* is.
    """
    if option == "connect_params":
        yield from _named_secrets(_as_dict(parameters).items())
    if isinstance(parameters, Mapping):
        yield from _hidden(parameters)
        for name, value in parameters.items():
            yield from secrets(value, str(name))
    elif isinstance(parameters, list | tuple):
        for value in parameters:
            yield from secrets(value, option)
    elif isinstance(parameters, str):
        yield from (match.group() for match in _PRIVATE_KEY.finditer(parameters))
        for match in _URL_PASSWORD.finditer(parameters):
            yield from (match[1], urllib.parse.unquote(match[1]))
        if option == "remote":
            yield from _named_secrets(match.groups() for match in _REMOTE_PARAMETER.finditer(parameters))


def _hidden(one: Mapping[object, object]) -> Iterator[str]:
    """The values that an object of :class:`..._core.controller.desired.DesiredObject` says to be secret."""
    fields, names = one.get("fields"), one.get("hidden")
    values = fields.get(one.get("secret")) if isinstance(fields, Mapping) else None
    if isinstance(values, Mapping) and isinstance(names, list | tuple):
        yield from (value for name in names if isinstance(value := values.get(name), str) and value)


def key_paths(parameters: object, option: str = "") -> Iterator[str]:
    """What of the options that take secret keys is no key but a path."""
    if isinstance(parameters, Mapping):
        for name, value in parameters.items():
            yield from key_paths(value, str(name))
    elif isinstance(parameters, list | tuple):
        for value in parameters:
            yield from key_paths(value, option)
    elif isinstance(parameters, str) and option in _KEY_OPTIONS and path_of(parameters) is not None:
        yield parameters


def escaped(texts: Iterable[object]) -> Iterator[str]:
    """How *texts* look inside a list or dict as Python writes it, in which form Ansible logs one."""
    for text in map(str, texts):
        yield repr(text)[1:-1]
        # A single quote is escaped where the text around has both kinds.
        yield repr(f'"{text}')[2:-1]


def _named_secrets(parameters: Iterable[tuple[object, ...]]) -> Iterator[str]:
    for name, value in parameters:
        if not _SECRET_NAME.search(str(name)) or _HARMLESS_NAME.search(str(name)):
            continue
        text = str(value)
        if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
            quote, text = text[0], text[1:-1]
            yield text.replace(quote * 2, quote)
        if value is not None and text.lower() not in _HARMLESS_VALUES:
            yield text


def _as_dict(value: object) -> Mapping[str, object]:
    """An option of type dict as Ansible will read it, which may be given as a text."""
    try:
        found: Mapping[str, object] = check_type_dict(value)
    except TypeError:
        return {}
    return found
