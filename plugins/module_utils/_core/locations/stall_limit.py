"""How long a store may be silent, and how slow it may be, before it is given up.

A limit on one answer of a library's does not see a store that trickles: each byte begins it anew. Here every wait of a
connection is measured, and nothing else: what is slow because we are, as a restore that takes its time, is no stall.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

STALL_SECONDS = 60.0
LEAST_RATE = 16_000
"""Bytes a second below which a store trickles."""
PERIODS = 5
"""The rate is that of so many times the silence that a store is granted: five minutes of one."""
_SLICES = 8
_SEND_BYTES = 128 * 1024
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, and a number. What a firewall has forgotten is found out before anything is asked over it."""
_SIOCOUTQ = 0x5411


class Stalled(BaseException):
    """A store has fallen silent, or trickles. No Exception, since client libraries would try those again and again.

    :param silent: no byte came; asking again over another connection may help.
    """

    def __init__(self, message: str, *, silent: bool) -> None:
        super().__init__(message)
        self.silent = silent


class StallLimit:
    """How long a store may send nothing, and how many bytes have been moved so far.

    :param seconds: without a byte.
    :param moved: how many bytes all connections together have moved so far; counted here by default.
    """

    def __init__(self, seconds: float = STALL_SECONDS, moved: Callable[[], int] | None = None) -> None:
        self.seconds = seconds
        self._count = 0
        self._lock = threading.Lock()
        self.moved = moved or (lambda: self._count)

    def count(self, size: int) -> None:
        """Add *size* bytes that were sent or received."""
        with self._lock:
            self._count += size


class Rate:
    """Detects a store that sends too slowly while a request waits for it.

    Bytes on all connections of the location count: several that share a slow line are no fault of the store.
    """

    def __init__(self, stall_limit: StallLimit) -> None:
        self._stall_limit = stall_limit
        self._moved: deque[int] = deque(maxlen=PERIODS)
        self._begin = stall_limit.moved()
        self._waited = 0.0

    def waited(self, seconds: float) -> None:
        """Add the time that a request has waited; raise :class:`Stalled` below the least rate."""
        self._waited += seconds
        period = self._stall_limit.seconds
        if self._waited < period:
            return
        now = self._stall_limit.moved()
        self._moved.append(now - self._begin)
        self._begin, self._waited = now, 0.0
        if len(self._moved) == PERIODS and sum(self._moved) < LEAST_RATE * period * PERIODS:
            message = f"fewer than {LEAST_RATE // 1000} kB a second over {period * PERIODS:g} s (stall_timeout)"
            raise Stalled(f"it trickles: {message}", silent=False)


class Wait:
    """The time that one request has waited on one connection.

    :param elsewhere: a number that changes while something moves that this connection does not show.
    """

    def __init__(self, stall_limit: StallLimit, elsewhere: Callable[[], int] | None = None) -> None:
        self._stall_limit = stall_limit
        self._elsewhere = elsewhere
        self._seen = 0
        self._silent = 0.0
        self._rate: Rate | None = None

    @property
    def slice(self) -> float:
        """How long to wait, in seconds, before it is looked whether that was enough."""
        return self._stall_limit.seconds / _SLICES

    def begin(self, *, rated: bool) -> None:
        """A new request begins.

        :param rated: whether a store that sends little is slow. Where it has to work it may send blanks meanwhile, as
            at the end of a multipart upload, for minutes.
        """
        self._silent = 0.0
        self._rate = Rate(self._stall_limit) if rated else None

    def moved(self, seconds: float, count: int) -> None:
        """After so many seconds *count* bytes moved; 0 is none within a slice. Raises :class:`Stalled`."""
        # A machine that was halted did not wait for the store.
        seconds = min(seconds, 2 * self.slice)
        self._stall_limit.count(count)
        if count or self._moves_elsewhere():
            self._silent = 0.0
        else:
            self._silent += seconds
        if self._silent >= self._stall_limit.seconds:
            raise Stalled(f"no byte for {self._stall_limit.seconds:g} s (stall_timeout)", silent=True)
        if self._rate is not None:
            self._rate.waited(seconds)

    def _moves_elsewhere(self) -> bool:
        if self._elsewhere is None:
            return False
        before, self._seen = self._seen, self._elsewhere()
        return before != self._seen


class WatchedSocket:
    """Stands in for a connected socket, below HTTP and above TLS, and gives the store up by the location's patience."""

    def __init__(self, connected: socket.socket, wait: Wait) -> None:
        self._socket = connected
        self._wait = wait
        connected.settimeout(wait.slice)

    def settimeout(self, _value: float | None) -> None:
        """Ignored: the stall limit replaces the library's timeouts."""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """See :meth:`socket.socket.recv_into`."""
        return self._until_moved(lambda: self._socket.recv_into(buffer, nbytes, flags))

    def send(self, data: Any, flags: int = 0) -> int:
        """See :meth:`socket.socket.send`."""
        return self._until_moved(lambda: self._socket.send(data, flags))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """See :meth:`socket.socket.sendall`."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view[:_SEND_BYTES], flags) :]

    def makefile(self, mode: str = "r", buffering: int | None = None, **_options: Any) -> Any:
        """A file object for reading bytes, the only mode that HTTP needs."""
        # The socket closes when the last of its files is closed.
        self._socket._io_refs += 1  # type: ignore[attr-defined]
        raw = socket.SocketIO(self, "r")  # type: ignore[arg-type]
        return raw if buffering == 0 else io.BufferedReader(raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def _until_moved(self, act: Callable[[], int]) -> int:
        while True:
            began = time.monotonic()
            try:
                count = act()
            except TimeoutError:
                self._wait.moved(time.monotonic() - began, 0)
                continue
            self._wait.moved(time.monotonic() - began, count or 1)
            return count


def watched(connection: Any, stall_limit: StallLimit) -> Any:
    """A class of connections like *connection*, one of http.client's or of a library's on top of that."""

    class Watched(connection):  # type: ignore[misc]
        sock: Any

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.wait = Wait(stall_limit, lambda: _unsent(self.sock))

        def connect(self) -> None:
            try:
                super().connect()
            except TimeoutError:
                # Of a library's own kind where the store cannot be reached; so ends a greeting (TLS) without an answer.
                raise Stalled("no connection was made in time", silent=True) from None
            for name, value in _KEEP_ALIVE.items():
                with contextlib.suppress(OSError, AttributeError):
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            self.sock = WatchedSocket(self.sock, self.wait)

        def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
            self.wait.begin(rated=method != "POST")
            super().putrequest(method, url, *args, **options)

    return Watched


def _unsent(connected: Any) -> int:
    """Bytes that the kernel has yet to send, or that were not confirmed; 0 where it does not tell."""
    with contextlib.suppress(OSError, ImportError, ValueError, AttributeError):
        import fcntl

        answer = fcntl.ioctl(connected.fileno(), _SIOCOUTQ, b"\0" * 4)
        return int.from_bytes(answer, "little")
    return 0
