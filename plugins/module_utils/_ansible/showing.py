# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a result is meant for people, and how other people's texts are shown in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.texts import escape_undecodable, visible

FOR_PEOPLE = frozenset(
    (
        *("msg", "step", "hint", "exception", "summary", "table", "warnings", "diff", "changes", "notes", "messages"),
        *("findings", "message", "error", "problem", "problems", "reason", "skipped_because", "foreign", "reaped"),
        *("plan", "differences", "extra_objects"),
    )
)
"""Names of what a result tells in sentences, at whatever depth; all else are data, which stay exactly as they are, but
for bytes of no encoding, of which Ansible takes none."""

_NAMES = ("table", "subject")
"""A text of this name is that of an object; what is for people under it is a list of lines."""


def shown(value: Any, name: str = "", *, inside: bool = False) -> Any:
    """*value* as it is returned: what is in it for people has no character that cannot be seen.

    :param name: under which it stands in the result.
    :param inside: whether all around it is for people.
    """
    inside = inside or name in FOR_PEOPLE
    if isinstance(value, str):
        return visible(value) if inside and name not in _NAMES else escape_undecodable(value)
    if isinstance(value, Mapping):
        return {_key(key): shown(item, key, inside=inside) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item, inside=inside) for item in value]
    return value


def _key(key: Any) -> Any:
    return escape_undecodable(key) if isinstance(key, str) else key
