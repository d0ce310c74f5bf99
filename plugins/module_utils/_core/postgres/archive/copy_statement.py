"""The COPY statements of pg_dump: which table and which columns they fill."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..names import IDENTIFIER, TableName, unquote

_COPY = re.compile(
    rf"COPY (?P<schema>{IDENTIFIER})\.(?P<table>{IDENTIFIER}) (?:\((?P<columns>.*)\))? ?FROM stdin;\s*", re.DOTALL
)
_COLUMN = re.compile(IDENTIFIER)


@dataclass(frozen=True)
class CopyStatement:
    """What rows in COPY's text format are to be fed to.

    :param table: for a partition that is loaded through the root of its tree, that root.
    :param columns: in the rows' order, as the catalogue has them; empty for a table without any.
    """

    table: TableName
    columns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> CopyStatement | None:
        """Read it; None for a text that is none, as where the rows were dumped as INSERTs."""
        match = _COPY.fullmatch(text)
        if match is None:
            return None
        columns = tuple(map(unquote, _COLUMN.findall(match["columns"] or "")))
        return cls((unquote(match["schema"]), unquote(match["table"])), columns)
