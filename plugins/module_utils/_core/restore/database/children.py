"""PostgreSQL's programs as the last stage of a restore, and what of their messages may be shown."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from ...errors import BackupError, Cancelled
from ...postgres.messages import without_values
from ...stream.process import describe_status, read_tail, widen_pipe
from .complaints import Complaints

_ERROR_LINE = re.compile(r"error:|ERROR:|FATAL:|PANIC:|warning: errors ignored")
_NOISE = re.compile(r"^(?:DETAIL|CONTEXT|HINT|STATEMENT|LINE \d+|Command was)\b")
_MAX_LINES = 4


def tool_message(stderr: str) -> str:
    """What a program complains of, without what may quote rows: details, contexts and values."""
    lines = [line.strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line and not _NOISE.match(line)]
    errors = [line for line in lines if _ERROR_LINE.search(line)] or lines[-1:]
    return "; ".join(without_values(line) for line in dict.fromkeys(errors[:_MAX_LINES])) or "no message"


class Child:
    """A program that is started at once, whose exit status counts, and that can be killed from another thread.

    :param argv: the command; never a secret in it.
    :param step: named in errors.
    :param fed: whether its standard input is a pipe of ours.
    :param complaints: judges what it complained of where it ends with an error.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        step: str,
        *,
        fed: bool = False,
        complaints: Complaints | None = None,
    ) -> None:
        self.name = os.path.basename(argv[0])
        self._step = step
        self._complaints = complaints
        self._killed = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=dict(environment),
                close_fds=True,
            )
        except OSError as error:
            self._errors.close()
            raise BackupError(step, f"cannot start {argv[0]}: {error.strerror}") from error
        self._stdin = self._process.stdin
        if self._stdin is not None:
            widen_pipe(self._stdin)

    @property
    def pid(self) -> int:
        """The process id of the program."""
        return self._process.pid

    def feed(self, chunk: bytes) -> None:
        """Write to its standard input; raise with its own words when it has ended."""
        if self._stdin is None:
            raise AssertionError("there is no pipe")
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self._stdin.fileno(), view) :]
        except OSError:
            raise self._failed() from None

    def finish(self) -> None:
        """End its input and wait for it; raise unless it exits with 0."""
        self._close_input()
        if self._process.wait() != 0 and not self._is_tolerated():
            raise self._failed()
        self._errors.close()

    def kill(self) -> None:
        """End it from any thread; whoever waits for it is told that it was cancelled."""
        if self._process.poll() is None:
            self._killed = True
            self._process.kill()

    def close(self) -> None:
        """Kill it if it still runs, and release everything; safe to call twice."""
        self.kill()
        self._close_input()
        self._process.wait()
        self._errors.close()

    def _is_tolerated(self) -> bool:
        if self._complaints is None or self._killed:
            return False
        return self._complaints.tolerates(self._stderr_text())

    def _stderr_text(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "surrogateescape")

    def _close_input(self) -> None:
        if self._stdin is not None:
            with contextlib.suppress(OSError):
                self._stdin.close()

    def _failed(self) -> BackupError:
        self._close_input()
        status = self._process.wait()
        known = self._errors.closed or self._killed or self._complaints is None
        explained = (
            None if known or self._complaints is None else self._complaints.explain(self._step, self._stderr_text())
        )
        message = "" if self._errors.closed else read_tail(self._errors)
        self._errors.close()
        if self._killed:
            return Cancelled(self._step)
        return explained or BackupError(self._step, f"{describe_status(self.name, status)}: {tool_message(message)}")


class ChildSink:
    """A program that reads the stream from its standard input, as a sink: the end of the stream is its commit."""

    def __init__(self, child: Child) -> None:
        self.name = child.name
        self._child = child

    def write(self, chunk: bytes) -> None:
        """See :class:`pipeline.Sink`."""
        self._child.feed(chunk)

    def commit(self) -> None:
        """Close the program's input and wait for it; raise an error unless it exits with 0."""
        self._child.finish()

    def abort(self) -> None:
        """Kill it: the end of its input would be taken for the end of the stream."""
        self._child.close()
