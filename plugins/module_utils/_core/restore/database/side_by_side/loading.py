"""The contents of a backup into a database that nobody uses yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from ....errors import BackupError, Cancelled
from ....postgres.names import TableName
from ....postgres.programs import Program
from ....reading.set_archive import SetArchive
from ....stream.pipeline import Pipeline, Source, as_backup_error
from ..children import Child, ChildSink
from ..memory import archive_in_memory
from .schedule import Piece, Queue, Schedule, Work

STEP = "restore the database"


@dataclass(frozen=True)
class Tools:
    """The programs of a restore, and the environment that leads them into the database.

    :param target: their option that names the database.
    :param forgives: which errors are overlooked, see :class:`Child`; None stops at the first of all.
    """

    pg_restore: Program
    environment: Mapping[str, str]
    target: str
    forgives: Callable[[str], bool] | None = None

    def argv(self, *options: str) -> list[str]:
        """pg_restore, stopping at its first error, or telling of each error what it is about."""
        how = "--exit-on-error" if self.forgives is None else "--verbose"
        return [self.pg_restore.path, how, "--no-password", self.target, *options]


class _Running:
    """What can be ended from another thread: all streams and programs under way."""

    def __init__(self) -> None:
        self._enders: set[Callable[[], None]] = set()
        self._cancelled = False
        self._lock = threading.Lock()

    def add(self, end: Callable[[], None]) -> None:
        with self._lock:
            self._enders.add(end)
            cancelled = self._cancelled
        if cancelled:
            end()

    def remove(self, end: Callable[[], None]) -> None:
        with self._lock:
            self._enders.discard(end)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            enders = list(self._enders)
        for end in enders:
            end()

    @property
    def cancelled(self) -> bool:
        return self._cancelled


def feed(source: Source, argv: Sequence[str], environment: Mapping[str, str], step: str = STEP) -> None:
    """One stream into one program."""
    _feed(source, Child(argv, environment, step, fed=True), _Running())


def _feed(source: Source, child: Child, running: _Running) -> None:
    pipeline = Pipeline(source, [], [ChildSink(child)])

    def end() -> None:
        pipeline.cancel()
        child.kill()

    running.add(end)
    try:
        pipeline.run()
    finally:
        running.remove(end)
        child.close()


class SetLoader:
    """Loads a set by a schedule, several pieces at a time; use it once.

    :param settle: called with tables as soon as they are complete, from any of the threads.
    """

    def __init__(
        self,
        archive: SetArchive,
        schedule: Schedule,
        tools: Tools,
        jobs: int,
        settle: Callable[[Sequence[TableName]], None],
    ) -> None:
        self._archive = archive
        self._schedule = schedule
        self._tools = tools
        self._jobs = jobs
        self._settle = settle
        self._queue = Queue(schedule)
        self._running = _Running()
        self._failure: BackupError | None = None
        self._condition = threading.Condition()

    def run(self) -> None:
        """Load everything.

        :raises BackupError: one piece failed, for whose sake all others were ended.
        """
        self._define(self._schedule.before, jobs=1)
        with ThreadPoolExecutor(max_workers=self._jobs, thread_name_prefix="restore") as pool:
            futures = [pool.submit(self._work) for _worker in range(self._jobs)]
            try:
                wait(futures)
            except BaseException as error:
                self._fail(as_backup_error(error, STEP))
                raise
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            while (piece := self._next()) is not None:
                self._carry_out(piece)
                with self._condition:
                    self._queue.done(piece)
                    self._condition.notify_all()
        except BaseException as error:
            self._fail(as_backup_error(error, STEP))

    def _next(self) -> Piece | None:
        with self._condition:
            while self._failure is None and not self._queue.finished:
                piece = self._queue.take()
                if piece is not None:
                    return piece
                self._condition.wait()
            self._condition.notify_all()
            return None

    def _carry_out(self, piece: Piece) -> None:
        if piece.work is Work.SETTLE:
            tables = [self._archive.toc.by_id[dump_id] for dump_id in piece.entries]
            self._settle([(table.namespace, table.tag) for table in tables])
            return
        if piece.work is not Work.LOAD:
            self._define(piece.entries, jobs=self._jobs if piece.work is Work.FINISH else 1)
            return
        source = self._archive.source(set(piece.entries))
        tools = self._tools
        step = f"load {piece.name}"
        child = Child(tools.argv(), tools.environment, step, fed=True, forgives=tools.forgives)
        _feed(source, child, self._running)

    def _define(self, entries: Sequence[int], *, jobs: int) -> None:
        """Execute entries that have no data, from an archive in memory."""
        if not entries:
            return
        tools = self._tools
        with archive_in_memory(self._archive.source(set(entries), data=False)) as path:
            # What several processes tell at the same time could not be told apart.
            options = [f"--jobs={jobs}", path] if jobs > 1 and tools.forgives is None else [path]
            child = Child(tools.argv(*options), tools.environment, STEP, forgives=tools.forgives)
            _finish(child, self._running)

    def _fail(self, error: BackupError) -> None:
        with self._condition:
            if self._failure is None or isinstance(self._failure, Cancelled):
                self._failure = error
            self._condition.notify_all()
        self._running.cancel()


def run_child(argv: Sequence[str], environment: Mapping[str, str], step: str) -> None:
    """One program from its start to its end."""
    _finish(Child(argv, environment, step), _Running())


def _finish(child: Child, running: _Running) -> None:
    running.add(child.kill)
    try:
        child.finish()
    finally:
        running.remove(child.kill)
        child.close()
