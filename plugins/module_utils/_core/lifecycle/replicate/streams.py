"""The ends of the pipeline that copies one artifact: an object that is read, its proof, and the copies of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ...backupset.artifact import Artifact
from ...errors import BackupError, Cancelled, CryptoError
from ...locations.base import Location, Writer
from ...stream.pipeline import Emit, Pipeline, as_backup_error
from ...stream.transforms import Sha256


class ObjectSource:
    """An object of a location as the source of a pipeline.

    :ivar error: why it could not be read to its end, where that was the location's fault.
    """

    def __init__(self, location: Location, key: str) -> None:
        self.name = location.name
        self.error: BackupError | None = None
        self._location = location
        self._key = key
        self._cancelled = False

    def run(self, emit: Emit) -> None:
        """See :class:`pipeline.Source`."""
        pieces = iter(self._location.read(self._key))
        while not self._cancelled:
            try:
                piece = next(pieces, None)
            except Exception as error:
                self.error = as_backup_error(error, f"read {self._key}")
                raise self.error from None
            if piece is None:
                return
            emit(piece)
        raise Cancelled(f"read {self._key}")

    def cancel(self) -> None:
        """See :class:`pipeline.Source`."""
        self._cancelled = True


class Proof(Sha256):
    """Ends the stream with an error unless it is the artifact, before anything of it becomes visible.

    :ivar error: how it is not.
    """

    def __init__(self, artifact: Artifact, location: str) -> None:
        super().__init__()
        self.error: CryptoError | None = None
        self._artifact = artifact
        self._location = location

    def update(self, chunk: bytes) -> bytes:
        """Hash *chunk* and return it."""
        super().update(chunk)
        if self.size > self._artifact.size:
            self._refuse(f"more than its {self._artifact.size} bytes")
        return chunk

    def finalize(self) -> bytes:
        """Compare size and SHA-256."""
        if self.size != self._artifact.size:
            self._refuse(f"{self.size} instead of {self._artifact.size} bytes")
        if self.hexdigest() != self._artifact.sha256:
            self._refuse("another SHA-256 than the manifest says")
        return b""

    def _refuse(self, found: str) -> None:
        self.error = CryptoError(
            "check the artifact",
            f"{self._artifact.name} in location '{self._location}' has {found}",
            hint="it was damaged or exchanged: `repair: true` makes up for it from a good copy",
        )
        raise self.error


class CopySink:
    """A location's writer that remembers its own failure, also where every sink of the pipeline fails."""

    def __init__(self, writer: Writer) -> None:
        self.name = writer.name
        self.error: BackupError | None = None
        self._writer = writer

    def write(self, chunk: bytes) -> None:
        """See :class:`pipeline.Sink`."""
        try:
            self._writer.write(chunk)
        except Exception as error:
            self.error = as_backup_error(error, f"write to {self.name}")
            raise self.error from None

    def commit(self) -> None:
        """See :class:`pipeline.Sink`."""
        try:
            self._writer.commit()
        except Exception as error:
            self.error = as_backup_error(error, f"write to {self.name}")
            raise self.error from None

    def abort(self) -> None:
        """See :class:`pipeline.Sink`."""
        self._writer.abort()


def copy_object(source: ObjectSource, proof: Proof, sinks: list[CopySink]) -> None:
    """Move the object into every sink that can take it; each keeps its own failure.

    :raises BackupError: the source could not be read, or is not what it should be; no sink has committed.
    """
    pipeline = Pipeline(source, [proof], sinks)
    # In a thread of its own, so that an interruption finds this one free to give everything up.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="replication") as pool:
        future = pool.submit(pipeline.run)
        try:
            future.result()
        except KeyboardInterrupt:
            pipeline.cancel()
            raise
        except BackupError:
            if failure := source.error or proof.error:
                raise failure from None
            if not all(sink.error for sink in sinks):
                raise
