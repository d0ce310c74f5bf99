"""Documents described once: a type reads a JSON value strictly, writes it, and gives its JSON Schema.

Here are the single values; :mod:`records` puts them together. A mismatch carries the path to the value:
``artifacts[3].name``.
"""

from __future__ import annotations

import re
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Schema = dict[str, Any]

_shown = reprlib.Repr()
_shown.maxstring = _shown.maxother = 100

_LARGEST_INTEGER = 2**63 - 1
_TEXT = r"[^\u0000]*"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z"
_is_time = re.compile(_TIME).fullmatch


class Mismatch(ValueError):
    """A value is not of the type that the document asks for."""

    def __init__(self, expected: str, found: object = ..., *, path: Sequence[str | int] = ()) -> None:
        super().__init__(expected)
        self.expected = expected
        self.found = "" if found is ... else _shown.repr(found)
        # Innermost first: it grows while the containers pass it on.
        self.steps: list[str | int] = list(reversed(path))

    def under(self, step: str | int) -> Mismatch:
        self.steps.append(step)
        return self

    @property
    def path(self) -> str:
        text = ""
        for step in reversed(self.steps):
            if isinstance(step, int):
                text += f"[{step}]"
            elif re.fullmatch(r"\w+", step):
                text += f".{step}" if text else step
            else:
                text += f"[{step[:100]!r}]"
        return text

    def __str__(self) -> str:
        where = self.path or "the document"
        return f"{where} is {self.found}; expected {self.expected}" if self.found else f"{where}: {self.expected}"


class FieldType(ABC, Generic[Value]):
    """A type of JSON value: it reads, writes and describes its values."""

    @abstractmethod
    def read(self, value: object) -> Value:
        """Check a JSON value and give it its Python form; raise :class:`Mismatch`."""

    def write(self, value: Value) -> object:
        """The JSON form; only what :meth:`read` accepts back is valid."""
        return value

    @abstractmethod
    def schema(self, definitions: dict[str, Schema]) -> Schema:
        """The JSON Schema (draft 2020-12); records are put into *definitions* and referred to."""


class Text(FieldType[str]):
    """A string without NUL, which no text of PostgreSQL can hold.

    A name in the database may have bytes that its encoding does not know. Each such byte is a lone surrogate, U+DC80
    to U+DCFF (PEP 383), here and in the file; no other surrogate may stand alone.

    :param pattern: what the whole string must match, in the syntax that Python and ECMA-262 share.
    :param expected: the pattern in words.
    """

    def __init__(self, pattern: str | None = None, expected: str = "a text without NUL", *, empty: bool = True) -> None:
        self._expected = expected if empty else "a text that is not empty"
        self._source = pattern or (_TEXT if empty else _TEXT[:-1] + "+")
        self._matches = re.compile(self._source).fullmatch

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not self._matches(value):
            raise Mismatch(self._expected, value)
        if not value.isascii():
            try:
                value.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                raise Mismatch("a text of whole characters", value) from None
        return value

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"type": "string", "pattern": f"^(?:{self._source})$"}


class Choice(FieldType[str]):
    """A string out of a fixed list."""

    def __init__(self, *choices: str) -> None:
        self._choices = choices

    def read(self, value: object) -> str:
        if not isinstance(value, str) or value not in self._choices:
            raise Mismatch(" or ".join(map(repr, self._choices)), value)
        return value

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"enum": list(self._choices)} if len(self._choices) > 1 else {"const": self._choices[0]}


class Integer(FieldType[int]):
    """A whole number from *minimum* to *maximum*."""

    def __init__(self, minimum: int = 0, maximum: int = _LARGEST_INTEGER) -> None:
        self._minimum = minimum
        self._maximum = maximum

    def read(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self._minimum <= value <= self._maximum:
            single = f"the number {self._minimum}" if self._minimum == self._maximum else None
            raise Mismatch(single or f"a whole number from {self._minimum} to {self._maximum}", value)
        return value

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"type": "integer", "minimum": self._minimum, "maximum": self._maximum}


class Flag(FieldType[bool]):
    """A JSON boolean."""

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise Mismatch("true or false", value)
        return value

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"type": "boolean"}


class Time(FieldType[datetime]):
    """A moment in UTC: ``2026-11-23T00:00:00Z`` (RFC 3339), with six digits of a second's fraction if it has one."""

    def read(self, value: object) -> datetime:
        if isinstance(value, str) and _is_time(value):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass
        raise Mismatch("a time in UTC like '2026-11-23T00:00:00Z'", value)

    def write(self, value: datetime) -> object:
        if not isinstance(value, datetime) or value.utcoffset() is None:
            raise Mismatch("a time with its zone", value)
        return value.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"type": "string", "format": "date-time", "pattern": f"^{_TIME}$"}


class Parsed(FieldType[Value]):
    """A string that is parsed into a Python object of its own.

    :param parse: raises ValueError or a :class:`BackupError` when the string is not one.
    :param pattern: for the schema; it may accept more than *parse* does.
    """

    def __init__(self, parse: Callable[[str], Value], pattern: str, expected: str) -> None:
        self._parse = parse
        self._text = Text(pattern, expected)
        self._expected = expected

    def read(self, value: object) -> Value:
        text = self._text.read(value)
        try:
            return self._parse(text)
        except Exception:
            raise Mismatch(self._expected, value) from None

    def write(self, value: Value) -> object:
        return str(value)

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return self._text.schema(definitions)
