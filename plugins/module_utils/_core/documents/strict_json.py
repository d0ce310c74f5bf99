"""JSON (RFC 8259) as this product keeps it: strict when it is read, the same bytes every time it is written."""

from __future__ import annotations

import json
from typing import Any

from ..errors import FormatError

MAX_BYTES = 64 * 1024 * 1024
"""No document of ours is larger; what claims to be is not read."""
MAX_UNPROVEN_BYTES = 16 * 1024 * 1024
"""Of a document that no signature vouches for: anybody may have written it."""
MAX_UNPROVEN_MEMORY = 160 * 1024 * 1024
"""What its values may take in memory, in bytes: an empty list takes two bytes of a file and 64 of memory."""

_CONTAINER, _VALUE = 96, 64
"""Bytes of memory for the two, at most; text is counted by its length."""
_SMALL = 1024 * 1024
"""Bytes of a document that cannot take too much memory, whatever is in it."""
_LINE = 120

_compact = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


def dumps(value: object) -> bytes:
    """*value* as UTF-8 with sorted keys; what fits into a line stays in one, so that people can read and diff it."""
    lines: list[str] = []
    _lay_out(value, "", "", lines)
    # A lone surrogate, the only character that UTF-8 cannot hold, becomes \udcXX: an escape of JSON too.
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def loads(data: bytes, step: str, *, proven: bool = False) -> Any:
    """Parse one JSON document that may come from anyone.

    Beyond what ``json.loads`` refuses, these are errors: bytes that are not UTF-8, a key that occurs twice in an
    object (readers differ in which they take), NaN and infinity, and sizes or depths that would exhaust the memory.

    :param step: named in errors.
    :param proven: whether a signature vouches for *data*; it may then be as large as a document of ours can be.
    :raises FormatError: it is not such a document.
    """
    check_size(data, step, proven=proven)
    try:
        return _decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(step, f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise FormatError(step, f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise FormatError(step, "is nested too deeply") from None
    except ValueError as error:
        raise FormatError(step, f"is not usable JSON: {error}") from None


def check_size(data: bytes, step: str, *, proven: bool = False) -> None:
    """Raise :class:`FormatError` where :func:`loads` would refuse *data* for its size; good for a writer to know."""
    limit = MAX_BYTES if proven else MAX_UNPROVEN_BYTES
    if len(data) > limit:
        raise FormatError(step, f"is {len(data)} bytes long; {limit} are the most that is read", hint=_hint(proven))
    if not proven and len(data) > _SMALL and memory_of(data) > MAX_UNPROVEN_MEMORY:
        raise FormatError(step, "holds more values than are read where no signature proves it", hint=_hint(proven))


def memory_of(data: bytes) -> int:
    """How many bytes of memory it takes at most to read *data*, itself included."""
    width = 1 if data.isascii() else 4
    containers = data.count(b"[") + data.count(b"{")
    return len(data) * (1 + 2 * width) + containers * _CONTAINER + (data.count(b",") + data.count(b":")) * _VALUE


def _hint(proven: bool) -> str | None:
    return None if proven else "where it is yours and signed, give verify_key: larger ones are read then"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} occurs twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_decode = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant).decode


def _lay_out(value: object, indent: str, start: str, lines: list[str], end: str = "") -> None:
    """Append the lines of *value*; *start* and *end* are what stands on its first and after its last line."""
    if not isinstance(value, dict | list) or len(value) * 3 <= _LINE:
        text = _compact(value)
        if not value or not isinstance(value, dict | list) or len(indent) + len(start) + len(text) < _LINE:
            lines.append(f"{indent}{start}{text}{end}")
            return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    lines.append(f"{indent}{start}{opening}")
    if isinstance(value, dict):
        items = [(f"{_compact(key)}: ", value[key]) for key in sorted(value)]
    else:
        items = [("", item) for item in value]
    for number, (key, item) in enumerate(items, start=1):
        _lay_out(item, indent + " ", key, lines, "," if number < len(items) else "")
    lines.append(f"{indent}{closing}{end}")
