"""Writing the artifacts of one set into several locations at once.

A location that fails is left out of the rest of the set; what it had received is removed again. When the
whole set fails, everything written so far is removed everywhere, so that nothing half-made stays.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import BackupError, Cancelled
from ..locations.base import Location, Receipt, Writer
from ..pipeline import Pipeline, Progress, Source, Transform, as_backup_error


class SetWriter:
    """The objects of one set on their way into *locations*.

    :param directory: the set's key in every location.
    """

    def __init__(self, locations: Sequence[Location], directory: str, progress: Progress) -> None:
        self.directory = directory
        self.progress = progress
        self.failures: dict[str, BackupError] = {}
        self.receipts: dict[str, list[Receipt]] = {location.name: [] for location in locations}
        self._locations = list(locations)
        self._pipelines: set[Pipeline] = set()
        self._cancelled: BackupError | None = None
        self._lock = threading.Lock()

    @property
    def live(self) -> list[Location]:
        """The locations that have received everything so far."""
        return [location for location in self._locations if location.name not in self.failures]

    def write(
        self, name: str, source: Source, transforms: Sequence[Transform], *, size_hint: int | None = None
    ) -> None:
        """Move one artifact into every live location; raise when its stream fails or no location is left."""
        key = f"{self.directory}/{name}"
        writers = self._open(key, size_hint)
        pipeline = Pipeline(source, transforms, [writer for _name, writer in writers], progress=self.progress)
        with self._lock:
            if self._cancelled is not None:
                pipeline.cancel(self._cancelled)
            self._pipelines.add(pipeline)
        try:
            outcomes = pipeline.run()
        finally:
            with self._lock:
                self._pipelines.discard(pipeline)
        for (location, writer), outcome in zip(writers, outcomes, strict=True):
            self._record(location, writer, outcome.error)
        self._require_one()

    def put(self, name: str, data: bytes) -> None:
        """Write one small object into every live location, all at the same time."""
        live = self.live
        with ThreadPoolExecutor(max_workers=max(1, len(live))) as pool:
            list(pool.map(lambda location: self._put(location, f"{self.directory}/{name}", data), live))
        self._require_one()

    def cancel(self, reason: BackupError) -> None:
        """End every stream that is under way."""
        with self._lock:
            self._cancelled = self._cancelled or reason
            pipelines = list(self._pipelines)
        for pipeline in pipelines:
            pipeline.cancel(reason)

    def clean_failed(self) -> None:
        """Remove what the failed locations had received, as far as they let us."""
        for location in self._locations:
            if location.name in self.failures:
                self._remove(location)

    def abandon(self) -> None:
        """Remove everything everywhere, as far as the locations let us."""
        with ThreadPoolExecutor(max_workers=max(1, len(self._locations))) as pool:
            list(pool.map(self._remove, self._locations))

    def _open(self, key: str, size_hint: int | None) -> list[tuple[Location, Writer]]:
        writers: list[tuple[Location, Writer]] = []
        for location in self.live:
            try:
                writers.append((location, location.writer(key, size_hint=size_hint)))
            except BackupError as error:
                self.failures[location.name] = error
        self._require_one()
        return writers

    def _record(self, location: Location, writer: Writer, error: BackupError | None) -> None:
        with self._lock:
            if error is not None:
                self.failures.setdefault(location.name, error)
            elif writer.receipt is not None:
                self.receipts[location.name].append(writer.receipt)

    def _put(self, location: Location, key: str, data: bytes) -> None:
        try:
            receipt = location.put(key, data)
        except Exception as error:
            with self._lock:
                self.failures[location.name] = as_backup_error(error, f"write {key}")
        else:
            with self._lock:
                self.receipts[location.name].append(receipt)

    def _require_one(self) -> None:
        if not self.live:
            told = "; ".join(str(error) for error in self.failures.values() if not isinstance(error, Cancelled))
            raise BackupError("write the set", f"no location is left: {told}")

    def _remove(self, location: Location) -> None:
        # The manifest was written last, so it goes first: a half-removed set is never taken for a whole one.
        for receipt in reversed(self.receipts[location.name]):
            with contextlib.suppress(BackupError):
                location.delete(receipt.key)
        self.receipts[location.name].clear()
