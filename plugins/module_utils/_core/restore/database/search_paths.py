"""Search paths for single entries of a dump: for what finds a name by one only, and a dump has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ...errors import ConfigError
from ...postgres.names import identifier
from .expected_differences import without_data


@dataclass(frozen=True)
class SearchPaths:
    """What the user gives.

    :param paths: name of an object as the manifest has it, with ``*`` for anything -> schemas.
    """

    paths: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None, step: str) -> SearchPaths:
        """From an option; raise :class:`ConfigError` where a value is no list of schemas."""
        paths = []
        for name, value in (given or {}).items():
            schemas = [value] if isinstance(value, str) else value
            if not isinstance(schemas, list) or not schemas or not all(isinstance(one, str) and one for one in schemas):
                raise ConfigError(
                    step,
                    f"entry_search_path: {name!r} has no list of schemas",
                    hint="as in entry_search_path: {'TABLE public.people': [public]}",
                )
            paths.append((str(name), tuple(schemas)))
        return cls(tuple(paths))

    def __bool__(self) -> bool:
        return bool(self.paths)

    def __call__(self, name: str) -> str:
        """The path by which the object of that name finds others, as SQL writes it; empty for nearly all.

        What holds for a table holds for its rows.
        """
        for pattern, schemas in self.paths:
            if any(one == pattern or fnmatchcase(one, pattern) for one in (name, without_data(name))):
                return ", ".join(map(identifier, schemas))
        return ""


NO_SEARCH_PATHS = SearchPaths()
