"""The catalogue of all locations, with those among them that nothing was ever written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...catalogue.all_locations import Catalogue, read_catalogue
from ...catalogue.index import LocationIndex
from ...catalogue.search import Problems, ask_all
from ...locations.base import Location
from .planning import ReplicationRequest


def survey(
    locations: Sequence[Location], request: ReplicationRequest, *, cache_dir: str | None, trial: bool
) -> Catalogue:
    """Read the catalogue; a location that has no root yet, which a backup would make, is an empty one.

    :param trial: make no root.
    """

    def read(some: Sequence[Location]) -> Catalogue:
        return read_catalogue(
            some,
            request.label,
            cache_dir=cache_dir,
            verify_keys=request.verify_keys,
            record_keys=request.record_keys,
        )

    def check(location: Location) -> bool:
        return location.check(trial=trial)

    catalogue = read(locations)
    # What may answer in a moment has a root.
    failures = {name for name, error in catalogue.failures.items() if not getattr(error, "transient", False)}
    checked, _failed = ask_all([location for location in locations if location.name in failures], check)
    if not checked:
        return catalogue
    unmade = {name for name, there in checked.items() if not there}
    catalogue = read([location for location in locations if location.name not in unmade])
    return replace(catalogue, indexes={**catalogue.indexes, **{name: _empty(name) for name in unmade}})


def _empty(name: str) -> LocationIndex:
    return LocationIndex(location=name, copies={}, directories=(), problems=Problems(), read=0)
