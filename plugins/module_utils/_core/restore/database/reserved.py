"""What only superusers make, as PostgreSQL itself has it; services may allow others some of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ...postgres.archive import TocEntry, object_name
from ...texts import bounded_list

_KINDS = frozenset(
    {
        *("ACCESS METHOD", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "OPERATOR CLASS", "OPERATOR FAMILY"),
        *("PROCEDURAL LANGUAGE", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "PUBLICATION TABLES IN SCHEMA"),
    }
)
_DEFINITIONS = {
    "ACL": re.compile(r"^SET SESSION AUTHORIZATION ", re.MULTILINE),
    "CAST": re.compile(r" WITHOUT FUNCTION\b"),
    "FUNCTION": re.compile(r"^    LANGUAGE (?:(?:c|internal)\b|[^\n]* LEAKPROOF\b)", re.MULTILINE),
    "PUBLICATION": re.compile(r"\bFOR ALL TABLES\b"),
    "TYPE": re.compile(r"^    INTERNALLENGTH = ", re.MULTILINE),
}
"""Of these kinds what says this: rights that somebody else than the owner gave, what runs as the server itself."""
_SUBSCRIPTION = "SUBSCRIPTION"
_SUBSCRIBERS_SINCE = 160000


def is_reserved(entry: TocEntry, server_version_num: int) -> bool:
    """Whether only a superuser carries the entry out."""
    if entry.desc == _SUBSCRIPTION:
        return server_version_num < _SUBSCRIBERS_SINCE
    pattern = _DEFINITIONS.get(entry.desc)
    return entry.desc in _KINDS or (pattern is not None and pattern.search(entry.defn) is not None)


def reserved_warnings(entries: Collection[TocEntry], server_version_num: int) -> Iterator[str]:
    """A warning about objects that only a superuser may create."""
    if names := [object_name(entry) for entry in entries if is_reserved(entry, server_version_num)]:
        yield (
            f"only a superuser makes {bounded_list(names)}, unless this server allows it otherwise: "
            "expected_differences leaves them out"
        )
