"""What it costs to say how far a module is: CPU seconds, with and without in turn, and those of the saying alone.

The work is that of a backup without its server: a file is read, compressed, encrypted and hashed by a pipeline that
counts, a thread keeps the progress in a file once a second, and the worker's thread makes a line of it as often. Each
pair of runs, in changing order, gives a ratio, of which the median counts; on a busy machine these differ by more than
progress costs. So the CPU time of both threads, and that of as many calls as have counted, is taken by itself, too: it
does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from ansible_collections.mobul.backup.plugins.module_utils._ansible import progress as written  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core import progress  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.recipients import (  # noqa: E402
    parse_encryption,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.files import (  # noqa: E402
    FileSource,
    RegularFile,
    ReplacingFileSink,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline  # noqa: E402
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.transforms import (  # noqa: E402
    Sha256,
    compressors,
)
from ansible_collections.mobul.backup.plugins.plugin_utils import progress as shown  # noqa: E402

_MIB = 1024 * 1024
_CALLS = 100_000


@dataclass
class Spent:
    """CPU seconds of one kind of thread, added up as they end."""

    seconds: float = 0.0

    def of(self, target: Callable[..., None]) -> Callable[..., None]:
        """*target*, whose CPU time in its thread is added."""

        def run(*arguments: object) -> None:
            before = time.thread_time()
            try:
                target(*arguments)
            finally:
                self.seconds += time.thread_time() - before

        return run


class Bench:
    """The work, and what is spent on it.

    :param source: the file that it reads.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._dest = source.with_name("dest")
        self.writer, self.worker = Spent(), Spent()
        self.with_progress: list[float] = []
        self.without: list[float] = []

    def pair(self, number: int) -> None:
        """One run of each kind, whose order changes from pair to pair."""
        for followed in (number % 2 == 0, number % 2 == 1):
            (self.with_progress if followed else self.without).append(self.work(followed=followed))

    def work(self, *, followed: bool) -> float:
        """CPU seconds, of user and system, that the work takes this process.

        :param followed: whether its progress is counted, written down and read.
        """
        before = time.process_time()
        if followed:
            path = str(self._dest.with_name(".progress"))
            os.environ[written.VARIABLE] = path
            watcher = shown._Watcher(_local_action(), path, "bench", 1.0)
            threading.Thread(target=self.worker.of(watcher._watch), daemon=True).start()
            self._run(counted=True)
            watcher._over.set()
        else:
            self._run(counted=False)
        return time.process_time() - before

    def _run(self, *, counted: bool) -> None:
        encryption = parse_encryption([str(X25519Identity.generate().recipient)])
        with written.written_down(), RegularFile(str(self._source), step="bench") as file, progress.stage("bench"):
            progress.expect(file.size)
            transforms = [*compressors("gzip"), *encryption.transforms(), Sha256()]
            sink = ReplacingFileSink(str(self._dest), step="bench")
            Pipeline(FileSource(file), transforms, [sink], counted=counted).run_apart()

    def calls(self) -> int:
        """The number of calls that the work makes."""
        counted: list[int] = []
        original = progress.advance
        progress.advance = counted.append
        try:
            self._run(counted=True)
        finally:
            progress.advance = original
        return len(counted)


def _local_action() -> SimpleNamespace:
    connection = SimpleNamespace(transport="local", become=None)
    return SimpleNamespace(_connection=connection, _task=SimpleNamespace(action="mobul.backup.pg_backup"))


def seconds_a_call() -> float:
    """CPU seconds of one call that counts."""
    with progress.stage("bench"):
        before = time.thread_time()
        for _number in range(_CALLS):
            progress.advance(1)
        return (time.thread_time() - before) / _CALLS


def measure(source: Path, pairs: int) -> None:
    """Run the pairs and print both figures."""
    bench = Bench(source)
    written._write = bench.writer.of(written._write)
    shown.live_seconds = 1.0
    # The first run of all imports and fills caches.
    calls = bench.calls()
    for number in range(pairs):
        bench.pair(number)
    ratios = [one / other - 1 for one, other in zip(bench.with_progress, bench.without, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4) if pairs > 1 else ratios * 3
    total, counting = sum(bench.with_progress), pairs * calls * seconds_a_call()
    alone = counting + bench.writer.seconds + bench.worker.seconds
    print(
        f"{pairs} pairs of {source.stat().st_size // _MIB} MiB, CPU s: {sum(bench.without):.2f} without progress, "
        f"{total:.2f} with it; ratio of a pair {median:+.2%} (half of them between {low:+.2%} and {high:+.2%})"
    )
    print(
        f"progress by itself: {counting * 1000:.1f} ms to count {pairs * calls:,} times, "
        f"{bench.writer.seconds * 1000:.1f} ms to write it down, {bench.worker.seconds * 1000:.1f} ms to make a line "
        f"each second: {alone / total:.3%} of the CPU time of the same runs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--size", type=int, default=64, help="MiB that each of them reads")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nowhere:
        source = Path(directory, "source")
        block = b"".join(b"%d,%d\n" % (number, number * 7919 % 10007) for number in range(100_000))
        source.write_bytes((block * (arguments.size * _MIB // len(block) + 1))[: arguments.size * _MIB])
        # The lines themselves.
        terminal, sys.stderr = sys.stderr, nowhere
        try:
            measure(source, arguments.pairs)
        finally:
            sys.stderr = terminal


if __name__ == "__main__":
    main()
