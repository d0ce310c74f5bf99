"""The environment of a child that speaks libpq (pg_dump, pg_dumpall), with its secrets in private files only."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping

from ..errors import ConfigError
from ..stream.process import child_environment
from .connection import APPLICATION_NAME, CONNECT_TIMEOUT, EVENT_TRIGGERS_OFF, ConnectionOptions, event_triggers_off
from .foreign_code import RESTRICTION, knows_restriction
from .known_settings import TIMEOUTS

VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "passfile": "PGPASSFILE",
    "require_auth": "PGREQUIREAUTH",
    "channel_binding": "PGCHANNELBINDING",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "options": "PGOPTIONS",
    "application_name": "PGAPPNAME",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcertmode": "PGSSLCERTMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslsni": "PGSSLSNI",
    "requirepeer": "PGREQUIREPEER",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "min_protocol_version": "PGMINPROTOCOLVERSION",
    "max_protocol_version": "PGMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE",
    "gssdelegation": "PGGSSDELEGATION",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}
"""libpq's parameters that have an environment variable: libpq's documentation, "Environment Variables"."""

_SERVICE = "mobul"


@contextlib.contextmanager
def child_environment_for(
    options: ConnectionOptions,
    *,
    server_version_num: int | None = None,
    application_name: str = APPLICATION_NAME,
    tables_only: bool = False,
) -> Iterator[dict[str, str]]:
    """A child's whole environment, good for as long as the block runs.

    The password, and parameters that have no environment variable, are in files that only this user can read;
    on Linux they have no name in any directory and end with this process, whatever ends it.

    :param server_version_num: of a server that is reached directly, for example 170010: timeouts that the role has set
        are then switched off from the first moment, and so is a default of read-only transactions. None where a pooler
        is between, which would refuse that. So are event triggers, where the role may.
    :param tables_only: whether the child is to be refused to read views and foreign tables, where the server can.
    """
    inherited = {name: os.environ[name] for name in VARIABLES.values() if name in os.environ}
    parameters = options.parameters()
    environment = child_environment(inherited)
    environment |= {"PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT), "PGAPPNAME": application_name}
    environment |= {VARIABLES[name]: value for name, value in parameters.items() if name in VARIABLES}
    if server_version_num is not None:
        settings = list(_settings(options, server_version_num, tables_only))
        environment["PGOPTIONS"] = " ".join(filter(None, [environment.get("PGOPTIONS"), *settings]))
    others = {name: value for name, value in parameters.items() if name not in VARIABLES}
    with contextlib.ExitStack() as stack:
        if others:
            _check_service(others, environment)
            lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in others.items())]
            environment["PGSERVICE"] = _SERVICE
            environment["PGSERVICEFILE"] = stack.enter_context(private_file("\n".join(lines) + "\n"))
        if (password := options.password) is not None:
            # A password file cannot hold a line break; the environment of a child is as private, while it runs.
            if "\n" in password or "\r" in password:
                environment["PGPASSWORD"] = password
            else:
                environment["PGPASSFILE"] = stack.enter_context(private_file(password_line(password)))
        yield environment


def password_line(password: str) -> str:
    """The line of a password file that fits every server: ``:`` and ``\\`` are escaped."""
    return "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:") + "\n"


@contextlib.contextmanager
def private_file(text: str) -> Iterator[str]:
    """The path of a file of mode 0600 with *text*, that is gone after the block."""
    data = text.encode()
    with contextlib.ExitStack() as stack:
        path = _anonymous_file(data, stack) or _named_file(data, stack)
        yield path


def _anonymous_file(data: bytes, stack: contextlib.ExitStack) -> str | None:
    try:
        descriptor = os.memfd_create("mobul")
    except (AttributeError, OSError):
        return None
    stack.callback(os.close, descriptor)
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, data)
        with open(path, "rb") as file:
            if file.read() == data:
                return path
    return None


def _named_file(data: bytes, stack: contextlib.ExitStack) -> str:
    shared_memory = "/dev/shm"  # noqa: S108 - in memory rather than on a disk; the directory below is private
    parent = shared_memory if os.access(shared_memory, os.W_OK | os.X_OK) else None
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mobul-", dir=parent))
    path = os.path.join(directory, "secret")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    return path


def _settings(options: ConnectionOptions, server_version_num: int, tables_only: bool) -> Iterator[str]:
    yield from (f"-c {name}=0" for since, name in TIMEOUTS if server_version_num >= since)
    yield "-c default_transaction_read_only=off"
    if event_triggers_off(options):
        yield f"-c {EVENT_TRIGGERS_OFF}"
    if tables_only and knows_restriction(server_version_num):
        yield f"-c {RESTRICTION}=view,foreign-table"


def _check_service(others: Mapping[str, str], environment: Mapping[str, str]) -> None:
    names = ", ".join(others)
    if "PGSERVICE" in environment:
        raise ConfigError("prepare the connection", f"connect_params: {names} cannot be used together with a service")
    if any("\n" in value or value != value.strip() for value in others.values()):
        raise ConfigError("prepare the connection", f"connect_params: {names}: line breaks and spaces at the ends")
