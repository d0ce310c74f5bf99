"""What a verification is asked for, checked as far as that goes without touching the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..backupset.naming import check_name
from ..catalogue.selector import BackupSelector
from ..errors import ConfigError
from ..postgres.names import TableName

STEP = "check the options"
STRUCTURE, CONTENT = "structure", "content"
_PUBLIC = "public"


@dataclass(frozen=True)
class VerifyRequest:
    """Everything that is asked for, beside the locations and the keys.

    :param label: of the set; None for a file.
    :param backup: the set's id, or ``latest``.
    :param content: whether everything is read to its end.
    :param critical_tables: as they were given, with their schema and name.
    :param min_size: bytes that the dump must have.
    :param environment: which the set must be of; None does not look.
    """

    label: str | None
    wanted: BackupSelector
    content: bool
    critical_tables: Mapping[str, TableName]
    min_size: int
    environment: str | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> VerifyRequest:
        """From the module's parameters; raise :class:`ConfigError` if one of them cannot be right."""
        label = params["label"]
        if (label is None) == (params["src"] is None):
            raise ConfigError(STEP, "give either label, for a set, or src, for a file")
        if label is not None:
            check_name(label, "label")
            if not params["locations"]:
                raise ConfigError(STEP, "locations is empty", hint="give at least one location")
        if params["min_size"] < 0:
            raise ConfigError(STEP, f"min_size is {params['min_size']}", hint="bytes, 0 or more")
        return cls(
            label=label,
            wanted=BackupSelector.parse(params["backup"], params["before"]),
            content=params["level"] == CONTENT,
            critical_tables={text: parse_table(text) for text in params["critical_tables"]},
            min_size=params["min_size"],
            environment=params["expect_environment"],
        )


def parse_table(text: str) -> TableName:
    """``orders``, ``app.orders`` or ``"odd.schema"."Odd Name"``; without a schema it is in ``public``.

    Names are taken as they are: nothing is folded to lower case.

    :raises ConfigError: it is none of these.
    """
    parts: list[str] = []
    rest = text.strip()
    while rest:
        part, rest = _part(rest, text)
        parts.append(part)
        if rest and not (rest.startswith(".") and len(rest) > 1):
            raise _no_table(text)
        rest = rest[1:]
    if len(parts) not in (1, 2) or not all(parts):
        raise _no_table(text)
    return (_PUBLIC, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _part(rest: str, text: str) -> tuple[str, str]:
    """The first part of a qualified name, and the text after it."""
    if not rest.startswith('"'):
        end = rest.find(".")
        return (rest, "") if end < 0 else (rest[:end], rest[end:])
    position = 1
    while (end := rest.find('"', position)) >= 0:
        if rest[end + 1 : end + 2] != '"':
            return rest[1:end].replace('""', '"'), rest[end + 1 :]
        position = end + 2
    raise _no_table(text)


def _no_table(text: str) -> ConfigError:
    return ConfigError(
        STEP, f"critical_tables: {text!r} is not the name of a table", hint='orders, app.orders or "Odd.Name"'
    )
