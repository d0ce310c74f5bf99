"""Settings of a database in a backup that the database which is there does not have, and keeps not having."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...postgres.archive import Toc
from ...postgres.names import IDENTIFIER, unquote
from ...texts import bounded_list
from .globals_script import split_statements
from .target import ExistingDatabase

_SET = re.compile(
    rf"ALTER (?:DATABASE {IDENTIFIER}|ROLE (?P<role>{IDENTIFIER}) IN DATABASE {IDENTIFIER})"
    rf" SET (?P<name>{IDENTIFIER}(?:\.{IDENTIFIER})*) TO ",
    re.DOTALL,
)


def lost_settings(toc: Toc | None, existing: ExistingDatabase | None) -> list[str]:
    """One line that names them, if there are any: a database that is there keeps its own."""
    if toc is None or existing is None:
        return []
    there = {(setting.role, setting.name) for setting in existing.settings}
    names = [
        name if role is None else f"{name} for {role}" for role, name in settings_of(toc) if (role, name) not in there
    ]
    if not names:
        return []
    return [
        f"settings of the database in the backup, which the one that is there does not have and does not get: "
        f"{bounded_list(names)} (ALTER DATABASE ... SET, where they are wanted)"
    ]


def settings_of(toc: Toc | None) -> Iterator[tuple[str | None, str]]:
    """Role, None for everybody, and name of each setting of the database of a dump."""
    for entry in toc.entries if toc is not None else ():
        if entry.desc != "DATABASE PROPERTIES":
            continue
        for statement in split_statements(entry.defn):
            if match := _SET.match(statement):
                role = match["role"]
                parts = re.findall(IDENTIFIER, match["name"])
                yield None if role is None else unquote(role), ".".join(map(unquote, parts))
