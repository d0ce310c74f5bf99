"""Streaming one object into rclone's daemon."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import urllib.parse
from collections.abc import Iterator

from ..stall_limit import Stalled
from .daemon import RcloneBrokenError, RcloneDaemon, RcloneError, RcloneStalledError, read_answer

_PIECE_BYTES = 256 * 1024


class Upload:
    """A ``POST operations/uploadfile`` (multipart/form-data, RFC 7578) with a chunked body (RFC 9112, 7.1).

    A body that breaks off, for example because this process was killed, is an error for rclone and no end of the
    object.

    :param remote: the root, as rclone writes it.
    :param path: of the object, below the root.
    :param buffered: rclone may collect a small object before it stores it. It takes a small body that breaks off for
        a whole one then, so this is only for an object that nobody can see yet.
    """

    def __init__(self, daemon: RcloneDaemon, remote: str, path: str, *, buffered: bool) -> None:
        boundary = secrets.token_hex(16)
        directory, _slash, name = path.rpartition("/")
        parameters = {"fs": remote, "remote": directory}
        if not buffered:
            parameters["_config"] = json.dumps({"StreamingUploadCutoff": "0"})
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self._connection = daemon.writing()
        self._daemon = daemon
        # RFC 8187, since a name may contain quotes and letters that are not of ASCII.
        disposition = f"form-data; name=\"file\"; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
        try:
            self._connection.putrequest("POST", f"/operations/uploadfile?{urllib.parse.urlencode(parameters)}")
            self._connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
            self._connection.putheader("Transfer-Encoding", "chunked")
            with self._given_up():
                self._connection.endheaders()
            self.send(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode())
        except OSError as error:
            self._connection.close()
            raise RcloneBrokenError(error) from error

    def send(self, chunk: bytes) -> None:
        """Send the next bytes; raise :class:`RcloneError` with rclone's reason where it has given one."""
        try:
            with self._given_up():
                view = memoryview(chunk)
                for start in range(0, len(view), _PIECE_BYTES):
                    piece = view[start : start + _PIECE_BYTES]
                    self._connection.sock.sendall(b"%x\r\n" % len(piece))
                    self._connection.sock.sendall(piece)
                    self._connection.sock.sendall(b"\r\n")
        except OSError:
            # rclone answers before the end only when it failed, and then takes no more.
            self._answer()
            raise RcloneError("rclone ended the upload") from None

    def finish(self) -> None:
        """End the object and wait until the store confirms it."""
        self.send(self._end)
        with self._given_up(), contextlib.suppress(OSError):
            self._connection.sock.sendall(b"0\r\n\r\n")
        self._answer()

    def cancel(self) -> None:
        """Break the body off and wait until rclone has cleaned up after it."""
        with contextlib.suppress(OSError, RcloneError, AttributeError):
            self._connection.sock.shutdown(socket.SHUT_WR)
            self._answer()
        self._connection.close()

    @contextlib.contextmanager
    def _given_up(self) -> Iterator[None]:
        """Turn :class:`Stalled` into :class:`RcloneError`."""
        try:
            yield
        except Stalled as stalled:
            self._connection.close()
            raise RcloneStalledError(stalled) from None

    def _answer(self) -> None:
        with self._daemon.answering(self._connection) as connection:
            read_answer(connection.getresponse())
