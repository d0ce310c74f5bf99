"""The one idea of the product: ``Source -> Transform* -> Sink*``.

The source, the chain of transforms and every sink run in a thread of their own with a bounded channel in
front, so that reading, encrypting and writing overlap while memory stays flat whatever the size. An error of
the source or of a transform cancels everything; an error of one sink drops that sink alone. No sink commits
before the source and all transforms have ended well, so nothing half-made becomes visible.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from .. import progress
from ..errors import BackupError, Cancelled, SourceError
from .stages import Transform, through

CHANNEL_BYTES = 4 * 1024 * 1024
"""How many bytes may wait in front of a stage."""

Emit = Callable[[bytes], None]


class Source(Protocol):
    """Where the bytes of a pipeline come from."""

    name: str

    def run(self, emit: Emit) -> None:
        """Pass everything to *emit*, in order; raise when the stream did not end well (a child's status, say)."""

    def cancel(self) -> None:
        """Make a running :meth:`run` end soon; called from another thread, any number of times."""


class Sink(Protocol):
    """Where the bytes go. What was written is invisible until :meth:`commit` returns."""

    name: str

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""

    def commit(self) -> None:
        """Make everything written durable and visible, all or nothing."""

    def abort(self) -> None:
        """Leave nothing behind. Never raises; called at most once, instead of or after a failed commit."""


class PassingSink:
    """A sink that passes everything on to another one; the base of those that do something more on the way."""

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.sink = sink

    def write(self, chunk: bytes) -> None:
        """See :class:`Sink`."""
        self.sink.write(chunk)

    def commit(self) -> None:
        """See :class:`Sink`."""
        self.sink.commit()

    def abort(self) -> None:
        """See :class:`Sink`."""
        self.sink.abort()


@dataclass(frozen=True)
class SinkOutcome:
    """How one sink ended; ``error`` is None when it committed."""

    name: str
    error: BackupError | None


class Channel:
    """A queue of byte strings bounded by their total size; one producer, one consumer."""

    def __init__(self, limit: int = CHANNEL_BYTES) -> None:
        self._limit = limit
        self._items: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._broken = False
        self._condition = threading.Condition()

    def put(self, chunk: bytes) -> bool:
        """Wait for room and append *chunk*; False when the other end is gone."""
        with self._condition:
            # A chunk larger than the limit passes alone rather than never.
            while self._size and self._size + len(chunk) > self._limit and not self._broken:
                self._condition.wait()
            if self._broken:
                return False
            self._items.append(chunk)
            self._size += len(chunk)
            self._condition.notify_all()
            return True

    def get(self) -> bytes | None:
        """Wait for the next chunk; None at the end of the stream. Raises :class:`Cancelled` when broken."""
        with self._condition:
            while not self._items and not self._closed and not self._broken:
                self._condition.wait()
            if self._broken:
                raise Cancelled
            if not self._items:
                return None
            chunk = self._items.popleft()
            self._size -= len(chunk)
            self._condition.notify_all()
            return chunk

    def close(self) -> None:
        """No more chunks will come: a regular end of the stream."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def break_off(self) -> None:
        """Wake both ends and make them stop: there is no regular end any more."""
        with self._condition:
            self._broken = True
            self._items.clear()
            self._size = 0
            self._condition.notify_all()


class _SinkRunner:
    """Runs one sink in a thread of its own."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.channel = Channel()
        self.error: BackupError | None = None
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            while (chunk := self.channel.get()) is not None:
                self.sink.write(chunk)
            self.sink.commit()
        except BaseException as error:
            self.error = as_backup_error(error, f"write to {self.sink.name}")
            self.channel.break_off()
            self.sink.abort()


def as_backup_error(error: BaseException, step: str) -> BackupError:
    """Give *error* the product's form; one that already has it is returned as it is."""
    if isinstance(error, BackupError):
        return error
    wrapped = SourceError(step, f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


class Pipeline:
    """One run of a pipeline; an object is used once.

    :param source: where the bytes come from.
    :param transforms: applied in order. Cheap ones share one thread, which keeps hand-overs few.
    :param sinks: all receive the same bytes.
    :param counted: whether what the source gives counts as the work's progress: where it comes from a location
        or is inside of a file, that has been counted there.
    """

    def __init__(
        self,
        source: Source,
        transforms: Sequence[Transform],
        sinks: Sequence[Sink],
        *,
        counted: bool = False,
    ) -> None:
        self._counted = counted
        self._source = source
        self._transforms = list(transforms)
        self._runners = [_SinkRunner(sink) for sink in sinks]
        self._channel = Channel()
        self._failure: BackupError | None = None
        self._committing = False
        self._lock = threading.Lock()

    def cancel(self, reason: BackupError | None = None) -> None:
        """End the run from another thread: everything is aborted and :meth:`run` raises *reason*.

        Once the whole stream has passed and the sinks commit, it is too late and nothing happens.
        """
        self._fail(reason or Cancelled())

    def run(self) -> list[SinkOutcome]:
        """Move the whole stream.

        :return: one outcome a sink, in the order given; at least one committed (or there were none).
        :raises BackupError: the source or a transform failed, every sink failed, or the run was cancelled.
        """
        for runner in self._runners:
            runner.start()
        middle = threading.Thread(target=self._transform, name="transforms", daemon=True)
        middle.start()
        try:
            self._read()
        except BaseException as error:
            self._fail(as_backup_error(error, f"read from {self._source.name}"))
            if not isinstance(error, Exception):
                self._join(middle)
                raise
        self._join(middle)
        if self._failure is not None:
            raise self._failure
        outcomes = [SinkOutcome(runner.sink.name, runner.error) for runner in self._runners]
        if outcomes and all(outcome.error is not None for outcome in outcomes):
            raise self._all_failed(outcomes)
        return outcomes

    def run_apart(self) -> list[SinkOutcome]:
        """:meth:`run` in a thread of its own: no signal interrupts a thread that waits for a server or a store.

        :raises KeyboardInterrupt: everything was given up first.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._source.name) as pool:
            future = pool.submit(self.run)
            try:
                return future.result()
            except KeyboardInterrupt:
                self.cancel()
                raise

    def _join(self, middle: threading.Thread) -> None:
        middle.join()
        for runner in self._runners:
            runner.join()

    def _read(self) -> None:
        def emit(chunk: bytes) -> None:
            if chunk:
                if self._counted:
                    progress.advance(len(chunk))
                if not self._channel.put(chunk):
                    raise self._failure or Cancelled()

        if self._failure is None:
            self._source.run(emit)
        self._channel.close()

    def _transform(self) -> None:
        try:
            for chunk in through(iter(self._channel.get, None), self._transforms):
                self._send(chunk)
        except BaseException as error:
            self._fail(as_backup_error(error, "transform the stream"))
            return
        with self._lock:
            if self._failure is None:
                self._committing = True
                for runner in self._runners:
                    runner.channel.close()

    def _send(self, chunk: bytes) -> None:
        if not chunk or not self._runners:
            return
        taken = [runner.channel.put(chunk) for runner in self._runners]
        if not any(taken) and self._failure is None:
            raise self._all_failed([SinkOutcome(r.sink.name, r.error) for r in self._runners])

    def _all_failed(self, outcomes: list[SinkOutcome]) -> BackupError:
        if len(outcomes) == 1 and outcomes[0].error is not None:
            return outcomes[0].error
        message = "; ".join(str(outcome.error) for outcome in outcomes if outcome.error is not None)
        return BackupError("write the stream", f"no sink is left: {message}")

    def _fail(self, error: BackupError) -> None:
        with self._lock:
            # Decided under the lock: a failure comes before any sink commits, or it comes too late.
            if self._committing:
                return
            if self._failure is None:
                self._failure = error
        self._source.cancel()
        self._channel.break_off()
        for runner in self._runners:
            runner.channel.break_off()
