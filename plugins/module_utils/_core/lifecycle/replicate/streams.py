"""The ends of the pipeline that copies one artifact: a file that is proven while it is read, and the copies of it."""

from __future__ import annotations

from ...errors import BackupError, Cancelled
from ...locations.base import Writer
from ...reading.artifact import StoredArtifact
from ...stream.pipeline import Emit, PassingSink, Pipeline, as_backup_error


class ObjectSource:
    """A file of a set as the source of a pipeline, which ends with an error unless it is the one that was written.

    :ivar error: why it could not be read to its end, or that it is another.
    """

    def __init__(self, stored: StoredArtifact) -> None:
        self.name = stored.location.name
        self.error: BackupError | None = None
        self._stored = stored
        self._cancelled = False

    def run(self, emit: Emit) -> None:
        """See :class:`pipeline.Source`."""
        pieces = self._stored.stored()
        while not self._cancelled:
            try:
                piece = next(pieces, None)
            except Exception as error:
                self.error = as_backup_error(error, f"read {self._stored.key}")
                raise self.error from None
            if piece is None:
                return
            emit(piece)
        raise Cancelled(f"read {self._stored.key}")

    def cancel(self) -> None:
        """See :class:`pipeline.Source`."""
        self._cancelled = True


class CopySink(PassingSink):
    """A location's writer that remembers its own failure, also where every sink of the pipeline fails."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self.error: BackupError | None = None

    def write(self, chunk: bytes) -> None:
        """See :class:`pipeline.Sink`."""
        try:
            super().write(chunk)
        except Exception as error:
            self.error = as_backup_error(error, f"write to {self.name}")
            raise self.error from None

    def commit(self) -> None:
        """See :class:`pipeline.Sink`."""
        try:
            super().commit()
        except Exception as error:
            self.error = as_backup_error(error, f"write to {self.name}")
            raise self.error from None


def copy_object(source: ObjectSource, sinks: list[CopySink]) -> None:
    """Move the object into every sink that can take it; each keeps its own failure.

    :raises BackupError: the source could not be read, or is not what it should be; no sink has committed.
    """
    try:
        Pipeline(source, [], sinks).run_apart()
    except BackupError:
        if source.error is not None:
            raise source.error from None
        if not all(sink.error for sink in sinks):
            raise
