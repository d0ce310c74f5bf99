"""Rows that come as JSON objects."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..target import Target
from .rows import CopiedRows

_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""What COPY's text format reads otherwise: PostgreSQL's documentation of COPY, "Text Format"."""


class DocumentRows(CopiedRows):
    """The rows of a file of JSON objects.

    :param columns: the members that the objects have.
    """

    documents = True

    def __init__(self, name: str, columns: tuple[str, ...], rows: Iterator[str]) -> None:
        super().__init__(name, columns, _lines(rows), "(FORMAT text, ENCODING 'UTF8')")


def first_columns(rows: Iterator[str], target: Target) -> tuple[str, ...]:
    """The members of the first object; those of the table where there is none."""
    first = next(rows, None)
    if first is None:
        return tuple(column.name for column in target.columns if not column.generated)
    return tuple(json.loads(first))


def _lines(rows: Iterator[str]) -> Iterator[bytes]:
    for row in rows:
        yield row.translate(_ESCAPED).encode() + b"\n"
