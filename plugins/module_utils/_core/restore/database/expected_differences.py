"""Objects that may fail to be restored or be different afterwards, because whoever restores says so by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ...errors import ConfigError

_DATA = ("TABLE DATA ", "MATERIALIZED VIEW DATA ")


def without_data(name: str) -> str:
    """The name of the table that an entry of rows belongs to, or *name* itself."""
    return name.replace(" DATA ", " ", 1) if name.startswith(_DATA) else name


@dataclass(frozen=True)
class ExpectedDifferences:
    """What the user expects.

    :param patterns: names of objects as the manifest has them, with ``*`` for anything.
    :param names: further names, each of one object: of what a profile knows to be different.
    """

    patterns: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, given: Sequence[str] | None, step: str) -> ExpectedDifferences:
        """From an option; raise :class:`ConfigError` where it would expect everything."""
        patterns = tuple(given or ())
        if any(not pattern.strip("*? ") for pattern in patterns):
            raise ConfigError(
                step,
                "expected_differences would expect everything to be different",
                hint="name objects as messages and reports do: 'EXTENSION pg_graphql', 'VIEW public.report_*'",
            )
        return cls(patterns)

    def __bool__(self) -> bool:
        return bool(self.patterns or self.names)

    def __call__(self, name: str) -> bool:
        """Whether the object of that name may be different; whoever expects a table expects its rows."""
        names = (name, without_data(name))
        if not self.names.isdisjoint(names):
            return True
        return any(one == pattern or fnmatchcase(one, pattern) for one in names for pattern in self.patterns)


NOTHING_EXPECTED = ExpectedDifferences()
