"""Promises of child processes as ends and stages of a pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.process import (
    ProcessFilter,
    ProcessSource,
    child_environment,
    lower_priority,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.effort import examples

PYTHON = sys.executable


def source(code: str) -> ProcessSource:
    return ProcessSource([PYTHON, "-c", code], environment=child_environment(), step="dump")


def collect(process: ProcessSource) -> bytes:
    chunks: list[bytes] = []
    process.run(chunks.append)
    return b"".join(chunks)


def test_a_source_emits_all_that_the_program_writes() -> None:
    assert collect(source("import sys; sys.stdout.write('x' * 3_000_000)")) == b"x" * 3_000_000


def test_a_source_fails_on_a_status_other_than_zero_and_quotes_the_message() -> None:
    with pytest.raises(SourceError, match="ended with status 3: no such table"):
        collect(source("import sys; print('data'); sys.stderr.write('no such table'); sys.exit(3)"))


def test_a_source_fails_when_the_program_is_killed() -> None:
    with pytest.raises(SourceError, match="ended by signal SIGKILL"):
        collect(source("import os; print('data', flush=True); os.kill(os.getpid(), 9)"))


def test_a_source_says_when_the_program_is_missing() -> None:
    with pytest.raises(BackupError, match="cannot start /nonexistent/pg_dump"):
        ProcessSource(["/nonexistent/pg_dump"], environment={}, step="dump").run(print)


def test_cancelling_ends_a_silent_program_at_once() -> None:
    # Left alone it ends well, after a minute.
    process = source("import time; time.sleep(60)")
    threading.Timer(0.3, process.cancel).start()
    with pytest.raises(SourceError):
        collect(process)


def test_a_program_is_gone_when_the_receiver_fails(tmp_path: Path) -> None:
    mark = tmp_path / "pid"

    def refuse(chunk: bytes) -> None:
        raise BackupError("write", "refused")

    process = source(
        f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); print('x', flush=True); time.sleep(60)"
    )
    with pytest.raises(BackupError, match="refused"):
        process.run(refuse)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_child_inherits_no_variable_that_is_not_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    assert b"canary" not in collect(source("import os; print(dict(os.environ))"))


@pytest.mark.parametrize("more", [0, 10])
def test_giving_way_makes_threads_and_children_nicer_and_never_less_nice(more: int) -> None:
    code = f"""
import os, subprocess, sys, threading
from {lower_priority.__module__} import lower_priority
print(os.nice({more}))
lower_priority()
lower_priority()
thread = threading.Thread(target=lambda: print(os.nice(0), flush=True))
thread.start()
thread.join()
subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, thread, child = map(int, done.stdout.split())
    assert thread == child == max(before, 5)


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(st.binary(max_size=100_000), max_size=8))
def test_a_filter_returns_all_bytes_in_order(chunks: list[bytes]) -> None:
    process = ProcessFilter(["cat"], environment=child_environment(), step="filter")
    output = b"".join([process.update(chunk) for chunk in chunks]) + process.finalize()
    assert output == b"".join(chunks)


def test_a_filter_that_writes_much_and_reads_late_does_not_lock_up() -> None:
    code = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d * 3)"
    process = ProcessFilter([PYTHON, "-c", code], environment=child_environment(), step="filter")
    output = process.update(b"y" * 5_000_000) + process.finalize()
    assert len(output) == 15_000_000


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.stdin.buffer.read(10); sys.stderr.write('bad key'); sys.exit(2)",
        "import sys; sys.stdin.buffer.read(); print('half'); sys.stderr.write('bad key'); sys.exit(2)",
    ],
)
def test_a_filter_that_fails_fails_the_pipeline(code: str) -> None:
    class Sink:
        name = "sink"
        state = "open"

        def write(self, chunk: bytes) -> None:
            pass

        def commit(self) -> None:
            self.state = "committed"

        def abort(self) -> None:
            self.state = "aborted"

    sink = Sink()
    process = ProcessFilter([PYTHON, "-c", code], environment=child_environment(), step="encrypt")
    with pytest.raises(SourceError, match=r"encrypt: .* ended with status 2: bad key"):
        Pipeline(source("print('z' * 3_000_000)"), [process], [sink]).run()
    assert sink.state == "aborted"
