"""One ``rclone rcd`` of our own, spoken to over HTTP on a private Unix socket.

Starting rclone costs about 0.1 s of CPU, so one daemon serves all requests of a location. The socket is in a directory
that only this user can enter, which is why no password is needed. The requests are described at
https://rclone.org/rc/; an upload has its own module.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ..stall_limit import Stalled, StallLimit, Wait
from .process import Helper, bytes_moved, rclone_environment
from .socket import UnixConnection, new_socket_path, remove_socket

_START_SECONDS = 30.0
_DYING_SECONDS = 1.0
_CONNECT_SECONDS = 10.0
_UNSEEN = 20
"""So many times the patience is granted where the kernel does not tell whether rclone moves anything."""
_NOISE_BYTES = 1024
"""What rclone reads and writes for itself while nothing comes from the store."""


class RcloneError(Exception):
    """A request that rclone refused, or could not be asked; ``str()`` is rclone's own message, unfiltered.

    :param status: of HTTP; 0 when there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RcloneStartError(RcloneError):
    """The rclone daemon did not start."""


class RcloneBrokenError(RcloneError):
    """The rclone daemon ended during a request."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"rclone broke the connection off: {type(cause).__name__}")


class RcloneStalledError(RcloneError):
    """The store behind rclone sent nothing for too long."""

    def __init__(self, stalled: Stalled) -> None:
        super().__init__(f"no progress: {stalled}")


class RcloneDaemon:
    """Started with the first request, and again should it have died.

    What rclone moves is what it reads and writes as a process: the connection to it shows little of a listing, and
    nothing of a store that takes its time with what was sent.

    :param program: path of rclone.
    :param config: path of its configuration file; None leaves the choice to rclone.
    :param stall_timeout: see :class:`StallLimit`, seconds.
    """

    def __init__(self, program: str, config: str | None, stall_timeout: float) -> None:
        self._stall_limit = StallLimit(stall_timeout, self._moved)
        self._program = program
        self._config = config
        self._lock = threading.Lock()
        self._helper: Helper | None = None
        self._path = ""
        self._finalizer: weakref.finalize[..., RcloneDaemon] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of rclone; None while it does not run."""
        return self._helper.pid if self._helper is not None and self._helper.running else None

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for *method* and return its answer; raise :class:`RcloneError`. Asked again if rclone died meanwhile."""
        try:
            return self._call(method, parameters)
        except RcloneBrokenError as error:
            self._require_end(error)
        try:
            return self._call(method, parameters)
        except RcloneBrokenError as error:
            raise RcloneError(self._require_end(error)) from None

    def _require_end(self, error: RcloneBrokenError) -> str:
        """What rclone said before it ended; raise *error* if it has not ended."""
        helper = self._helper
        if helper is None or not helper.ends_within(_DYING_SECONDS):
            raise error
        return helper.last_words()

    def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with self.answering(self.connect(self._wait(self._read))) as connection:
            body = json.dumps(parameters).encode()
            connection.request("POST", f"/{method}", body, {"Content-Type": "application/json"})
            return read_answer(connection.getresponse())

    def reading(self) -> UnixConnection:
        """A new open connection for the bytes of an object; raise :class:`RcloneError`."""
        return self.connect(self._wait(None))

    def writing(self) -> UnixConnection:
        """The same for an upload, which rclone may hold back for as long as it moves anything."""
        return self.connect(self._wait(self._moved))

    def _wait(self, progress: Callable[[], int] | None) -> Wait:
        """
        :param progress: bytes so far whose growth shows that something goes on; None where the connection shows it.
        """
        if progress is None:
            wait = Wait(self._stall_limit)
        elif self._helper is not None and self._helper.running and bytes_moved(self._helper.pid) is None:
            return Wait(StallLimit(self._stall_limit.seconds * _UNSEEN))
        else:
            wait = Wait(self._stall_limit, _steps(progress))
        wait.begin(rated=True)
        return wait

    def _read(self) -> int:
        counts = bytes_moved(self.pid or 0)
        return 0 if counts is None else counts[0]

    def _moved(self) -> int:
        return sum(bytes_moved(self.pid or 0) or (0, 0))

    def connect(self, wait: Wait) -> UnixConnection:
        """A new open connection; raise :class:`RcloneError`."""
        with self._lock:
            if self._helper is None or not self._helper.running:
                self._restart()
            try:
                with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                    return self._open(wait)
                # It has ended in this moment.
                self._restart()
                return self._open(wait)
            except OSError as error:
                raise RcloneBrokenError(error) from error

    def _open(self, wait: Wait) -> UnixConnection:
        connection = UnixConnection(self._path, _CONNECT_SECONDS, wait)
        connection.connect()
        return connection

    @contextlib.contextmanager
    def answering(self, connection: UnixConnection) -> Iterator[UnixConnection]:
        """Close *connection* in the end, and turn its failures into :class:`RcloneError`."""
        try:
            yield connection
        except Stalled as stalled:
            raise RcloneStalledError(stalled) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RcloneBrokenError(error) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Stop the daemon."""
        with self._lock:
            self._stop()

    def _restart(self) -> None:
        self._stop()
        self._start()

    def _start(self) -> None:
        path = new_socket_path()
        try:
            helper = Helper([self._program, "rcd", f"--rc-addr=unix://{path}", "--rc-no-auth"], self._environment())
        except OSError as error:
            remove_socket(path)
            raise RcloneStartError(f"cannot start {self._program}: {error.strerror}") from error
        self._finalizer = weakref.finalize(self, _remove, helper, path)
        try:
            _wait_for(path, helper)
        except RcloneStartError:
            self._stop()
            raise
        self._helper, self._path = helper, path

    def _stop(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._helper = self._finalizer = None

    def _environment(self) -> dict[str, str]:
        """Settings go by the environment, where an old rclone ignores what it does not know."""
        settings = {
            "RC_SERVE": "true",
            "RC_SERVE_NO_MODTIME": "true",
            # These count from the start of a request; an upload may last longer than any such limit.
            "RC_SERVER_READ_TIMEOUT": "0s",
            "RC_SERVER_WRITE_TIMEOUT": "0s",
            # Its own limit on silence also ends a connection over which we have nothing to send for a while.
            "TIMEOUT": "0s",
            "CONTIMEOUT": f"{min(60.0, self._stall_limit.seconds):g}s",
            # What arrives is compared here, with a hash that the store has for nothing; rclone's would cost a second
            # of CPU for 290 MB on a store that has none.
            "IGNORE_CHECKSUM": "true",
            "SIZE_ONLY": "true",
            # A move leaves alone what has the name already.
            "IGNORE_EXISTING": "true",
            "BUFFER_SIZE": "0",
            "ASK_PASSWORD": "false",
            "LOG_LEVEL": "ERROR",
        }
        if self._config is not None:
            settings["CONFIG"] = self._config
        return rclone_environment() | {f"RCLONE_{name}": value for name, value in settings.items()}


def _steps(progress: Callable[[], int]) -> Callable[[], int]:
    """A number that grows whenever *progress* has grown by more than noise since it was asked for last."""
    last, steps = progress(), 0

    def elsewhere() -> int:
        nonlocal last, steps
        before, last = last, progress()
        steps += last - before >= _NOISE_BYTES
        return steps

    return elsewhere


def read_answer(response: http.client.HTTPResponse) -> dict[str, Any]:
    """The JSON of an answer; raise :class:`RcloneError` if it is one of failure."""
    if response.status != http.client.OK:
        raise refusal(response)
    answer: dict[str, Any] = json.loads(response.read())
    return answer


def refusal(response: http.client.HTTPResponse) -> RcloneError:
    """What an answer of failure says, to be raised."""
    body = response.read()
    try:
        message = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        message = body.decode("utf-8", "replace")
    return RcloneError(str(message or response.reason), response.status)


def _wait_for(path: str, helper: Helper) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), contextlib.closing(UnixConnection(path, timeout=1)) as connection:
            connection.connect()
            return
        if not helper.running:
            raise RcloneStartError(helper.last_words())
        if time.monotonic() > deadline:
            raise RcloneStartError(f"rclone did not begin to serve within {_START_SECONDS:g} s")
        time.sleep(0.005)


def _remove(helper: Helper | None, path: str) -> None:
    if helper is not None:
        helper.stop()
    remove_socket(path)
