"""The statements of pg_dump about one table, turned to a table of the same name in another schema.

pg_dump writes every name with its schema, and the table's own always at the same places: right behind the words that
begin a statement. Nothing else is touched, so that an expression or a default that happens to hold the same text stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ....errors import FormatError
from ....postgres.names import IDENTIFIER

STEP = "read the schema"
_QUALIFIED = re.compile(rf"({IDENTIFIER})\.({IDENTIFIER})")
_TOKEN = re.compile(
    r"""\bE'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|;""", re.DOTALL
)
_LITERAL = r"'(?:[^']++|'')*+'"
_VARCHAR = rf"{_LITERAL}::character varying(?:\(\d+\))?"
_VARCHAR_ARRAY = re.compile(rf"\(ARRAY\[{_VARCHAR}(?:, {_VARCHAR})*+\]\)::text\[\]")


@dataclass(frozen=True)
class QualifiedName:
    """Schema and table as pg_dump writes them, quoted where they have to be."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> QualifiedName:
        """Parse ``schema.table`` as pg_dump writes it."""
        match = _QUALIFIED.fullmatch(text)
        if match is None:
            raise FormatError(STEP, f"{text!r} is not the name of a table as pg_dump writes it")
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


def split_statements(text: str) -> Iterator[str]:
    """The statements of *text*, each with its semicolon, without the space around them."""
    begin = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            if statement := text[begin : token.end()].strip():
                yield statement
            begin = token.end()
    if rest := text[begin:].strip():
        yield rest


def move_statements(definition: str, name: QualifiedName, schema: str) -> list[str]:
    """The statements of an entry about the table *name*, as ones about the table of that name in *schema*.

    :raises FormatError: a statement is none that pg_dump writes about a table.
    """
    return [_move(keep_casts(statement), name, schema) for statement in split_statements(definition)]


def _move(statement: str, name: QualifiedName, schema: str) -> str:
    table, own = re.escape(str(name)), re.escape(name.schema)
    heads = (
        rf"(?P<head>CREATE (?:UNLOGGED )?TABLE |ALTER TABLE (?:ONLY )?){table}(?=\s)",
        rf"(?P<head>CREATE (?:UNIQUE )?INDEX {IDENTIFIER} ON (?:ONLY )?){table}(?=\s)",
    )
    moved = QualifiedName(schema, name.table)
    for head in heads:
        if match := re.match(head, statement):
            rest = statement[match.end() :]
            identity = re.match(
                rf"(?P<head>\s+ALTER COLUMN {IDENTIFIER} ADD GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY \(\s*"
                rf"SEQUENCE NAME ){own}\.",
                rest,
            )
            if identity is not None:
                rest = f"{identity['head']}{schema}.{rest[identity.end() :]}"
            return f"{match['head']}{moved}{rest}"
    if match := re.match(rf"(?P<head>ALTER (?:INDEX|SEQUENCE) ){own}\.", statement):
        return f"{match['head']}{schema}.{statement[match.end() :]}"
    raise FormatError(STEP, f"pg_dump says something about {name} that is not known here: {statement[:40]!r}")


def keep_casts(definition: str) -> str:
    """The same definition, written so that the server reads back what it was made of.

    An array of varchar that is cast to text as a whole, as ``column IN ('a', 'b')`` gives on a varchar column, is read
    as casts of its elements; cast to what it is already first, it is not.
    """
    return _VARCHAR_ARRAY.sub(_cast_twice, definition)


def _cast_twice(match: re.Match[str]) -> str:
    return f"({match[0].removesuffix('::text[]')}::character varying[])::text[]"
