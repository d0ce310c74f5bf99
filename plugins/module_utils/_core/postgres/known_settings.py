"""Timeouts that newer programs switch off in every session, and that older servers do not know.

pg_dump and pg_restore of version 17 write ``SET transaction_timeout = 0``, whatever server they write it for: to an
older one that is an error, and the only thing that keeps it from restoring what was dumped from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

TIMEOUTS = (
    (90600, "statement_timeout"),
    (90600, "idle_in_transaction_session_timeout"),
    (140000, "idle_session_timeout"),
    (170000, "transaction_timeout"),
)
"""Since which server version there is which timeout."""


def unknown_settings(server_version_num: int) -> tuple[str, ...]:
    """What programs may set, and a server of that version (``150018``) does not have."""
    return tuple(name for since, name in TIMEOUTS if server_version_num < since)


def without_unknown(script: bytes, unknown: Collection[str]) -> bytes:
    """A script of pg_dump or pg_restore without the lines of its head that set what is *unknown*.

    :param script: its first bytes; these lines follow each other near its beginning.
    """
    for name in unknown:
        line = re.compile(rb"^((?:SET \w+_timeout = 0;\r?\n)+)SET %b = 0;\r?\n" % name.encode(), re.MULTILINE)
        script = line.sub(rb"\1", script, count=1)
    return script


def without_unknown_errors(stderr: str, unknown: Collection[str]) -> tuple[str, int]:
    """What a program wrote without its complaints of these settings, and how many those were."""
    total = 0
    for name in unknown:
        # The server's words may be in any language; what was asked of it is not.
        complaint = rf"^pg_restore: error: [^\n]*\n(?:(?!pg_restore: )[^\n]*\n)*?Command was: SET {name} = 0;\n"
        stderr, count = re.subn(complaint, "", stderr, flags=re.MULTILINE)
        total += count
    return stderr, total
