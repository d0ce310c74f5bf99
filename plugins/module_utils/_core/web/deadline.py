"""The end of an exchange with a server: to be silent has a limit at the socket, to send bytes one by one has not."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any


class Deadline:
    """Ends a connection when its time is up.

    :ivar passed: whether it was up.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._connected: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def connect(self, *args: Any, **kwargs: Any) -> socket.socket:
        """As ``socket.create_connection``; the time begins, which is that of a proxy and of TLS, too."""
        made = socket.create_connection(*args, **kwargs)
        # Of its own, as TLS takes the other one over.
        self._connected.append(made.dup())
        self._timer.start()
        return made

    def stop(self) -> None:
        """The exchange has ended."""
        self._timer.cancel()
        for one in self._connected:
            one.close()

    def error(self) -> TimeoutError:
        """What is told then."""
        return TimeoutError(f"its answer has not ended within {self.seconds:g} s")

    def _end(self) -> None:
        self.passed = True
        for one in self._connected:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
