"""What the locations of a test hold, and what a module says of a set's copies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.mobul.backup.plugins.module_utils._core.locations import open_locations
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.base import Location


def opened(locations: Sequence[Mapping[str, Any]]) -> Iterator[Location]:
    """One location after the other, open as long as it is looked at."""
    for location in open_locations(locations):
        with contextlib.closing(location):
            yield location


def states(result: Mapping[str, Any]) -> list[str]:
    """The state of each copy, in the order of the locations."""
    return [one["state"] for one in result["copies"]]
