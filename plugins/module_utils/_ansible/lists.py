# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists as people give them: as JSON in a text, one entry a line as in a survey's answer, or lists within a list.

Ansible itself takes a list, and a text with commas.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.durations import STEP
from .._core.errors import ConfigError

_DASH = re.compile(r"-\s+")


def read_lists(params: dict[str, Any], spec: Mapping[str, Any]) -> None:
    """Make a list of what is given for each option of *spec* that takes one.

    :raises ConfigError: naming the option; its list is empty in *params* then. Values, which may be secret, are not
        shown.
    """
    for name, option in spec.items():
        if option.get("type") != "list" or params.get(name) is None:
            continue
        given, params[name] = params[name], []
        if isinstance(given, Mapping):
            raise ConfigError(STEP, f"{name} is one dictionary", hint="give a list, with a dash before each entry")
        found = _entries(name, given)
        if option.get("elements") == "dict":
            _check_dictionaries(name, found, option.get("options") or {})
        params[name] = found


def _entries(name: str, given: Any) -> Any:
    if isinstance(given, list | tuple):
        return list(_flat(given))
    if not isinstance(given, str):
        return given
    text = given.strip()
    # A key has lines, and may have commas in its head.
    if "-----BEGIN" in text:
        return [given]
    if text.startswith("["):
        return list(_flat(_parsed(name, text)))
    if "\n" in text or _DASH.match(text):
        lines = [line.strip() for line in text.splitlines()]
        return [_DASH.sub("", line, count=1) for line in lines if line and not line.startswith("#")]
    return given


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


def _parsed(name: str, text: str) -> list[Any]:
    """What stands in brackets: JSON, or a list as Python writes it, which a template within a text becomes."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    if text.endswith("]") and not set(text[1:-1]) & set("[]{}\"'"):
        return [entry for part in text[1:-1].split(",") if (entry := part.strip())]
    raise ConfigError(STEP, f"{name} begins with a bracket and is no list in JSON", hint='for example ["one", "two"]')


def _check_dictionaries(name: str, entries: Any, options: Mapping[str, Any]) -> None:
    """Refuse what can be no dictionary; Ansible would not say of which option it speaks."""
    needed = ", ".join(f"{key}: ..." for key, option in options.items() if option.get("required")) or "name: value"
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        if isinstance(entry, Mapping) or (isinstance(entry, str) and ("=" in entry or "{" in entry)):
            continue
        raise ConfigError(STEP, f"{name}: entry {number} is no dictionary", hint=f"write each as {{{needed}}}")
