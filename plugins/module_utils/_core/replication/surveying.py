"""What all locations hold of a label, read at the same time; one that cannot be read spoils no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..catalogue.cache import RecordCache
from ..catalogue.index import LocationIndex, read_index
from ..errors import BackupError
from ..locations.base import Location
from ..pipeline import as_backup_error
from ..signing import VerifyKey
from .planning import STEP


@dataclass(frozen=True)
class Survey:
    """What was found.

    :param indexes: by the name of the location.
    :param failures: name -> why a location could not be read.
    """

    indexes: Mapping[str, LocationIndex]
    failures: Mapping[str, BackupError]


@dataclass(frozen=True)
class Surveyor:
    """Reads the catalogue of a label in any location.

    :param caches: by the name of the location.
    :param trial: make no root that is missing.
    """

    label: str
    verify_keys: Sequence[VerifyKey]
    caches: Mapping[str, RecordCache]
    trial: bool

    def survey(self, locations: Sequence[Location]) -> Survey:
        """Read all of *locations*."""
        with ThreadPoolExecutor(max_workers=max(1, len(locations)), thread_name_prefix="catalogue") as pool:
            answers = list(zip(locations, pool.map(self._guarded, locations), strict=True))
        return Survey(
            {location.name: answer for location, answer in answers if isinstance(answer, LocationIndex)},
            {location.name: answer for location, answer in answers if isinstance(answer, BackupError)},
        )

    def _guarded(self, location: Location) -> LocationIndex | BackupError:
        try:
            return self._read(location)
        except Exception as error:
            return as_backup_error(error, STEP)

    def _read(self, location: Location) -> LocationIndex:
        try:
            return self._index(location)
        except BackupError as error:
            if getattr(error, "transient", False):
                raise
            failure = error
        # A location that nothing was ever written to has no root yet; a backup would make it, too.
        try:
            there = location.check(trial=self.trial)
        except BackupError:
            raise failure from None
        if not there:
            return LocationIndex(location=location.name, copies={}, directories=(), problems=(), read=0)
        return self._index(location)

    def _index(self, location: Location) -> LocationIndex:
        cache = self.caches[location.name]
        return read_index(location, self.label, cache=cache, verify_keys=self.verify_keys)
