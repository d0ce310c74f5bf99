"""Types made of other types: lists, maps and records.

A record is a dataclass whose fields are annotated with their types, and with descriptions for its JSON Schema::

    @dataclass(frozen=True)
    class Point:
        x: Annotated[int, Integer(), "Pixels from the left."]

    Record(Point).read({"x": 3})

Members that a record does not know are ignored, so that a later revision may add some; those it knows must all be
there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from .values import FieldType, Mismatch, Schema, Value


class Nullable(FieldType[Value | None]):
    """A value or null."""

    def __init__(self, field_type: FieldType[Value]) -> None:
        self._field_type = field_type

    def read(self, value: object) -> Value | None:
        return None if value is None else self._field_type.read(value)

    def write(self, value: Value | None) -> object:
        return None if value is None else self._field_type.write(value)

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"anyOf": [self._field_type.schema(definitions), {"type": "null"}]}


class ListOf(FieldType[tuple[Value, ...]]):
    """A JSON list whose values all have one type."""

    def __init__(self, field_type: FieldType[Value]) -> None:
        self._field_type = field_type

    def read(self, value: object) -> tuple[Value, ...]:
        if not isinstance(value, list):
            raise Mismatch("a list", value)
        read = self._field_type.read
        found: list[Value] = []
        try:
            for item in value:
                found.append(read(item))
        except Mismatch as mismatch:
            raise mismatch.under(len(found)) from None
        return tuple(found)

    def write(self, value: Sequence[Value]) -> object:
        return [self._field_type.write(item) for item in value]

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {"type": "array", "items": self._field_type.schema(definitions)}


class MapOf(FieldType[dict[str, Value]]):
    """A JSON object with keys of one type and values of another."""

    def __init__(self, keys: FieldType[str], values: FieldType[Value]) -> None:
        self._keys = keys
        self._values = values

    def read(self, value: object) -> dict[str, Value]:
        if not isinstance(value, dict):
            raise Mismatch("an object", value)
        found: dict[str, Value] = {}
        key = ""
        try:
            for key, item in value.items():
                found[self._keys.read(key)] = self._values.read(item)
        except Mismatch as mismatch:
            raise mismatch.under(str(key)) from None
        return found

    def write(self, value: Mapping[str, Value]) -> object:
        return {key: self._values.write(item) for key, item in value.items()}

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        return {
            "type": "object",
            "propertyNames": self._keys.schema(definitions),
            "additionalProperties": self._values.schema(definitions),
        }


class Row(FieldType[Value]):
    """A list of fixed length, each place with a type of its own: many small records, kept short.

    :param make: takes the values in order and returns a tuple (a NamedTuple's class, say).
    """

    def __init__(self, make: Callable[..., Value], *field_types: FieldType[Any]) -> None:
        self._make = make
        self._field_types = field_types

    def read(self, value: object) -> Value:
        if not isinstance(value, list) or len(value) != len(self._field_types):
            raise Mismatch(f"a list of {len(self._field_types)} values", value)
        found: list[Any] = []
        try:
            for field_type, item in zip(self._field_types, value, strict=True):
                found.append(field_type.read(item))
        except Mismatch as mismatch:
            raise mismatch.under(len(found)) from None
        return self._make(*found)

    def write(self, value: Value) -> object:
        return list(value)  # type: ignore[call-overload]

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        places = [field_type.schema(definitions) for field_type in self._field_types]
        return {"type": "array", "prefixItems": places, "items": False, "minItems": len(places)}


class Later(Nullable[Value]):
    """A member that came after the format's first version: what has none reads as None, and None is not written."""


@cache
def _metadata(record: type) -> dict[str, tuple[Any, ...]]:
    """What the fields of a dataclass are annotated with."""
    hints = get_type_hints(record, include_extras=True)
    return {field.name: hints[field.name].__metadata__ for field in fields(record)}


class Record(FieldType[Value]):
    """A JSON object whose members are the fields of a dataclass.

    :param rule: checks what concerns several fields at once; raises :class:`Mismatch`.
    :param conditions: what of the rule JSON Schema can say, as further keywords of the record's schema.
    """

    def __init__(
        self, record: type[Value], *, rule: Callable[[Value], None] | None = None, conditions: Schema | None = None
    ) -> None:
        self._record = record
        self._rule = rule
        self._conditions = conditions or {}
        metadata = _metadata(record)  # type: ignore[arg-type]
        self._field_types: dict[str, FieldType[Any]] = {name: entry[0] for name, entry in metadata.items()}
        self._descriptions = {name: entry[1] for name, entry in metadata.items() if len(entry) > 1}
        # Bound once: a catalogue reads ten thousand documents.
        self._readers = [
            (name, field_type.read, isinstance(field_type, Later)) for name, field_type in self._field_types.items()
        ]

    def read(self, value: object) -> Value:
        if not isinstance(value, dict):
            raise Mismatch("an object", value)
        found: dict[str, Any] = {}
        name = ""
        try:
            for name, read, later in self._readers:
                if name in value:
                    found[name] = read(value[name])
                elif later:
                    found[name] = None
                else:
                    raise Mismatch("the member is missing")
        except Mismatch as mismatch:
            raise mismatch.under(name) from None
        record = self._record(**found)
        if self._rule is not None:
            self._rule(record)
        return record

    def write(self, value: Value) -> object:
        found: dict[str, object] = {}
        for name, field_type in self._field_types.items():
            member = getattr(value, name)
            if member is None and isinstance(field_type, Later):
                continue
            try:
                found[name] = field_type.write(member)
            except Mismatch as mismatch:
                raise mismatch.under(name) from None
        return found

    def schema(self, definitions: dict[str, Schema]) -> Schema:
        name = self._record.__name__
        if name not in definitions:
            definitions[name] = {}
            members = {
                member: {**field_type.schema(definitions), **self._described(member)}
                for member, field_type in self._field_types.items()
            }
            definitions[name] = {
                "description": (self._record.__doc__ or "").partition("\n\n")[0],
                "type": "object",
                "required": [
                    name for name, field_type in self._field_types.items() if not isinstance(field_type, Later)
                ],
                "properties": members,
                **self._conditions,
            }
        return {"$ref": f"#/$defs/{name}"}

    def _described(self, member: str) -> Schema:
        return {"description": self._descriptions[member]} if member in self._descriptions else {}
