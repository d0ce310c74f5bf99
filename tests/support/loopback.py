"""A service that a test speaks to, in a thread of its own."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer
from typing import Self


class Loopback:
    """Serves while it is entered.

    :param server: it has its address already.
    :param poll: seconds after which it hears that it is to end.
    """

    def __init__(self, server: ThreadingHTTPServer, poll: float) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(poll,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
