"""What an export is of: a table or a query, which of its columns and rows, and in which form."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError

STEP = "check the export"
FORMATS = ("csv", "json")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows to be exported, as the operator asks for them.

    :param table: as a person writes it; views, materialized views and foreign tables have rows too.
    :param query: the operator's own SELECT, instead of a table; names in it need their schema.
    :param columns: of *table*; all of them where none are named.
    :param where: the operator's own condition on the rows of *table*.
    :raises ConfigError: these cannot go together.
    """

    table: str | None = None
    query: str | None = None
    columns: tuple[str, ...] | None = None
    where: str | None = None
    data_format: str = "csv"

    def __post_init__(self) -> None:
        if (self.table is None) == (self.query is None):
            raise ConfigError(STEP, "either a table or a query is needed")
        if self.query is not None and (self.where is not None or self.columns is not None):
            raise ConfigError(STEP, "where and columns belong into the query")
        if self.columns is not None and not self.columns:
            raise ConfigError(STEP, "columns is empty", hint="leave it out to export all of them")
        if self.data_format not in FORMATS:
            raise ConfigError(STEP, f"format is {self.data_format!r}", hint="csv or json")
        for text in (self.query, self.where):
            if text is not None and (not text.strip() or "\0" in text):
                raise ConfigError(STEP, "the query or condition is empty, or holds a NUL character")
