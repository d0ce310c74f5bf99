"""A PostgreSQL server of our own: on a Unix socket in a private directory, gone when nobody needs it any more.

What is restored into it lies on this host's disk as plain data for as long as it runs, in a directory that only its
own user and root can enter. A run that was killed leaves it behind; the next one ends and removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from typing import IO, Any

from ..errors import BackupError, ConfigError, PreflightError
from ..stream.process import child_environment
from .connection import ConnectionOptions, connect
from .programs import Program, find_program

STEP = "start a throwaway server"
_PREFIX = "mobul-drill-"
_SUPERUSER = "postgres"
_PORT = 5432
_START_SECONDS = 60
_STOP_SECONDS = 30
_MAX_SOCKET_PATH = 107
_TELL_BYTES = 2000
_SETTINGS = (
    ("listen_addresses", ""),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "4GB"),
    ("shared_buffers", "256MB"),
    ("autovacuum", "off"),
    ("timezone", "UTC"),
)
"""It need not survive a crash, and no one but the drill talks to it."""


class ThrowawayServer:
    """One server, as a context manager; :attr:`options` lead to it while it runs.

    :param version_num: ``170010``: it is of that major version or the lowest above that is installed.
    :param pg_bin_dir: where ``initdb`` and ``postgres`` are; None looks where they use to be.
    :param directory: where its own directory is made; None for the system's temporary directory.
    :param run_as: the user that it runs as where we are root, whom PostgreSQL refuses.
    """

    def __init__(
        self,
        version_num: int,
        *,
        pg_bin_dir: str | None = None,
        directory: str | None = None,
        run_as: str | None = None,
    ) -> None:
        self._initdb = find_program("initdb", version_num, pg_bin_dir)
        self._postgres = find_program("postgres", version_num, os.path.dirname(self._initdb.path))
        self._parent = directory or tempfile.gettempdir()
        self._user = _user(run_as)
        self._password = secrets.token_urlsafe(18)
        self._home = ""
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def options(self) -> ConnectionOptions:
        """The way to it, as its superuser."""
        return ConnectionOptions(
            login_port=_PORT,
            login_user=_SUPERUSER,
            login_password=self._password,
            login_db="postgres",
            login_unix_socket=self._home,
        )

    def __enter__(self) -> ThrowawayServer:
        """Make and start it.

        :raises PreflightError: it does not start; with its own words.
        """
        reap(self._parent)
        try:
            self._make_home()
            self._initialise()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        """End it and remove everything."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = ""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make_home(self) -> None:
        try:
            self._home = tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent)
            self._lock = _take_lock(self._home)
            if self._user is not None:
                os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        except OSError as error:
            raise PreflightError(STEP, f"{self._parent}: {error.strerror}", hint="name another throwaway_dir") from None
        if len(f"{self._home}/.s.PGSQL.{_PORT}") > _MAX_SOCKET_PATH:
            raise ConfigError(STEP, f"{self._parent} is too long for a socket", hint="name another throwaway_dir")

    def _initialise(self) -> None:
        password_file = os.path.join(self._home, "password")
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._password)
        if self._user is not None:
            os.chown(password_file, self._user.pw_uid, self._user.pw_gid)
        argv = [
            self._initdb.path,
            f"--pgdata={self._home}/data",
            f"--username={_SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        done = self._run(argv)
        os.unlink(password_file)
        if done.returncode != 0:
            raise self._failed(self._initdb, done.stdout.decode("utf-8", "replace"))

    def _start(self) -> None:
        settings = [word for name, value in _SETTINGS for word in ("-c", f"{name}={value}")]
        argv = [self._postgres.path, "-D", f"{self._home}/data", "-k", self._home, "-p", str(_PORT), *settings]
        with open(os.path.join(self._home, "server.log"), "wb") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **self._identity()
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self._home, "server.log"), encoding="utf-8", errors="replace") as told:
                    raise self._failed(self._postgres, told.read())
            time.sleep(0.05)

    def _answers(self) -> bool:
        if not os.path.exists(f"{self._home}/.s.PGSQL.{_PORT}"):
            return False
        with contextlib.suppress(BackupError):
            connect(self.options).close()
            return True
        return False

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                **self._identity(),
            )
        except OSError as error:
            raise PreflightError(
                STEP,
                f"cannot start {argv[0]}: {error.strerror}",
                hint=f"it must be reachable for {self._user.pw_name if self._user else 'this user'}",
            ) from None

    def _identity(self) -> dict[str, Any]:
        """As whom, where and with which environment its programs run."""
        found: dict[str, Any] = {"cwd": self._home, "env": child_environment({"LC_ALL": "C"})}
        if self._user is not None:
            found |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return found

    def _failed(self, program: Program, output: str) -> PreflightError:
        lines = [line.strip() for line in output[-_TELL_BYTES:].splitlines() if line.strip()]
        return PreflightError(STEP, f"{program.path} ({program.version_text}) failed: {'; '.join(lines[-3:])}")


def reap(parent: str) -> list[str]:
    """End and remove the servers below *parent* whose runs were killed; the names of their directories."""
    reaped = []
    for home in glob.glob(os.path.join(glob.escape(parent), f"{_PREFIX}*")):
        # The file of its lock shows whose it is: anybody may make a directory of such a name.
        with contextlib.suppress(OSError), _take_lock(home, create=False) as lock:
            if os.path.islink(home) or os.fstat(lock.fileno()).st_uid != os.geteuid():
                continue
            _end_left(os.path.join(home, "data"))
            shutil.rmtree(home)
            reaped.append(os.path.basename(home))
    return reaped


def _take_lock(home: str, *, create: bool = True) -> IO[str]:
    """A lock that lasts as long as the file is open; raises OSError while another process holds it."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
    file = os.fdopen(os.open(os.path.join(home, "lock"), flags, 0o600), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def _end_left(data: str) -> None:
    """End a server that nobody owns any more, if the process that its directory names is that server."""
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="ascii") as file:
            pid = int(file.readline())
        if os.path.islink(data) or os.readlink(f"/proc/{pid}/cwd") != os.path.realpath(data):
            return
        os.kill(pid, signal.SIGQUIT)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _user(run_as: str | None) -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        if run_as is not None and pwd.getpwuid(os.geteuid()).pw_name != run_as:
            raise ConfigError(STEP, f"only root can start a server as {run_as!r}", hint="leave run_as out")
        return None
    for name in (run_as,) if run_as else ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            if user.pw_uid != 0:
                return user
    raise ConfigError(
        STEP,
        f"there is no user {run_as or 'postgres'!r} to run it as, and PostgreSQL refuses to run as root",
        hint="make such a user, or name another as run_as",
    )
