"""Promises of the pipeline: order, flat memory, cancellation, and nothing visible that is not whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core import progress
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, Cancelled, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import CHANNEL_BYTES, Emit, Pipeline
from hypothesis import given
from hypothesis import strategies as st


class Chunks:
    name = "chunks"

    def __init__(self, chunks: list[bytes], error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.cancelled = threading.Event()

    def run(self, emit: Emit) -> None:
        for chunk in self.chunks:
            emit(chunk)
        if self.error:
            raise self.error

    def cancel(self) -> None:
        self.cancelled.set()


class Memory:
    def __init__(self, name: str = "memory", *, fail_at: int | None = None, fail_commit: bool = False) -> None:
        self.name = name
        self.data = bytearray()
        self.state = "open"
        self.writes = 0
        self.fail_at = fail_at
        self.fail_commit = fail_commit

    def write(self, chunk: bytes) -> None:
        self.writes += 1
        if self.writes == self.fail_at:
            raise OSError(28, "No space left on device")
        self.data += chunk

    def commit(self) -> None:
        if self.fail_commit:
            raise BackupError("commit", "refused")
        self.state = "committed"

    def abort(self) -> None:
        assert self.state == "open", "an abort after a commit would destroy a good object"
        self.state = "aborted"


class Upper:
    name = "upper"

    def __init__(self, fail_on: bytes | None = None, fail_at_end: bool = False) -> None:
        self.fail_on = fail_on
        self.fail_at_end = fail_at_end
        self.kept = b""

    def update(self, chunk: bytes) -> bytes:
        if chunk == self.fail_on:
            raise ValueError("bad chunk")
        whole = self.kept + chunk
        self.kept = whole[-1:]
        return whole[:-1].upper()

    def finalize(self) -> bytes:
        if self.fail_at_end:
            raise SourceError("transform", "the stream may not end here")
        return self.kept.upper()


@given(st.lists(st.binary(max_size=50)), st.integers(0, 3), st.integers(1, 4))
def test_every_sink_gets_the_transformed_stream_in_order(chunks: list[bytes], transforms: int, sinks: int) -> None:
    ends = [Memory(str(number)) for number in range(sinks)]
    Pipeline(Chunks(chunks), [Upper() for _ in range(transforms)], ends).run()
    expected = b"".join(chunks).upper() if transforms else b"".join(chunks)
    assert [bytes(end.data) for end in ends] == [expected] * sinks
    assert {end.state for end in ends} == {"committed"}


def test_a_source_that_fails_after_its_last_byte_leaves_nothing_committed() -> None:
    ends = [Memory("a"), Memory("b")]
    with pytest.raises(SourceError, match="pg_dump ended with status 1"):
        Pipeline(Chunks([b"x" * 10], SourceError("dump", "pg_dump ended with status 1")), [Upper()], ends).run()
    assert [end.state for end in ends] == ["aborted", "aborted"]


@pytest.mark.parametrize("transform", [Upper(fail_on=b"bad"), Upper(fail_at_end=True)])
def test_a_transform_that_fails_cancels_the_source_and_aborts_every_sink(transform: Upper) -> None:
    source = Chunks([b"good", b"bad"] + [b"x" * CHANNEL_BYTES] * 5)
    if transform.fail_at_end:
        source = Chunks([b"good"])
    end = Memory()
    with pytest.raises(BackupError):
        Pipeline(source, [transform], [end]).run()
    assert source.cancelled.is_set()
    assert end.state == "aborted"


@pytest.mark.parametrize("broken", [{"fail_at": 2}, {"fail_commit": True}])
def test_a_sink_that_fails_is_dropped_and_the_others_commit(broken: dict[str, int]) -> None:
    good, bad = Memory("good"), Memory("bad", **broken)
    outcomes = Pipeline(Chunks([b"x" * CHANNEL_BYTES] * 4), [], [good, bad]).run()
    assert good.state == "committed"
    assert len(good.data) == 4 * CHANNEL_BYTES
    assert bad.state == "aborted"
    assert outcomes[0].error is None
    assert outcomes[1].error is not None


def test_the_run_fails_when_no_sink_is_left_and_stops_reading() -> None:
    read: list[int] = []

    class Endless(Chunks):
        def run(self, emit: Emit) -> None:
            while True:
                emit(b"x" * 100_000)
                read.append(1)

    with pytest.raises(BackupError, match="No space left"):
        Pipeline(Endless([]), [], [Memory("a", fail_at=2), Memory("b", fail_at=3)]).run()
    assert len(read) < 1000


def test_a_slow_sink_bounds_what_is_buffered() -> None:
    high = 0
    produced = 0
    consumed = 0

    class Counted(Chunks):
        def run(self, emit: Emit) -> None:
            nonlocal produced, high
            for _ in range(200):
                emit(b"x" * 262_144)
                produced += 262_144
                high = max(high, produced - consumed)

    class Slow(Memory):
        def write(self, chunk: bytes) -> None:
            nonlocal consumed
            time.sleep(0.001)
            consumed += len(chunk)

    Pipeline(Counted([]), [], [Slow()]).run()
    assert consumed == 200 * 262_144
    assert high <= 2 * CHANNEL_BYTES + 3 * 262_144


def run_and_cancel(source: Chunks, sinks: list[Memory], when: Callable[[], bool]) -> BackupError:
    pipeline = Pipeline(source, [], sinks)

    def watch() -> None:
        while not when():
            time.sleep(0.001)
        pipeline.cancel(BackupError("lock", "the lock session is lost"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(BackupError) as caught:
        pipeline.run()
    watcher.join()
    return caught.value


def test_a_cancelled_run_raises_the_reason_and_commits_nothing() -> None:
    class Endless(Chunks):
        def run(self, emit: Emit) -> None:
            while not self.cancelled.is_set():
                emit(b"x" * 1000)

    end = Memory()
    error = run_and_cancel(Endless([]), [end], lambda: end.writes > 10)
    assert error.message == "the lock session is lost"
    assert end.state == "aborted"


def test_a_source_that_waits_for_ever_is_released_by_a_cancellation() -> None:
    class Silent(Chunks):
        def run(self, emit: Emit) -> None:
            assert self.cancelled.wait(240)
            raise Cancelled

    error = run_and_cancel(Silent([]), [Memory()], lambda: True)
    assert error.message == "the lock session is lost"


def test_a_cancellation_that_comes_while_sinks_commit_changes_nothing() -> None:
    class Late(Memory):
        def commit(self) -> None:
            pipeline.cancel(BackupError("late", "too late"))
            super().commit()

    end = Late()
    pipeline = Pipeline(Chunks([b"abc"]), [], [end])
    pipeline.run()
    assert end.state == "committed"


@pytest.mark.parametrize(("counted", "done"), [(True, 5), (False, 0)])
def test_what_comes_from_the_source_counts_once_where_it_is_to(counted: bool, done: int) -> None:
    with progress.stage("move") as stage:
        Pipeline(Chunks([b"abc", b"de"]), [], [Memory("one"), Memory("two")], counted=counted).run()
    assert stage.done == done
