"""Throw-away PostgreSQL servers of every major version that can be had here."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import workspace
from .certificates import Certificates, make_certificates
from .data_directories import new_data_directory
from .installations import accessible, installations
from .postgres_client import PostgresClient
from .processes import children, is_running
from .programs import PATIENCE, LabError, Program, free_port, unprivileged_user, wait_until

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # It would look after databases that are gone a second later.
    "autovacuum": "off",
    # To compile a query costs more than to run it on tables this small.
    "jit": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "4GB",
    "max_prepared_transactions": "2",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
}
_HBA = """\
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""


class PostgresServer(PostgresClient):
    """A real server on 127.0.0.1 and a Unix socket, with passwords (SCRAM) and without durability.

    :param major: which version; see :func:`installations`.
    :param tls: offer TLS with a certificate of an own authority, see :attr:`certificates`; not every build has it.
    :param settings: server parameters beside or instead of the laboratory's.
    :param port: where to listen; any free port if none is given.
    :param password: the superuser's; a fresh one if none is given.
    """

    host = "127.0.0.1"
    superuser = "postgres"

    def __init__(
        self,
        major: int,
        *,
        tls: bool = False,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        password: str | None = None,
    ) -> None:
        if major not in installations():
            raise LabError(f"no PostgreSQL {major} here, only {list(installations())}")
        self.major = major
        self.bin_dir = installations()[major]
        self.password = password or secrets.token_urlsafe(18)
        self.port = port or 0
        self._fixed_port = port is not None
        self.certificates: Certificates | None = None
        self._user = unprivileged_user()
        self._server_bin_dir = self._server_programs()
        self._directory = workspace.new_directory(f"pg{major}")
        self.socket_dir = self._directory
        self.data_dir = self._directory / "data"
        self.log = self._directory / "server.log"
        cheap = {"scram_iterations": "1"} if major >= 16 else {}
        if major >= 18:
            # Its processes that read for others would cost more than they save.
            cheap["io_method"] = "sync"
        self._settings = {**_SETTINGS, **cheap, **(settings or {})}
        self._program: Program | None = None
        self._initialise(tls)

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _server_programs(self) -> Path:
        """The folder of the programs that run as the server's user."""
        return accessible(self.bin_dir, self._user)

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self._running().pid

    def start(self) -> PostgresServer:
        """Start the server, on the same port as before if it ran before; returns when it takes connections."""
        for _attempt in range(5):
            self.port = self.port if self._fixed_port else free_port()
            program = Program(
                [self._server_bin_dir / "postgres", "-D", self.data_dir, "-p", str(self.port)],
                log=self.log,
                user=self._user,
                stop_signal=signal.SIGINT,
                environment={"LC_ALL": "C", "PGTZ": "UTC"},
            )
            wait_until(functools.partial(self._settled, program), what=f"PostgreSQL {self.major}")
            if program.running:
                self._program, self._fixed_port = program, True
                return self
            # A port that was taken meanwhile, or children of a killed postmaster that still hold its memory.
            if not re.search("could not bind|still in use", program.output):
                break
            time.sleep(0.2)
        raise LabError(f"PostgreSQL {self.major} does not start: {program.output[-2000:]}")

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server: ending its connections in order, or at once and without a checkpoint."""
        if self._program is not None:
            if immediate and self._program.running:
                self._program.process.send_signal(signal.SIGQUIT)
                self._program.process.wait(PATIENCE)
            self._program.stop()
            self._program = None

    @contextlib.contextmanager
    def owned_database(self, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Within the block there is a database of a new *role*, which is nobody special; its name and the login."""
        login = {"login_user": role, "login_password": self.create_role(role)}
        with self.database(owner=role) as name:
            yield name, login

    def wait_until_blocked(self, session: Any) -> None:
        """Return when what *session* has sent waits for a lock."""
        waiting = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"
        name, pid = session.info.dbname, session.info.backend_pid
        wait_until(lambda: self.query(name, waiting, [pid]) == [(1,)], what="the lock to be waited for")

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start on the same port."""
        self.stop(immediate=immediate)
        self.start()

    def kill(self) -> None:
        """SIGKILL the postmaster and its children, as a crash of the machine does.

        Left alone the children would notice, but might first carry out what was sent to them.
        """
        program = self._running()
        backends = children(program.pid)
        program.kill()
        for pid in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, backends)), what=f"PostgreSQL {self.major} to be gone")
        self._program = None

    def close(self) -> None:
        """Stop at once and remove everything."""
        self.stop(immediate=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _running(self) -> Program:
        if self._program is None:
            raise LabError(f"PostgreSQL {self.major} is not running")
        return self._program

    def _settled(self, program: Program) -> bool:
        if not program.running:
            return True
        # The postmaster keeps its state in the last line of this file: src/include/utils/pidfile.h.
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and int(lines[0]) == program.pid and lines[7].strip() == "ready"

    def _initialise(self, tls: bool) -> None:
        self._hand_over()
        new_data_directory(
            self.data_dir,
            major=self.major,
            bin_dir=self._server_bin_dir,
            user=self._user,
            superuser=self.superuser,
            password=self.password,
        )
        if tls:
            self.certificates = make_certificates(self._directory)
            self._settings |= {
                "ssl": "on",
                "ssl_cert_file": str(self.certificates.certificate),
                "ssl_key_file": str(self.certificates.key),
            }
        settings = {
            "listen_addresses": self.host,
            "unix_socket_directories": str(self.socket_dir),
            **self._settings,
        }
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (self.data_dir / "pg_hba.conf").write_text(_HBA)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._user is not None:
            for path in [self._directory, *self._directory.iterdir()]:
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
