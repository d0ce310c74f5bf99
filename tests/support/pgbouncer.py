"""A connection pooler in front of a server, as managed services put one there."""

from __future__ import annotations

import signal
from pathlib import Path

from .own_server import OwnServer
from .postgres import PostgresServer
from .programs import Program, free_port, require_tool, unprivileged_user


class PgBouncer(OwnServer):
    """PgBouncer before *server*, for its superuser.

    :param pool_mode: ``transaction``, where a session's state does not last, or ``session``.
    """

    host = "127.0.0.1"

    def __init__(self, server: PostgresServer, *, pool_mode: str = "transaction") -> None:
        super().__init__("pgbouncer")
        self.server = server
        self.port = 0
        self._pool_mode = pool_mode

    def start(self) -> PgBouncer:
        """Start the pooler; returns when it takes connections."""
        self.port = free_port()
        argv: list[str | Path] = [require_tool("pgbouncer"), self._configure()]
        user = unprivileged_user()
        if user is not None:
            # It changes its user itself, after its libraries are read from where that user may not look.
            argv[1:1] = ["-u", user.pw_name]
        program = Program(argv, log=self.log, stop_signal=signal.SIGTERM)
        program.wait_for_output("process up")
        self._program = program
        return self

    def login(self, database: str = "postgres") -> dict[str, object]:
        """The connection options of the collection's modules."""
        return {**self.server.login(database), "login_port": self.port}

    def _configure(self) -> Path:
        users = self.directory / "users.txt"
        users.touch(mode=0o644)
        users.write_text(f'"{self.server.superuser}" "{self.server.password}"\n')
        config = self.directory / "pgbouncer.ini"
        config.write_text(
            "[databases]\n"
            f"* = host={self.server.host} port={self.server.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = {self.host}\n"
            f"listen_port = {self.port}\n"
            "unix_socket_dir =\n"
            "auth_type = scram-sha-256\n"
            f"auth_file = {users}\n"
            f"pool_mode = {self._pool_mode}\n"
            "ignore_startup_parameters = extra_float_digits,options\n"
        )
        return config
