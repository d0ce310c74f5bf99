"""What a drill compares, and the words for what it found."""

from __future__ import annotations

from collections.abc import Sequence

from ...backupset.manifest import Manifest
from ...findings import joined
from ...restore.database.comparing import Difference, check_of

CHECKS = ("rows", "contents", "large_objects", "sequences", "policies", "grants", "schema")
"""What is compared; a difference is one of these."""


def listed(differences: Sequence[Difference]) -> str:
    """The first differences in one line, and how many more there are."""
    return joined([one.message for one in differences])


def compared(check: str, manifest: Manifest) -> str:
    """What a check has compared where nothing is different."""
    if check == "rows":
        return f"{sum(table.rows for table in manifest.tables):,} rows in {len(manifest.tables):,} tables"
    if check == "contents":
        count = sum(table.fingerprint is not None for table in manifest.tables)
        return f"{count:,} of {len(manifest.tables):,} tables have a fingerprint, and the contents that it tells of"
    if check == "large_objects":
        contents = "with their contents" if manifest.large_object_contents is not None else "of which only the number"
        return f"{manifest.large_objects:,} large objects" + (f", {contents}" if manifest.large_objects else "")
    objects = manifest.schema.objects
    if check == "sequences":
        return f"{sum(name.startswith('SEQUENCE SET ') for name in objects):,} sequences"
    return f"{sum(check_of(name) == check for name in objects):,} objects"
