"""A script of SQL on its way into psql: its own commands for psql are refused, so that it can do no more than SQL can.

psql executes commands that begin with a backslash; some run programs on this host. ``\\restrict KEY`` switches them off
until ``\\unrestrict KEY`` comes with the same key, which no script can know. Scripts of newer pg_dump carry such a pair
themselves; theirs is taken out.
"""

from __future__ import annotations

import re
import secrets

from ...errors import FormatError, PreflightError
from ...postgres.known_settings import unknown_settings, without_unknown
from ...postgres.programs import Program

_OWN = re.compile(rb"^\\restrict ([A-Za-z0-9]+)\r?\n", re.MULTILINE)
_HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 4096
_COMMIT = re.compile(rb"^(COMMIT;)\n(?:\s|--[^\n]*\n|\\unrestrict [A-Za-z0-9]+\n)*\Z", re.MULTILINE)
_SINCE = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""Minor versions of psql from which on it knows the command; every later major version does."""


def check_restricts(psql: Program) -> None:
    """Raise an error for a psql that would execute the script's own commands.

    :raises PreflightError: saying which version would do.
    """
    minor = psql.version[1] if len(psql.version) > 1 else 0
    needed = _SINCE.get(psql.major, 0 if psql.major > max(_SINCE) else None)
    if needed is None or minor < needed:
        wanted = f"{psql.major}.{needed}" if needed is not None else "17.6"
        raise PreflightError(
            "find the PostgreSQL programs",
            f"psql {psql.version_text} would execute commands that a script carries",
            hint=f"install version {wanted} or newer",
        )


class Restricted:
    """Puts a script between a pair of ``\\restrict`` and ``\\unrestrict``, as a transform."""

    name = "script"

    def __init__(self) -> None:
        self._key = secrets.token_hex(32)
        self._head: bytes | None = b""
        self._marker = b""
        self._held = b""

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes of the script; return those that psql may read."""
        if self._head is not None:
            self._head += chunk
            return self._begin() if len(self._head) >= _HEAD_BYTES else b""
        return self._without_marker(chunk)

    def finalize(self) -> bytes:
        """The last bytes, and the end of the restriction."""
        begin = self._begin() if self._head is not None else b""
        return begin + self._held + f"\n\\unrestrict {self._key}\n".encode()

    def _begin(self) -> bytes:
        head, self._head = self._head or b"", None
        if match := _OWN.search(head):
            self._marker = rb"\unrestrict " + match[1]
            head = head.replace(match[0], b"")
        return f"\\restrict {self._key}\n".encode() + self._without_marker(head)

    def _without_marker(self, chunk: bytes) -> bytes:
        if not self._marker:
            return chunk
        data = (self._held + chunk).replace(self._marker, b"")
        keep = len(self._marker) - 1
        self._held = data[-keep:]
        return data[:-keep]


class KnownSettings:
    """Takes out of a script what its head sets and the server does not know, as a transform."""

    name = "settings"

    def __init__(self, server_version_num: int) -> None:
        self._unknown = unknown_settings(server_version_num)
        self._head: bytes | None = b""

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes; nothing is returned before the head of the script is complete."""
        if self._head is None:
            return chunk
        self._head += chunk
        return self.finalize() if len(self._head) >= _HEAD_BYTES else b""

    def finalize(self) -> bytes:
        """The head of the script, if nothing followed it."""
        head, self._head = self._head or b"", None
        return without_unknown(head, self._unknown)


class WithoutCommit:
    """Takes the COMMIT out that ``pg_restore --single-transaction`` writes at its end, as a transform.

    Without that option it would write BEGIN and COMMIT around every batch of large objects. Who commits is decided by
    whoever proves the result.
    """

    name = "without commit"

    def __init__(self) -> None:
        self._tail = b""

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes; return them without what may be the COMMIT at the end."""
        data = self._tail + chunk
        self._tail = data[-_TAIL_BYTES:]
        return data[:-_TAIL_BYTES]

    def finalize(self) -> bytes:
        """The end without its COMMIT; raise when it has none, as this is not what we know of pg_restore then."""
        match = _COMMIT.search(self._tail)
        if match is None:
            raise FormatError("restore in place", "pg_restore did not end its transaction")
        return self._tail[: match.start(1)] + self._tail[match.end(1) :]
