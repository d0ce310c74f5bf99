"""pg_dump as a stream: its command line, and its archive on the way through index, cipher and hash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..encryption.age.ranges import HEAD_BYTES
from ..encryption.cipher import Encryption
from ..errors import PreflightError
from ..platforms.left_out_tables import without_tables
from ..postgres.archive import ArchiveWalker, Toc, TocEntry
from ..postgres.names import TableName
from ..postgres.patterns import dump_pattern
from ..postgres.programs import Program, supports_compression
from ..progress import at_table
from ..stream.process import ProcessSource
from ..stream.stages import Transform
from ..stream.transforms import Beginning, Sha256, ZstdFrames
from .parts import Part
from .request import Compression
from .set_writer import SetWriter

STEP = "dump the database"
DEFAULT_LEVEL = 1
_METHODS_SINCE_16 = 16


@dataclass(frozen=True)
class DumpCompression:
    """Who compresses: pg_dump itself (*inner*, its option's value) or the pipeline (*wrapper*, a zstd level)."""

    inner: str
    wrapper: int | None = None

    @property
    def inner_method(self) -> str:
        return self.inner.split(":")[0]

    @property
    def suffix(self) -> str:
        return "" if self.wrapper is None else ".zst"


def resolve_compression(wanted: Compression, program: Program) -> DumpCompression:
    """Choose how *wanted* is reached with this pg_dump; PostgreSQL before 16 knows gzip only."""
    method = "zstd" if wanted.method == "auto" else wanted.method
    if method == "none":
        return DumpCompression("none")
    if method == "zstd":
        level = wanted.level or DEFAULT_LEVEL
        return DumpCompression(f"zstd:{level}") if program.zstd else DumpCompression("none", wrapper=level)
    if not (method == "gzip" and program.major < _METHODS_SINCE_16) and not supports_compression(program, method):
        raise PreflightError(
            "choose the compression",
            f"pg_dump {program.version_text} knows no {method}",
            hint="compress: auto, or programs that were built with it in pg_bin_dir; lz4 needs PostgreSQL 16 or newer",
        )
    return DumpCompression(method if wanted.level is None else f"{method}:{wanted.level}")


def dump_argv(
    program: Program,
    *,
    snapshot: str,
    part: Part,
    compression: DumpCompression,
    lock_timeout: int,
    encoding: str,
    unseen: Sequence[TableName] = (),
) -> list[str]:
    """The command of one part; the database and the way to it are in the environment.

    :param unseen: tables and sequences that the role may not read.
    """
    argv = [
        program.path,
        "--format=custom",
        "--no-password",
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={lock_timeout * 1000}",
        f"--compress={_compress_option(compression.inner, program)}",
    ]
    not_here = (*part.elsewhere, *part.left_out)
    argv += [f"--exclude-table-data={dump_pattern(*table, encoding=encoding)}" for table in not_here]
    argv += without_tables(unseen, encoding)
    if part.tables:
        argv += ["--data-only", "--strict-names"]
        argv += [f"--table={dump_pattern(*table, encoding=encoding)}" for table in part.tables]
    return argv


def _compress_option(inner: str, program: Program) -> str:
    if program.major >= _METHODS_SINCE_16:
        return inner
    method, _colon, level = inner.partition(":")
    return "0" if method == "none" else level or "6"


class PartDump:
    """One part of the dump while it is written into the locations; an object is used once.

    :param on_toc: told the table of contents as soon as it has streamed by.
    """

    def __init__(
        self,
        part: Part,
        *,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        compression: DumpCompression,
        encryption: Encryption,
        on_toc: Callable[[Toc], None],
    ) -> None:
        self.part = part
        self.name = name
        self.compression = compression
        self.hash = Sha256()
        self.head = Beginning(HEAD_BYTES)
        self.frames = None if compression.wrapper is None else ZstdFrames(level=compression.wrapper)
        self._source = ProcessSource(argv, environment=environment, step=STEP)
        self._encryption = encryption
        self._on_toc = on_toc
        self._walker: ArchiveWalker | None = None

    def run(self, writer: SetWriter, *, size_hint: int) -> None:
        """Dump the part into every location that is still good; raise when its stream did not end well."""

        def on_block(entry: TocEntry) -> None:
            at_table(f"{entry.schema}.{entry.table}" if entry.schema else entry.table)

        self._walker = ArchiveWalker(on_toc=self._on_toc, on_block=on_block)
        transforms: list[Transform] = [self._walker]
        if self.frames is not None:
            transforms.append(self.frames)
        transforms += [*self._encryption.transforms(), self.head, self.hash]
        writer.write(self.name, self._source, transforms, size_hint=size_hint)

    @property
    def walker(self) -> ArchiveWalker:
        if self._walker is None:
            raise AssertionError("the part has not run")
        return self._walker

    @property
    def messages(self) -> list[str]:
        """The warnings that pg_dump printed although it ended with status 0."""
        return [line for line in self._source.stderr.splitlines() if line.strip()]


class TocCollector:
    """Waits until the tables of contents of all parts have streamed by."""

    def __init__(self, parts: int) -> None:
        self._missing = parts
        self._tocs: list[Toc] = []
        self._lock = threading.Lock()
        self._complete = threading.Event()

    def add(self, toc: Toc) -> None:
        with self._lock:
            self._tocs.append(toc)
            self._missing -= 1
            if self._missing == 0:
                self._complete.set()

    def give_up(self) -> None:
        """Release whoever waits: no further part will come."""
        self._complete.set()

    def wait(self) -> list[tuple[str, str]] | None:
        """Every table whose data is in the dump, or None when the dump was given up."""
        self._complete.wait()
        with self._lock:
            if self._missing:
                return None
            return [(data.schema, data.table) for toc in self._tocs for data in toc.tables]
