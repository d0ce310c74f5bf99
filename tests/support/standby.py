"""A hot standby of a throw-away server, made from it and following it."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Mapping

from .postgres import PostgresServer
from .programs import LabError, identity, wait_until


class StandbyServer(PostgresServer):
    """Like its primary, and read only.

    :param primary: it must be running, and go on as long as this one does.
    """

    def __init__(self, primary: PostgresServer, *, settings: Mapping[str, str] | None = None) -> None:
        self._primary = primary
        super().__init__(primary.major, settings=settings, password=primary.password)

    def catch_up(self) -> None:
        """Return when it has all that the primary has by now."""
        # Also writes what is to follow the head of a page: nobody can replay up to there before something does.
        self._primary.query("postgres", "CHECKPOINT")
        ((position,),) = self._primary.query("postgres", "SELECT pg_current_wal_flush_lsn()::text")
        wait_until(functools.partial(self._has_replayed, position), what="the standby")

    def _has_replayed(self, position: str) -> bool:
        return self.query("postgres", "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position]) == [(True,)]

    def _initialise(self, tls: bool) -> None:
        self._hand_over()
        argv = [
            self._server_bin_dir / "pg_basebackup",
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D", self.data_dir),
            *("-h", self._primary.host, "-p", str(self._primary.port), "-U", self._primary.superuser),
        ]
        as_user = identity(self._user)
        as_user["env"] = {**as_user.get("env", {}), "PGPASSWORD": self.password}
        result = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", **as_user)
        if result.returncode != 0:
            raise LabError(f"pg_basebackup of PostgreSQL {self.major} failed: {result.stderr}")
        settings = {"unix_socket_directories": str(self.socket_dir), "hot_standby": "on", **self._settings}
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self._hand_over()
