"""Private Unix sockets: where they are, HTTP over them, and what killed runs leave of them."""

from __future__ import annotations

import contextlib
import glob
import http.client
import os
import socket
import tempfile
import time
from typing import Any

from ..stall_limit import Wait, WatchedSocket

_PREFIX = "mobul-rclone-"
_NAME = "socket"
_MAX_PATH_BYTES = 100
_ABANDONED_SECONDS = 3600.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket.

    :param timeout: seconds, for the opening; and for each answer, where there is no *wait*.
    :param wait: what tells whether an answer has been waited for long enough.
    """

    sock: Any

    def __init__(self, path: str, timeout: float, wait: Wait | None = None) -> None:
        super().__init__("rclone", timeout=timeout)
        self._path = path
        self._wait = wait

    def connect(self) -> None:
        """Connect to the Unix socket."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        self.sock = connection if self._wait is None else WatchedSocket(connection, self._wait)


def new_socket_path() -> str:
    """The path of a socket to be made, in a new directory that only this user can enter."""
    _remove_abandoned()
    directory = tempfile.mkdtemp(prefix=_PREFIX)
    if len(os.fsencode(directory)) + len(_NAME) >= _MAX_PATH_BYTES:
        # The address of a socket holds about a hundred bytes.
        os.rmdir(directory)
        directory = tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp")
    return os.path.join(directory, _NAME)


def remove_socket(path: str) -> None:
    """Remove a socket and its directory, if they exist."""
    with contextlib.suppress(OSError):
        os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def _remove_abandoned() -> None:
    """Remove what is left of runs that were killed: old directories whose sockets nobody serves."""
    pattern = os.path.join(glob.escape(tempfile.gettempdir()), f"{_PREFIX}*")
    for directory in glob.glob(pattern):
        with contextlib.suppress(OSError):
            status = os.lstat(directory)
            path = os.path.join(directory, _NAME)
            old = time.time() - status.st_mtime > _ABANDONED_SECONDS
            if old and status.st_uid == os.getuid() and not _is_served(path):
                remove_socket(path)


def _is_served(path: str) -> bool:
    with contextlib.closing(UnixConnection(path, timeout=1)) as connection:
        try:
            connection.connect()
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
