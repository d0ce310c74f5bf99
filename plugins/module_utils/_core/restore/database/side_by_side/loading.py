"""The contents of a backup into a database that nobody uses yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import groupby

from ....errors import BackupError, Cancelled
from ....postgres.archive import Toc, TocEntry, object_name
from ....postgres.environment import private_file
from ....postgres.names import TableName
from ....postgres.programs import Program
from ....progress import at_table, expect_tables, stage
from ....reading.set_archive import SetArchive
from ....stream.pipeline import Pipeline, Source, as_backup_error
from ..children import Child, ChildSink
from ..complaints import Complaints
from ..event_triggers import event_triggers, in_order, listed
from ..memory_file import archive_in_memory
from ..search_paths import NO_SEARCH_PATHS, SearchPaths
from .schedule import Piece, Queue, Schedule, Work

STEP = "restore the database"
LOADING = "load the database"
"""The stage of the work."""


@dataclass(frozen=True)
class Tools:
    """The programs of a restore, and the environment that leads them into the database.

    :param target: their option that names the database.
    :param complaints: which errors are overlooked; None stops at the first of all.
    :param tablespaces: whether objects go into the tablespaces that they were in.
    :param search_paths: of single entries.
    """

    pg_restore: Program
    environment: Mapping[str, str]
    target: str
    complaints: Complaints | None = None
    tablespaces: bool = True
    search_paths: SearchPaths = NO_SEARCH_PATHS

    def argv(self, *options: str) -> list[str]:
        """pg_restore, which tells what each error is about, and stops at the first unless it may be overlooked."""
        stop = () if self.tolerant else ("--exit-on-error",)
        where = () if self.tablespaces else ("--no-tablespaces",)
        return [self.pg_restore.path, "--verbose", *stop, *where, "--no-password", self.target, *options]

    @property
    def tolerant(self) -> bool:
        """Whether any error of pg_restore may be ignored."""
        return self.complaints is not None and self.complaints.tolerant

    def parallel(self, jobs: int) -> list[str]:
        """The option for that; what several processes complain of at the same time could not be told apart."""
        return [f"--jobs={jobs}"] if jobs > 1 and not self.tolerant else []

    def start(self, step: str, *options: str, fed: bool = False) -> Child:
        """Start one run of pg_restore.

        :param fed: whether it reads the archive from its standard input.
        """
        return Child(self.argv(*options), self.environment, step, fed=fed, complaints=self.complaints)

    def runs(self, entries: Sequence[TocEntry]) -> Iterator[tuple[str, list[int]]]:
        """The dump ids of entries in their order, in runs of one search path each."""
        for path, run in groupby(entries, key=lambda entry: self.search_paths(object_name(entry))):
            yield path, [entry.dump_id for entry in run]


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


def feed(source: Source, tools: Tools, toc: Toc) -> None:
    """A whole archive, a file of this host, as one stream into one program."""
    with private_file(listed(in_order(toc))) as names:
        _feed(source, tools.start(STEP, f"--use-list={names}", fed=True), _Running())


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

    :param defined: called when all tables are there, and nothing is in them; before that when some are, see below.
    :param loaded: called when all but event triggers is there.
    :param left: dump ids of what is not loaded.
    :param paused_before: tables before which *defined* is called, too.
    :param check_complete: called with tables as soon as they are complete, from any of the threads.
    """

    def __init__(
        self,
        archive: SetArchive,
        schedule: Schedule,
        tools: Tools,
        jobs: int,
        check_complete: Callable[[Sequence[TableName]], None],
        defined: Callable[[bool], None],
        loaded: Callable[[], None],
        left: Collection[int] = (),
        paused_before: Collection[int] = (),
    ) -> None:
        self._archive = archive
        self._schedule = schedule
        self._tools = tools
        self._jobs = jobs
        self._check_finished = check_complete
        self._defined = defined
        self._loaded = loaded
        self._left = left
        self._paused_before = paused_before
        self._queue = Queue(schedule)
        self._running = _Running()
        self._failure: BackupError | None = None
        self._condition = threading.Condition()

    def run(self) -> None:
        """Load everything.

        :raises BackupError: one piece failed, for whose sake all others were ended.
        """
        with stage(LOADING, self._archive.stored_size, estimated=True):
            expect_tables(len(self._schedule.loads))
            self._run()

    def _run(self) -> None:
        piece: list[int] = []
        for dump_id in self._schedule.before:
            if dump_id in self._paused_before and piece:
                self._define(piece, jobs=1)
                self._defined(False)
                piece = []
            piece.append(dump_id)
        self._define(piece, jobs=1)
        self._defined(True)
        with ThreadPoolExecutor(max_workers=self._jobs, thread_name_prefix="restore") as pool:
            futures = [pool.submit(self._work) for _worker in range(self._jobs)]
            try:
                wait(futures)
            except BaseException as error:
                self._fail(as_backup_error(error, STEP))
                raise
        if self._failure is not None:
            raise self._failure
        self._loaded()
        self._define(self._schedule.last, jobs=1)

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
        if piece.work is Work.CHECK:
            tables = [self._archive.toc.by_id[dump_id] for dump_id in piece.entries]
            self._check_finished([(table.namespace, table.tag) for table in tables])
            return
        if piece.work is not Work.LOAD:
            self._define(piece.entries, jobs=self._jobs if piece.work is Work.FINISH else 1)
            return
        at_table(piece.name)
        for path, ids in self._tools.runs(self._entries(piece.entries)):
            source = self._archive.source(set(ids), search_path=path)
            _feed(source, self._tools.start(f"load {piece.name}", fed=True), self._running)

    def _define(self, entries: Sequence[int], *, jobs: int) -> None:
        """Execute entries that have no data, from an archive in memory."""
        for search_path, ids in self._tools.runs(self._entries(entries)):
            source = self._archive.source(set(ids), data=False, search_path=search_path)
            with archive_in_memory(source) as path:
                _finish(self._tools.start(STEP, *self._tools.parallel(jobs), path), self._running)

    def _entries(self, dump_ids: Collection[int]) -> list[TocEntry]:
        wanted = set(dump_ids).difference(self._left)
        return [one for one in self._archive.toc.entries if one.dump_id in wanted]

    def _fail(self, error: BackupError) -> None:
        with self._condition:
            if self._failure is None or isinstance(self._failure, Cancelled):
                self._failure = error
            self._condition.notify_all()
        self._running.cancel()


def read_file(path: str, tools: Tools, jobs: int, toc: Toc) -> None:
    """A whole archive that is a plain file; event triggers by themselves, as several processes keep to no list."""
    last = event_triggers(toc)
    with private_file(listed(in_order(toc, last))) as names:
        _finish(tools.start(STEP, *tools.parallel(jobs), f"--use-list={names}", path), _Running())
    if last:
        with private_file(listed(last)) as names:
            _finish(tools.start(STEP, f"--use-list={names}", path), _Running())


def _finish(child: Child, running: _Running) -> None:
    running.add(child.kill)
    try:
        child.finish()
    finally:
        running.remove(child.kill)
        child.close()
