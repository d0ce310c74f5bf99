"""A server that falls silent or trickles in the midst of an answer, in front of a real store."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from urllib.parse import urlsplit


class SlowLine:
    """Passes connections on to a store, until it is told to pass nothing more, or little; a context manager.

    :param upstream: the store's address.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._left: int | None = None
        self._trickle = 0.0
        self._closed = threading.Event()

    def __enter__(self) -> SlowLine:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._listener.close()

    def silence_after(self, count: int) -> None:
        """Pass on *count* more bytes in either direction, and then nothing on any connection, without closing one."""
        self._left = count

    def trickle(self, seconds: float) -> None:
        """From now on one byte goes to the client every so many seconds."""
        self._trickle = seconds

    def heal(self) -> None:
        """Pass everything on again, of connections that are made from now on."""
        self._left, self._trickle = None, 0.0

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closed.is_set():
                client, _address = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._upstream) as store, contextlib.suppress(OSError):
            while not self._closed.is_set():
                for readable in select.select([client, store], [], [], 0.05)[0]:
                    other = store if readable is client else client
                    data = readable.recv(65536)
                    if not data:
                        return
                    self._pass(data, other, to_client=readable is store)

    def _pass(self, data: bytes, other: socket.socket, *, to_client: bool) -> None:
        if self._trickle and to_client:
            for byte in data:
                if self._closed.wait(self._trickle):
                    return
                other.sendall(bytes([byte]))
            return
        if self._left is not None:
            data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            other.sendall(data)
            if rest or not self._left:
                self._silent()
            return
        other.sendall(data)

    def _silent(self) -> None:
        """Hold this connection open and do nothing more on it."""
        self._closed.wait()
