"""A connection pooler in front of a server, as managed services put one there."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from . import workspace
from .postgres import PostgresServer
from .programs import Program, free_port, require_tool, unprivileged_user


class PgBouncer:
    """PgBouncer before *server*, for its superuser.

    :param pool_mode: ``transaction``, where a session's state does not last, or ``session``.
    """

    host = "127.0.0.1"

    def __init__(self, server: PostgresServer, *, pool_mode: str = "transaction") -> None:
        self.server = server
        self.port = 0
        self._pool_mode = pool_mode
        self._directory = workspace.new_directory("pgbouncer")
        self._program: Program | None = None

    def __enter__(self) -> PgBouncer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> PgBouncer:
        """Start the pooler; returns when it takes connections."""
        self.port = free_port()
        argv: list[str | Path] = [require_tool("pgbouncer"), self._configure()]
        user = unprivileged_user()
        if user is not None:
            # It changes its user itself, after its libraries are read from where that user may not look.
            argv[1:1] = ["-u", user.pw_name]
        program = Program(argv, log=self._directory / "pgbouncer.log", stop_signal=signal.SIGTERM)
        program.wait_for_output("process up")
        self._program = program
        return self

    def close(self) -> None:
        """End the pooler and remove its files."""
        if self._program is not None:
            self._program.stop()
            self._program = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def login(self, database: str = "postgres") -> dict[str, object]:
        """The connection options of the collection's modules."""
        return {**self.server.login(database), "login_port": self.port}

    def _configure(self) -> Path:
        users = self._directory / "users.txt"
        users.touch(mode=0o644)
        users.write_text(f'"{self.server.superuser}" "{self.server.password}"\n')
        config = self._directory / "pgbouncer.ini"
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
