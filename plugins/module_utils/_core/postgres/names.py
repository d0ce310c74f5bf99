"""Names of tables as people and programs write them."""

from __future__ import annotations

import re

from ..errors import ConfigError

TableName = tuple[str, str]
"""Schema and table, exactly as the catalogue has them."""

IDENTIFIER = r'(?:"(?:[^"]++|"")++"|[^\s".();,]++)'
"""A pattern for one name in a statement that PostgreSQL's programs have written, for :func:`unquote`."""
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PART = r'"(?:[^"]|"")+"|[^".\x00]+'
_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")
_NAME = re.compile(rf"(?P<first>{_PART})(?:\.(?P<second>{_PART}))?")


def display_name(table: TableName) -> str:
    """``schema.table``, quoted where SQL needs it; control characters are escaped, so that it stays one line."""
    return ".".join(quoted(part) for part in table)


def identifier(*names: str) -> str:
    """A name, with those that it belongs to before it, as a program writes it into SQL: always quoted."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def quoted(name: str) -> str:
    """One name, for example of a role, for a statement that a person is to execute."""
    if _PLAIN.fullmatch(name):
        return name
    text = identifier(name)
    # Stricter than a text for people: a blank that is not the common one is told apart from it.
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def from_text(text: str) -> str:
    """A name as a person can write it: a byte of no encoding stands in it as it is shown, ``\\udce9``."""
    return _BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), text)


MAX_NAME_BYTES = 63
"""How many bytes of a name the server keeps."""


def shortened(name: str, size: int) -> str:
    """As many of the name's characters as have *size* bytes."""
    while len(name.encode("utf-8", "surrogateescape")) > size:
        name = name[:-1]
    return name


def parse_name(text: str) -> tuple[str | None, str]:
    """Split ``table``, ``schema.table`` or ``"we.ird"."ta ble"`` into schema (or None) and table.

    What is not quoted is taken as it stands, capitals and spaces too; for bytes of no encoding see :func:`from_text`.
    """
    match = _NAME.fullmatch(from_text(text)) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(
            "find the table",
            f"{text!r} is not the name of a table",
            hint='table, schema.table, or quoted where a part holds dots or quotes: "we.ird"."ta ble"',
        )
    first, second = match["first"], match["second"]
    return (None, unquote(first)) if second is None else (unquote(first), unquote(second))


def unquote(identifier: str) -> str:
    """The name that an identifier of SQL stands for."""
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier
