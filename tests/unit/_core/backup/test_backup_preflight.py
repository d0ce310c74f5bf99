"""Promises of what a backup says of its locations before it writes to them."""

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.module_utils._core.backup.preflight import (
    Survey,
    disagreements,
    previous_set,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue import LoadedSet
from support.manifests import make_manifest
from support.memory_location import MemoryLocation


def survey(name: str, set_id: str | None, *warnings: str) -> Survey:
    """A location whose newest set is that one."""
    if set_id is None:
        return Survey(MemoryLocation(name))
    manifest = make_manifest(set_id, warnings=warnings)
    data = manifest.to_bytes()
    return Survey(MemoryLocation(name), newest=LoadedSet(manifest, data, "unsigned"))


def test_the_previous_set_is_the_newest_of_all_locations() -> None:
    surveys = [survey("a", "weekly_20261115_000000"), survey("b", "weekly_20261122_000000"), survey("c", None)]
    found = previous_set(surveys)
    assert found is not None
    assert str(found.id) == "weekly_20261122_000000"
    assert previous_set([survey("c", None)]) is None


def test_copies_of_the_newest_set_that_differ_are_told() -> None:
    surveys = [
        survey("older", "weekly_20261115_000000"),
        survey("one", "weekly_20261122_000000"),
        survey("two", "weekly_20261122_000000"),
        survey("three", "weekly_20261122_000000", "another"),
    ]
    [told] = disagreements(surveys)
    assert told.startswith("three: the manifest of weekly_20261122_000000 differs from the one in location 'one'")
    assert disagreements(surveys[:3]) == []
