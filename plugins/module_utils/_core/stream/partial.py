"""The names of unfinished objects where a store has no invisible ones: ``.<name>.<16 hex digits>.partial``."""

from __future__ import annotations

import re
import secrets

from ..errors import ConfigError

_PARTIAL = re.compile(r"\.(.+)\.[0-9a-f]{16}\.partial", re.DOTALL)
_MAX_NAME_BYTES = 255
_ADDED_BYTES = len(f"..{secrets.token_hex(8)}.partial")


def partial_name(name: str) -> str:
    """A fresh temporary name for the object *name*, which is shortened where the whole would not fit in 255 bytes."""
    kept = name.encode()[: _MAX_NAME_BYTES - _ADDED_BYTES].decode("utf-8", "ignore")
    return f".{kept}.{secrets.token_hex(8)}.partial"


def finished_name(name: str) -> str | None:
    """The name of the object that *name* is an unfinished form of; None when it is not unfinished."""
    match = _PARTIAL.fullmatch(name)
    return match[1] if match else None


def refuse_partial(key: str) -> str:
    """Return *key* unless it would be taken for something unfinished."""
    if any(finished_name(part) for part in key.split("/")):
        raise ConfigError("check the names", f"{key!r} is the name of an unfinished object", hint="choose another")
    return key
