"""What servers and libpq say, made fit for a message of ours: short, without data, with what to do next."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from ..errors import SourceError
from .types import Error

_MAX_LINES = 3
_DATA_EXCEPTION = "22"
"""The class of SQLSTATEs whose messages quote the value that was wrong; appendix A of the documentation."""

_QUOTED_VALUE = re.compile(r'((?:invalid|malformed|out of range|too long)[^:]*: )".*"')

_DIRECT = r"\bdb\.\w+\.supabase\.co"
"""The host of a project itself."""

_HINTS = (
    (r"password authentication failed|no password supplied", "check login_user and login_password"),
    (r"Tenant or user not found", "a pooler of Supabase expects login_user as role.project, for example postgres.abcd"),
    (r"no pg_hba\.conf entry", "the server's pg_hba.conf does not let this role in from here; ssl_mode may matter"),
    (r'database "[^"]*" does not exist', "check login_db"),
    (r'role "[^"]*" does not exist', "check login_user"),
    (
        # A name that has IPv6 addresses only is as good as unknown where there is no IPv6.
        rf"(?s)Network is unreachable.*{_DIRECT}|{_DIRECT}.*(?:Network is unreachable|to address)",
        "the direct host of Supabase has IPv6 only, and this machine may have none: use the session pooler, host "
        "aws-0-<region>.pooler.supabase.com (the dashboard has it), port 5432, login_user postgres.<project>; "
        "if the machine has IPv6, check the project's reference",
    ),
    (r"could not translate host name", "check login_host"),
    (
        r"server does not support SSL",
        "the server offers no TLS: set it up there, or use ssl_mode 'prefer'",
    ),
    (r"root certificate file .* does not exist", "give the certificate authority's file as ca_cert"),
    (
        r"certificate verify failed|does not match host name",
        "check ca_cert, and that login_host is the certificate's name",
    ),
    (r"private key file .* has group or world access", "chmod 600 the file of ssl_key"),
    (r"invalid connection option", "check the names in connect_params"),
    (
        r"definition of service",
        "connect_params: service names a section of ~/.pg_service.conf, of who runs the module, or of PGSERVICEFILE",
    ),
    (r"too many clients|remaining connection slots", "the server has no free connection: raise max_connections"),
    (r"the database system is (starting up|shutting down|in recovery)", "try again when the server is up"),
    (
        r"(?s)on socket .*(?:No such file|Connection refused)",
        "check login_unix_socket and login_port, or give login_host, and that the server runs",
    ),
    (
        r"Connection refused|No such file or directory|timeout expired",
        "check login_host and login_port, and that the server runs",
    ),
)


def connection_hint(message: str, host: str, port: int) -> str | None:
    """What to do about a connection that failed with libpq's *message*."""
    if port == 6543 and "supabase" in host:
        return "port 6543 is the transaction pooler: use port 5432"
    return next((hint for pattern, hint in _HINTS if re.search(pattern, message)), None)


def without_values(text: str) -> str:
    """What a server says, without the value that it quotes: that may be somebody's data."""
    return _QUOTED_VALUE.sub(r"\1(a value)", text)


def in_one_line(message: str) -> str:
    """A message of libpq in one line, without the repetition for every address that was tried."""
    lines = list(dict.fromkeys(line.strip() for line in message.splitlines() if line.strip()))
    return "; ".join(lines[:_MAX_LINES])


@contextlib.contextmanager
def database_errors(step: str) -> Iterator[None]:
    """Give what psycopg2 raises within the block the product's form."""
    try:
        from psycopg2 import Error
    except ImportError:
        # Whoever connects says that the library is missing.
        yield
        return
    try:
        yield
    except Error as error:
        raise SourceError(step, server_message(error)) from None


def server_message(error: Error) -> str:
    """What the server says is wrong: its primary message alone, as detail and context may quote rows.

    Where even the primary message quotes a value, only the condition is named.
    """
    from psycopg2 import errorcodes

    code = error.pgcode
    if code is None:
        return in_one_line(str(error)) or "the connection was lost"
    if code.startswith(_DATA_EXCEPTION):
        return f"{errorcodes.lookup(code).lower().replace('_', ' ')} (SQLSTATE {code})"
    return in_one_line(error.diag.message_primary or f"SQLSTATE {code}")
