"""Child processes as ends and stages of a pipeline: argv lists, no shell, and every exit status counts."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from ..errors import BackupError, SourceError
from .pipeline import Emit
from .stages import Expanding

NICENESS = 5
READ_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031
_FILL_SECONDS = 0.003
"""A pipe that was nearly empty is given this long to fill: every byte string costs each stage a change of thread."""

_STDERR_TAIL_BYTES = 8192

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "TZ")
"""What a child inherits; everything else (and with it other people's secrets) stays here."""
_ENDS_WITHIN = 10.0
"""Seconds that a program may take to exit once it has closed its output; it is killed then."""


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A child's environment: a short list of harmless variables, then *extra*."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment.update(extra or {})
    return environment


def lower_priority() -> None:
    """Let others have the processor first: what this thread starts from now on, children included, is nicer.

    The server that is read from is the slowest of all that takes part. Where it runs on the same machine, every moment
    in which it waits for a processor lengthens the whole run.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def widen_pipe(stream: IO[bytes]) -> None:
    """Ask for a pipe buffer of 1 MiB, so that parent and child change places less often."""
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        fcntl.fcntl(stream.fileno(), _F_SETPIPE_SZ, READ_BYTES)


def read_pipe(stream: IO[bytes]) -> Iterator[bytes]:
    """What a child writes, in pieces as large as its pace allows, up to 1 MiB."""
    widen_pipe(stream)
    while chunk := os.read(stream.fileno(), READ_BYTES):
        yield chunk
        if len(chunk) < READ_BYTES // 4:
            time.sleep(_FILL_SECONDS)


def read_tail(stream: IO[bytes]) -> str:
    """The last lines that a child wrote to the temporary file *stream*, as text."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _STDERR_TAIL_BYTES))
    return stream.read().decode("utf-8", "replace").strip()


def describe_status(program: str, status: int) -> str:
    """Say how *program* ended in words."""
    if status < 0:
        return f"{program} was ended by signal {signal.Signals(-status).name}"
    return f"{program} ended with status {status}"


def describe_end(program: str, status: int, message: str) -> str:
    """Say how *program* ended, and what it has written of it."""
    return f"{describe_status(program, status)}: {message or 'no message'}"


class ProcessSource:
    """A program whose standard output is the stream.

    :param argv: the command; never a secret in it.
    :param environment: the child's whole environment, see :func:`child_environment`.
    :param step: named in errors.
    """

    def __init__(self, argv: Sequence[str], *, environment: Mapping[str, str], step: str) -> None:
        self.name = os.path.basename(argv[0])
        self.stderr = ""
        self._argv = list(argv)
        self._environment = dict(environment)
        self._step = step
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def run(self, emit: Emit) -> None:
        """Start the program and emit what it writes; raise :class:`SourceError` unless it exits with 0."""
        with tempfile.TemporaryFile() as errors:
            with self._lock:
                if self._cancelled:
                    return
                self._process = start(self._argv, self._environment, self._step, errors)
            process = self._process
            if process.stdout is None:
                raise AssertionError("there is no pipe")
            try:
                for chunk in read_pipe(process.stdout):
                    emit(chunk)
            except BaseException:
                process.kill()
                raise
            finally:
                process.stdout.close()
                status = process.wait()
                self.stderr = read_tail(errors)
        if status != 0:
            raise SourceError(self._step, describe_end(self.name, status, self.stderr))

    def cancel(self) -> None:
        """Kill the program; if it was not started yet, it never is."""
        with self._lock:
            self._cancelled = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()


def start(
    argv: Sequence[str],
    environment: Mapping[str, str],
    step: str,
    errors: IO[bytes],
    *,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program with its standard output on a pipe and its messages in the file *errors*.

    :param pass_fds: further descriptors that the child keeps, under the same numbers.
    """
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            close_fds=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        raise BackupError(step, f"cannot start {argv[0]}: {error.strerror}") from error


class ProcessFilter(Expanding):
    """A program that the stream passes through (gpg, say), as a transform.

    Reading and writing are interleaved on non-blocking pipes, so that neither side can starve the other.

    :param pass_fds: further descriptors that the child keeps, a status file's or a passphrase pipe's, say.
    """

    def __init__(
        self, argv: Sequence[str], *, environment: Mapping[str, str], step: str, pass_fds: Sequence[int] = ()
    ) -> None:
        self.name = os.path.basename(argv[0])
        self._step = step
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = start(argv, environment, step, self._errors, stdin=subprocess.PIPE, pass_fds=pass_fds)
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("there are no pipes")
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        for stream in (self._stdin, self._stdout):
            widen_pipe(stream)
            os.set_blocking(stream.fileno(), False)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Write *chunk* to the program and yield what it has written by then."""
        pending = memoryview(chunk)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            selector.register(self._stdout, selectors.EVENT_READ)
            while pending:
                for key, _events in selector.select():
                    if key.fileobj is self._stdout:
                        data = os.read(self._stdout.fileno(), READ_BYTES)
                        if not data:
                            raise self._failed()
                        yield data
                    else:
                        try:
                            pending = pending[os.write(self._stdin.fileno(), pending) :]
                        except BrokenPipeError:
                            raise self._failed() from None

    def ending(self) -> Iterator[bytes]:
        """End the program's input and yield the rest of its output; raise unless it exits with 0."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        os.set_blocking(self._stdout.fileno(), True)
        while data := os.read(self._stdout.fileno(), READ_BYTES):
            yield data
        if self._process.wait() != 0:
            raise self._failed()
        self.close()

    def close(self) -> None:
        """Kill the program if it still runs and release its pipes; call it when the stream was given up."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout, self._errors):
            with contextlib.suppress(OSError):
                stream.close()

    def _failed(self) -> SourceError:
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            status = self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        message = read_tail(self._errors)
        self.close()
        return SourceError(self._step, describe_end(self.name, status, message))
