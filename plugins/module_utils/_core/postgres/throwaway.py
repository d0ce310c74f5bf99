"""A PostgreSQL server of our own: on a Unix socket in a private directory, gone when nobody needs it any more.

A backup's own code runs in it, as its superuser. So it is a :class:`TransientUser`'s, who owns no more than

    mobul-drill-<random>/   root's; that user, and nobody else, may pass through
        data/               the user's: what is restored lies here in plain as long as the server runs
        socket/             root's as soon as the server listens, so that root always talks to it and nobody else

and root opens nothing by its name in ``data``. When a run is killed, its server ends with it; the next run removes what
was left.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import pwd
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import PurePath
from typing import IO

from ..errors import BackupError, ConfigError, PreflightError
from ..stream.process import read_tail
from .connection import ConnectionOptions, connect
from .programs import Program, find_program
from .transient_user import NUMBERS, TransientUser, check_possible, remove

STEP = "start a throwaway server"
_PREFIX = "mobul-drill-"
_SUPERUSER = "postgres"
_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_START_SECONDS = 60
_MAX_SOCKET_PATH = 107
_PASSED = stat.S_IRWXU | stat.S_IXGRP
_SHARED = stat.S_IRWXU | stat.S_IRWXG
_SETTINGS = (
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
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
    :param run_as: whom ``initdb`` runs as, see :func:`check_host`.
    """

    def __init__(
        self,
        version_num: int,
        *,
        pg_bin_dir: str | None = None,
        directory: str | None = None,
        run_as: str | None = None,
    ) -> None:
        check_host(directory, run_as)
        self._initdb = find_program("initdb", version_num, pg_bin_dir)
        self._postgres = find_program("postgres", version_num, os.path.dirname(self._initdb.path))
        self._parent = _real(directory)
        self._maker = _maker(run_as)
        self._password = secrets.token_urlsafe(18)
        self._home = ""
        self._stack = contextlib.ExitStack()

    @property
    def options(self) -> ConnectionOptions:
        """Connection options of its superuser."""
        return ConnectionOptions(
            login_port=_PORT,
            login_user=_SUPERUSER,
            login_password=self._password,
            login_db="postgres",
            login_unix_socket=f"{self._home}/socket",
        )

    def __enter__(self) -> ThrowawayServer:
        """Create the data directory and start the server.

        :raises PreflightError: it does not start; with its own words.
        """
        reap(self._parent)
        with contextlib.ExitStack() as stack:
            self._home = stack.enter_context(_new_home(self._parent))
            if len(f"{self._home}/socket/{_SOCKET}") > _MAX_SOCKET_PATH:
                raise ConfigError(STEP, f"{self._parent} is too long for a socket", hint="name another throwaway_dir")
            user = stack.enter_context(TransientUser.choose(self._parent))
            # From here on its group tells whose processes are to be ended, whatever becomes of this run.
            os.chown(self._home, 0, user.number)
            os.chmod(self._home, _PASSED)
            self._initialise(user)
            self._start(user)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop the server and its processes, and remove all of its files.

        :raises BackupError: something could not be ended.
        """
        self._stack.close()

    def _initialise(self, user: TransientUser) -> None:
        """Make its files, as a user whom the system has a name for, which ``initdb`` insists on, in our user's group.

        Others of that name are not in that group, so that they can neither enter the directory nor trace the program.
        """
        data = f"{self._home}/data"
        os.mkdir(data, 0o700)
        os.chown(data, self._maker.pw_uid, user.number)
        argv = [
            self._initdb.path,
            f"--pgdata={data}",
            f"--username={_SUPERUSER}",
            "--pwfile=/dev/stdin",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        reading, writing = os.pipe()
        os.write(writing, self._password.encode())
        os.close(writing)
        with open(reading, "rb") as password, tempfile.TemporaryFile(dir=self._home) as output:
            os.fchown(reading, self._maker.pw_uid, user.number)
            status = user.start(argv, output=output, stdin=password.fileno(), uid=self._maker.pw_uid).wait()
            if status != 0:
                raise _failed(self._initdb, output)
        _give(data, user.number)

    def _start(self, user: TransientUser) -> None:
        settings = [word for name, value in _SETTINGS for word in ("-c", f"{name}={value}")]
        place = f"{self._home}/socket"
        argv = [self._postgres.path, "-D", f"{self._home}/data", "-k", place, "-p", str(_PORT), *settings]
        os.mkdir(place, 0o700)
        os.chown(place, 0, user.number)
        os.chmod(place, _SHARED)
        # Without a name, and not elsewhere: a server tells of the rows that it refuses.
        with tempfile.TemporaryFile(dir=self._home) as log:
            process = user.start(argv, output=log)
            deadline = time.monotonic() + _START_SECONDS
            while not self._answers(place):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise _failed(self._postgres, log)
                time.sleep(0.05)

    def _answers(self, place: str) -> bool:
        try:
            found = os.lstat(f"{place}/{_SOCKET}")
        except OSError:
            return False
        if not stat.S_ISSOCK(found.st_mode):
            return False
        # No code but the server's own has run until now; what the backup's code would do comes too late.
        os.chmod(place, _PASSED)
        with contextlib.suppress(BackupError):
            connect(self.options).close()
            return True
        return False


def check_host(directory: str | None = None, run_as: str | None = None) -> None:
    """Whether throwaway servers can be started safely here, before anything else is touched.

    :param directory: where it would be made; None for the system's temporary directory.
    :param run_as: a user of the system, in whose name ``initdb`` makes the server's files, before anything of a backup
        is there; None for ``nobody`` or ``postgres``.
    :raises BackupError: they cannot; with what to do instead.
    """
    check_possible()
    _maker(run_as)
    _check_parent(_real(directory))


def reap(parent: str) -> list[str]:
    """End and remove the servers below *parent* whose runs were killed; the names of their directories."""
    reaped = []
    for home in glob.glob(os.path.join(glob.escape(parent), f"{_PREFIX}*")):
        with contextlib.suppress(OSError):
            # What a run has just made is not even looked into: it is about to be locked.
            if not _is_ours(os.lstat(home)):
                continue
            with _locked(home) as status:
                if not _is_ours(status):
                    continue
                user = TransientUser.again(status.st_gid, parent)
                if user is not None:
                    user.close()
                remove([home])
            reaped.append(os.path.basename(home))
    return reaped


def _is_ours(status: os.stat_result) -> bool:
    """Anybody may make something of such a name; only root gives what is root's to a transient user's group."""
    return status.st_uid == os.geteuid() and status.st_gid in NUMBERS


@contextlib.contextmanager
def _new_home(parent: str) -> Iterator[str]:
    """A directory that is held as long as this lasts, and removed then."""
    try:
        home = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    except OSError as error:
        raise PreflightError(STEP, f"{parent}: {error.strerror}", hint="name another throwaway_dir") from None
    with _locked(home):
        try:
            yield home
        finally:
            remove([home])
    if os.path.lexists(home):
        raise BackupError(STEP, f"{home} with what was restored cannot be removed", hint="remove it")


@contextlib.contextmanager
def _locked(home: str) -> Iterator[os.stat_result]:
    """Hold a directory, and tell what it is; raises OSError if it is no directory, or while somebody else holds it."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _give(folder: str, number: int) -> None:
    for _path, folders, files, descriptor in os.fwalk(folder):
        for name in (*folders, *files):
            os.chown(name, number, number, dir_fd=descriptor, follow_symlinks=False)
    os.chown(folder, number, number)


def _real(directory: str | None) -> str:
    return os.path.realpath(directory or tempfile.gettempdir())


def _check_parent(parent: str) -> None:
    """Nobody may exchange the directory below us, and the server must reach it."""
    for place in (parent, *map(str, PurePath(parent).parents)):
        try:
            status = os.stat(place)
        except OSError as error:
            raise PreflightError(STEP, f"{place}: {error.strerror}", hint="name another throwaway_dir") from None
        if not stat.S_ISDIR(status.st_mode):
            raise PreflightError(STEP, f"{place} is no directory", hint="name another throwaway_dir")
        writable = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0)
        if status.st_uid != 0 or (writable and not status.st_mode & stat.S_ISVTX):
            raise PreflightError(
                STEP, f"others than root could exchange what is in {place}", hint="name another throwaway_dir"
            )
        if not status.st_mode & stat.S_IXOTH:
            raise PreflightError(
                STEP,
                f"the server's user cannot pass through {place}",
                hint=f"chmod o+x {place}, or name another throwaway_dir",
            )


def _failed(program: Program, output: IO[bytes]) -> PreflightError:
    lines = [line.strip() for line in read_tail(output).splitlines() if line.strip()]
    return PreflightError(STEP, f"{program.path} ({program.version_text}) failed: {'; '.join(lines[-3:])}")


def _maker(run_as: str | None) -> pwd.struct_passwd:
    for name in (run_as,) if run_as else ("nobody", "postgres"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            if user.pw_uid != 0:
                return user
    raise ConfigError(
        STEP,
        f"there is no user {run_as or 'nobody'!r} to run initdb as, which refuses to run as root",
        hint="make such a user, or name another as run_as",
    )
