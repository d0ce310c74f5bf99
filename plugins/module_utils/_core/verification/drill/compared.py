"""What a drill compares, and the words for what it found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...backupset.manifest import Manifest
from ...restore.database.comparing import Difference, check_of

_SHOWN = 20
SAME_IN_ALL_VERSIONS = (
    "ACL ", "AGGREGATE ", "CHECK CONSTRAINT ", "COMMENT ", "CONSTRAINT ", "DOMAIN ", "EVENT TRIGGER ", "EXTENSION ",
    "FK CONSTRAINT ", "FUNCTION ", "INDEX ", "POLICY ", "PROCEDURE ", "PUBLICATION ", "ROW SECURITY ", "SCHEMA ",
    "SEQUENCE ", "STATISTICS ", "TRIGGER ", "TYPE ",
)  # fmt: skip
"""Kinds of objects whose definitions all supported versions write alike, but for blanks and qualified names."""
CHECKS = ("rows", "contents", "large_objects", "sequences", "policies", "grants", "schema")
"""What is compared; a difference is one of these."""


def first_of_each(differences: Iterable[Difference]) -> list[Difference]:
    """One of each object and check: what the archive lacks is missing in the database, too."""
    found: dict[tuple[str, str], Difference] = {}
    for one in differences:
        found.setdefault((one.check, one.name), one)
    return list(found.values())


def listed(differences: Sequence[Difference]) -> str:
    """The first of them in one line."""
    return joined([one.message for one in differences])


def joined(texts: Sequence[str]) -> str:
    """The first of them in one line."""
    more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def compared(check: str, manifest: Manifest) -> str:
    """What a check has compared where nothing is different."""
    if check == "rows":
        return f"{sum(table.rows for table in manifest.tables):,} rows in {len(manifest.tables):,} tables"
    if check == "contents":
        count = sum(table.fingerprint is not None for table in manifest.tables)
        return f"{count:,} of {len(manifest.tables):,} tables have a fingerprint, and the contents that it tells of"
    if check == "large_objects":
        return f"{manifest.large_objects:,} large objects"
    objects = manifest.schema.objects
    if check == "sequences":
        return f"{sum(name.startswith('SEQUENCE SET ') for name in objects):,} sequences"
    return f"{sum(check_of(name) == check for name in objects):,} objects"
