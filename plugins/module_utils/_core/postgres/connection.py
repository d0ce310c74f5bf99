"""Connections to a server: what the user gives, and sessions whose settings nobody else decides."""

from __future__ import annotations

import contextlib
import os
import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import ConfigError, PreflightError
from .any_bytes import read_as_stored
from .messages import connection_hint, in_one_line
from .pooler import refuse_transaction_pooler
from .types import Connection

__all__ = [
    "APPLICATION_NAME",
    "CONNECT_TIMEOUT",
    "Connection",
    "ConnectionOptions",
    "cancel_statements",
    "connect",
    "conninfo",
]

STEP = "connect to the database"
APPLICATION_NAME = "mobul.backup"
CONNECT_TIMEOUT = 10
"""Seconds, for each address of the host."""

_SOCKET_DIRECTORIES = ("/var/run/postgresql", "/run/postgresql", "/tmp")  # noqa: S108 - PostgreSQL's own default
_KEYWORD = re.compile(r"[a-z][a-z0-9_]*")
_GOVERNED = ("client_encoding", "dsn", "replication")

EVENT_TRIGGERS_OFF = "event_triggers=off"
_REFUSES_SETTING = re.compile("event_triggers|startup parameter")
"""What servers say that do not know it or do not allow it, in any language, and poolers."""
_event_triggers_off: dict[tuple[str, int, str], bool] = {}
_sessions: weakref.WeakSet[Connection] = weakref.WeakSet()

_NETWORK = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""A server that has gone away is noticed within a minute; in milliseconds the last, in seconds the others."""

SESSION = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "search_path": "",
    "row_security": "off",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmlbinary": "base64",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",
    "jit": "off",
}
"""What a role or a database may have set otherwise: timeouts, how transactions begin, and what changes a text."""

_NOTICE_OUR_END = """
CASE WHEN pg_catalog.version() LIKE '%%linux%%'
  THEN pg_catalog.set_config('client_connection_check_interval', '10s', false)
END
"""
"""Else a statement and its session's locks outlive a client that was killed; not every system can tell of that."""


@dataclass(frozen=True)
class ConnectionOptions:
    """How to reach one database; the names are community.postgresql's.

    :param login_host: empty for a Unix socket.
    :param login_unix_socket: directory of the socket; looked for where servers make it when neither is given.
    :param connect_params: further parameters of libpq, which take precedence.
    """

    login_host: str = ""
    login_port: int = 5432
    login_user: str = "postgres"
    login_password: str = field(default="", repr=False)
    login_db: str = ""
    login_unix_socket: str = ""
    ssl_mode: str = "prefer"
    ca_cert: str | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    connect_params: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, value in self.connect_params.items():
            if not isinstance(name, str) or not _KEYWORD.fullmatch(name):
                raise ConfigError(STEP, f"connect_params has {name!r}, which is no parameter of libpq")
            if name in _GOVERNED:
                raise ConfigError(STEP, f"connect_params may not set {name}")
            if not isinstance(value, str | int | float | None):
                raise ConfigError(STEP, f"connect_params: {name} must be a text or a number")

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> ConnectionOptions:
        """From the parameters of a module; what is not a connection option is passed over."""
        known = {item.name for item in fields(cls)}
        _check_host(str(parameters.get("login_host") or ""))
        for name in ("ca_cert", "ssl_cert", "ssl_key"):
            # libpq passes over a file that is not there, unless ssl_mode needs it. What is no path is for its engines.
            path = str(parameters.get(name) or "")
            if path.startswith("/") and not os.path.isfile(path):
                raise ConfigError(STEP, f"{name}: there is no file {path}", hint="correct the path, or leave it out")
        return cls(**{k: v for k, v in parameters.items() if k in known and v is not None})

    @property
    def password(self) -> str | None:
        """The password from the options or the environment; None leaves it to libpq's own password file."""
        password = self.connect_params.get("password") or self.login_password
        return str(password) if password else os.environ.get("PGPASSWORD")

    @property
    def database(self) -> str:
        """The name of the database."""
        return str(self.connect_params.get("dbname") or self.login_db)

    @property
    def user(self) -> str:
        """The role to connect as."""
        return str(self.connect_params.get("user") or self.login_user)

    @property
    def host(self) -> str:
        """Name, address or socket directory; empty leaves it to libpq's environment variables."""
        if given := self.connect_params.get("host"):
            return str(given)
        if self.login_unix_socket and self.login_host in ("", "localhost"):
            return self.login_unix_socket
        if self.login_host or any(name in os.environ for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE")):
            return self.login_host
        if "hostaddr" in self.connect_params or "service" in self.connect_params:
            return ""
        return _socket_directory(self.port)

    @property
    def port(self) -> int:
        """TCP port, or the number in the socket's name."""
        with contextlib.suppress(ValueError):
            return int(self.connect_params.get("port") or self.login_port)
        raise ConfigError(STEP, "connect_params: port must be a number")

    @property
    def target(self) -> str:
        """The role, host, port and database, for messages."""
        return f"{self.user}@{self.host or 'localhost'}:{self.port}/{self.database}"

    def parameters(self) -> dict[str, str]:
        """libpq's keywords and values, all but the password."""
        values: dict[str, Any] = {
            "sslmode": self.ssl_mode,
            "sslrootcert": self.ca_cert,
            "sslcert": self.ssl_cert,
            "sslkey": self.ssl_key,
            **self.connect_params,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "dbname": self.database,
        }
        values.pop("password", None)
        return {name: _text(value) for name, value in values.items() if value not in (None, "")}

    def pinned(self, connection: Connection) -> ConnectionOptions:
        """The same options with the one host that *connection* reached, where several were given."""
        if "," not in self.host:
            return self
        reached = {"host": connection.info.host, "port": connection.info.port}
        others = {k: v for k, v in self.connect_params.items() if k not in ("hostaddr", "target_session_attrs")}
        return replace(self, connect_params={**others, **reached})


def connect(
    options: ConnectionOptions,
    *,
    application_name: str = APPLICATION_NAME,
    lock_timeout: float | None = None,
) -> Connection:
    """Open a session in autocommit mode whose timeouts and formats do not depend on the role or the database.

    :param lock_timeout: seconds to wait for a lock; None waits for ever.
    :raises PreflightError: the server cannot be reached or refuses (names host, port, role and database), or a
        transaction pooler is between.
    """
    try:
        import psycopg2
    except ImportError as error:
        raise PreflightError(
            STEP, "the Python library psycopg2 is missing", hint="install psycopg2 or psycopg2-binary on this host"
        ) from error
    if not options.database:
        raise ConfigError(STEP, "login_db is empty", hint="the name of a database")
    try:
        connection = _open(options, application_name)
        connection.autocommit = True
        # Before anything is set: behind a transaction pooler our settings would stay with other people's sessions.
        refuse_transaction_pooler(connection, options.host, options.port, conninfo(options, application_name))
        read_as_stored(connection)
        _apply_settings(connection, lock_timeout)
    except psycopg2.Error as error:
        raise _refused(options, str(error)) from None
    _sessions.add(connection)
    return connection


def cancel_statements() -> None:
    """Ask the servers to end what they do for any session of :func:`connect`, whichever thread waits for it."""
    # A session that is opened or closed meanwhile, or whose server is gone, has nothing to be ended.
    with contextlib.suppress(Exception):
        for session in list(_sessions):
            with contextlib.suppress(Exception):
                session.cancel()


def _open(options: ConnectionOptions, application_name: str) -> Connection:
    """A session without event triggers where that can be had: one on logins would run before anything could be set.

    Only a superuser may switch them off, only since version 17, and only where no pooler is between; whoever may not is
    refused the session, which is tried once for each server and role.
    """
    import psycopg2

    if event_triggers_off(options) is None:
        try:
            connection = psycopg2.connect(conninfo(options, application_name, (EVENT_TRIGGERS_OFF,)))
        except psycopg2.Error as error:
            if not _REFUSES_SETTING.search(str(error)):
                raise
            _event_triggers_off[_who(options)] = False
        else:
            _event_triggers_off[_who(options)] = True
            return connection
    settings = (EVENT_TRIGGERS_OFF,) if event_triggers_off(options) else ()
    return psycopg2.connect(conninfo(options, application_name, settings))


def event_triggers_off(options: ConnectionOptions) -> bool | None:
    """Whether sessions like this one begin with :data:`EVENT_TRIGGERS_OFF`; None while none was opened."""
    return _event_triggers_off.get(_who(options))


def _who(options: ConnectionOptions) -> tuple[str, int, str]:
    return options.host, options.port, options.user


def conninfo(options: ConnectionOptions, application_name: str = APPLICATION_NAME, settings: Sequence[str] = ()) -> str:
    """libpq's connection string; the password is in it.

    :param settings: of the session from its beginning, ``name=value``.
    """
    from psycopg2.extensions import make_dsn

    arguments = {
        "connect_timeout": str(CONNECT_TIMEOUT),
        "application_name": application_name,
        **_NETWORK,
        **options.parameters(),
        "client_encoding": "UTF8",
    }
    if settings:
        given = arguments.get("options") or os.environ.get("PGOPTIONS", "")
        arguments["options"] = " ".join([given, *(f"-c {setting}" for setting in settings)]).strip()
    if options.password:
        arguments["password"] = options.password
    return make_dsn(**arguments)


def _apply_settings(connection: Connection, lock_timeout: float | None) -> None:
    settings = dict(SESSION)
    if lock_timeout is not None:
        settings["lock_timeout"] = str(max(1, round(lock_timeout * 1000)))
    if connection.server_version >= 140000:
        settings["idle_session_timeout"] = "0"
    if connection.server_version >= 170000:
        settings["transaction_timeout"] = "0"
    # By SQL rather than as startup options, which connection poolers reject.
    calls = ["pg_catalog.set_config(%s, %s, false)"] * len(settings)
    if connection.server_version >= 140000:
        calls.append(_NOTICE_OUR_END)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(calls)}", [text for item in settings.items() for text in item])


def _check_host(host: str) -> None:
    """Refuse what libpq would take for an odd name, and tell whole, with a password in it."""
    hint = "give the name alone, and login_port, login_user, login_password and login_db for the rest"
    if "://" in host or "@" in host[1:]:
        raise ConfigError(STEP, "login_host is a whole address; it is not shown, as a password may be in it", hint=hint)
    if re.fullmatch(r"[^:/\s]+:\d+", host):
        raise ConfigError(STEP, f"login_host is '{host}', which has a port in it", hint=hint)
    if host != host.strip():
        raise ConfigError(STEP, f"login_host is {host!r}, which has spaces around it", hint="take them away")


def _refused(options: ConnectionOptions, message: str) -> PreflightError:
    for secret in (options.password, options.connect_params.get("sslpassword")):
        if secret:
            message = message.replace(str(secret), "***")
    return PreflightError(
        STEP, f"{options.target}: {in_one_line(message)}", hint=connection_hint(message, options.host, options.port)
    )


def _socket_directory(port: int) -> str:
    for directory in _SOCKET_DIRECTORIES:
        if os.path.exists(f"{directory}/.s.PGSQL.{port}"):
            return directory
    return ""


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
