# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that cannot be meant, as they stand in an inventory or were typed; what a template makes is the run's to see.

A role takes what is empty for what is not given. So does it with ``no``, which is false in YAML: the port 5432 would be
asked instead of what was meant, or a backup have no environment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

_NUMBERS = ("int", "float")
_TEXTS = ("str", "path")


def mistyped(values: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, str]:
    """Name -> what is wrong with its value, and what to do.

    :param values: by variable, in which no template was followed.
    :param types: by variable, in Ansible's words.
    """
    found = {name: _wrong(value, types[name]) for name, value in sorted(values.items()) if name in types}
    return {name: wrong for name, wrong in found.items() if wrong}


def _wrong(value: Any, kind: str) -> str:
    if kind == "bool":
        return "" if _is_open(value) or _is_switch(value) else f"is {_shown(value)} (true or false)"
    wanted = "a number" if kind in _NUMBERS else "a text"
    if kind not in (*_NUMBERS, *_TEXTS) or not isinstance(value, bool | list | tuple | Mapping):
        return ""
    if isinstance(value, bool):
        words = "yes, on and true" if value else "no, off and false"
        quotes = "" if kind in _NUMBERS else " in quotes"
        return f"is {str(value).lower()}, as YAML reads {words} (give {wanted}{quotes}, or leave it out)"
    return f"is {_shown(value)} (give {wanted})"


def _is_open(value: Any) -> bool:
    """Whether only the run knows it, or it is not given: a template, a value of a vault, or nothing."""
    if isinstance(value, str):
        return not value or "{{" in value or "{%" in value
    return not isinstance(value, bool | int | float | list | tuple | Mapping)


def _is_switch(value: Any) -> bool:
    with contextlib.suppress(TypeError):
        boolean(value)
        return True
    return False


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a dictionary"
    return "a list" if isinstance(value, list | tuple) else repr(value)
