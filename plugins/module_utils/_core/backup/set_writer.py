"""Writing the artifacts of one set into several locations at once.

A location that fails is left out of the rest of the set; what it has, or may have, is removed again. When the
whole set fails, everything written so far is removed everywhere, so that nothing half-made stays.

A manifest stands for the whole set. It goes first, and where it cannot be removed the rest stays as well, because a
manifest whose artifacts are gone would be taken for the newest backup.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..backupset.naming import MANIFEST
from ..errors import BackupError, Cancelled, LocationError
from ..locations.base import Location, Receipt, Writer
from ..stream.pipeline import PassingSink, Pipeline, Source, as_backup_error
from ..stream.stages import Transform

_WEAK_PROOFS = ("size", "crc32", "md5", "sha1")
"""From the weakest; whatever else a store proves an object by is stronger."""


class _Attempt(PassingSink):
    """A location's writer on its way to one object; :attr:`committing` says whether that may be visible."""

    def __init__(self, location: Location, writer: Writer) -> None:
        super().__init__(writer)
        self.location = location
        self.writer = writer
        self.committing = False

    def commit(self) -> None:
        """See :class:`Sink`."""
        self.committing = True
        try:
            super().commit()
        except LocationError as error:
            # What has the name then is somebody else's, and must not be removed, however the set ends.
            self.committing = not error.taken
            raise


class SetWriter:
    """Writes the objects of one set into several locations at once.

    :param directory: the set's key in every location.
    :ivar failures: name -> why a location does not have the set.
    :ivar kept: what could not be removed although the set is not wanted there, for a person.
    """

    def __init__(self, locations: Sequence[Location], directory: str) -> None:
        self.directory = directory
        self.failures: dict[str, BackupError] = {}
        self.kept: list[str] = []
        self.receipts: dict[str, list[Receipt]] = {location.name: [] for location in locations}
        self._locations = list(locations)
        # Keys of what is visible and ours, or may be though nothing confirmed it; and who has somebody else's manifest.
        self._visible: dict[str, list[str]] = {location.name: [] for location in locations}
        self._occupied: set[str] = set()
        self._pipelines: set[Pipeline] = set()
        self._cancelled: BackupError | None = None
        self._lock = threading.Lock()

    @property
    def live(self) -> list[Location]:
        """The locations in which no write has failed so far."""
        return [location for location in self._locations if location.name not in self.failures]

    def write(
        self, name: str, source: Source, transforms: Sequence[Transform], *, size_hint: int | None = None
    ) -> None:
        """Move one artifact into every live location; raise when its stream fails or no location is left."""
        key = f"{self.directory}/{name}"
        attempts = self._open(key, size_hint)
        pipeline = Pipeline(source, transforms, attempts, counted=True)
        with self._lock:
            if self._cancelled is not None:
                pipeline.cancel(self._cancelled)
            self._pipelines.add(pipeline)
        try:
            outcomes = pipeline.run()
        finally:
            with self._lock:
                self._pipelines.discard(pipeline)
                for attempt in attempts:
                    if attempt.committing:
                        self._visible[attempt.location.name].append(key)
        for attempt, outcome in zip(attempts, outcomes, strict=True):
            self._record(attempt.location, attempt.writer.receipt, outcome.error)
        self._require_one()

    def put(self, name: str, data: bytes) -> None:
        """Write one small object into every live location, all at the same time."""
        live = self.live
        with ThreadPoolExecutor(max_workers=max(1, len(live))) as pool:
            list(pool.map(lambda location: self._put(location, f"{self.directory}/{name}", data), live))
        self._require_one()

    def cancel(self, reason: BackupError) -> None:
        """Cancel all streams that are being written."""
        with self._lock:
            self._cancelled = self._cancelled or reason
            pipelines = list(self._pipelines)
        for pipeline in pipelines:
            pipeline.cancel(reason)

    def proofs(self) -> dict[str, str]:
        """Name -> the weakest of the proofs (see :class:`Receipt`) of what a live location has received."""
        received = {location.name: self.receipts[location.name] for location in self.live}
        return {
            name: min((receipt.proof for receipt in receipts), key=_strength)
            for name, receipts in received.items()
            if receipts
        }

    def notices(self) -> list[str]:
        """What the stores do otherwise than was asked for, with the location's name."""
        notices = (
            f"{location.name}: {receipt.notice}"
            for location in self.live
            for receipt in self.receipts[location.name]
            if receipt.notice
        )
        return list(dict.fromkeys(notices))

    def clean_failed(self) -> None:
        """Remove what the failed locations had received, as far as they let us."""
        for location in self._locations:
            if location.name in self.failures:
                self._remove(location)

    def abandon(self) -> None:
        """Remove everything everywhere, as far as the locations let us."""
        with ThreadPoolExecutor(max_workers=max(1, len(self._locations))) as pool:
            list(pool.map(self._remove, self._locations))

    def _open(self, key: str, size_hint: int | None) -> list[_Attempt]:
        attempts: list[_Attempt] = []
        for location in self.live:
            try:
                attempts.append(_Attempt(location, location.writer(key, size_hint=size_hint)))
            except BackupError as error:
                self._record(location, None, error)
        self._require_one()
        return attempts

    def _put(self, location: Location, key: str, data: bytes) -> None:
        with self._lock:
            self._visible[location.name].append(key)
        try:
            receipt = location.put(key, data)
        except Exception as error:
            if isinstance(error, LocationError) and error.taken:
                with self._lock:
                    self._visible[location.name].remove(key)
                    if key == f"{self.directory}/{MANIFEST}":
                        self._occupied.add(location.name)
            self._record(location, None, as_backup_error(error, f"write {key}"))
        else:
            self._record(location, receipt, None)

    def _record(self, location: Location, receipt: Receipt | None, error: BackupError | None) -> None:
        with self._lock:
            if error is not None:
                self.failures.setdefault(location.name, error)
            elif receipt is not None:
                self.receipts[location.name].append(receipt)

    def _require_one(self) -> None:
        if not self.live:
            message = "; ".join(str(error) for error in self.failures.values() if not isinstance(error, Cancelled))
            raise BackupError("write the set", f"no location is left: {message}")

    def _remove(self, location: Location) -> None:
        self.receipts[location.name].clear()
        keys = self._visible[location.name][::-1]
        manifest = f"{self.directory}/{MANIFEST}"
        if location.name in self._occupied:
            self._keep(location, "another manifest is there")
            return
        if manifest in keys:
            try:
                location.delete(manifest)
            except Exception as error:
                self._keep(location, f"its manifest could not be removed ({as_backup_error(error, 'remove it')})")
                return
        for key in keys:
            if key != manifest:
                with contextlib.suppress(BackupError):
                    location.delete(key)

    def _keep(self, location: Location, reason: str) -> None:
        message = f"nothing was removed from {self.directory} in location '{location.name}', because {reason}: check it"
        with self._lock:
            self.kept.append(message)
            if location.name in self.failures:
                self.failures[location.name].add(message)


def _strength(proof: str) -> int:
    return _WEAK_PROOFS.index(proof) if proof in _WEAK_PROOFS else len(_WEAK_PROOFS)
