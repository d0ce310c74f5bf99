"""GnuPG home directories: the user's own, or a private one that disappears with its agent."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ConfigError, CryptoError, PreflightError
from ...stream.process import child_environment, describe_end

STEP = "run gpg"
_TIMEOUT_SECONDS = 120
_MAX_PASSPHRASE_BYTES = 4096
_MAX_STATUS_BYTES = 16 * 1024 * 1024
_MEMORY_DIRECTORY = "/dev/shm"  # noqa: S108 - only ever used through mkdtemp
S2K_COUNT = 65011712
"""Work that a passphrase costs: the most that OpenPGP's iterated S2K can express (RFC 9580, section 3.7.1.3)."""

_STATUS_MARK = "[GNUPG:] "


@dataclass(frozen=True)
class GpgResult:
    """The exit status, output and status lines of one run of gpg.

    :param status: the lines that gpg wrote for programs, without their mark.
    """

    code: int
    output: bytes
    status: tuple[str, ...]
    messages: str


class GpgHome:
    """A home directory in which gpg is run.

    :param path: an existing directory; None for the one that gpg takes by itself.
    """

    def __init__(self, path: str | None = None) -> None:
        if path is not None and not os.path.isdir(path):
            raise ConfigError("check the keys", f"the GnuPG home {path} is not a directory")
        self._program = find_gpg()
        self._path = path
        self._private = False
        self._finalizer: weakref.finalize[..., GpgHome] | None = None

    @classmethod
    def private(cls) -> GpgHome:
        """A fresh one, 0700 and in memory where the system has such a place; removed by :meth:`close`."""
        in_memory = os.path.isdir(_MEMORY_DIRECTORY) and os.access(_MEMORY_DIRECTORY, os.W_OK | os.X_OK)
        find_gpg()
        path = tempfile.mkdtemp(prefix="mobul-gpg-", dir=_MEMORY_DIRECTORY if in_memory else None)
        # Otherwise the agent first measures for a second or more how much work the machine can do.
        with open(os.path.join(path, "gpg-agent.conf"), "w", encoding="ascii") as file:
            file.write(f"s2k-count {S2K_COUNT}\n")
        home = cls(path)
        home._private = True
        # A home that nobody closed still goes when the object or the interpreter does.
        home._finalizer = weakref.finalize(home, _remove, path)
        return home

    def __str__(self) -> str:
        if self._private:
            return "the keys given"
        return self._path or os.environ.get("GNUPGHOME") or "the user's GnuPG home"

    def argv(self, *arguments: str, agent: bool = True) -> list[str]:
        """A command line of gpg: never asks anybody, and takes nothing from a configuration file.

        :param agent: whether gpg may start its agent; only work with secret keys needs one.
        """
        argv = [self._program, "--batch", "--no-tty", "--no-options", "--no-permission-warning"]
        if self._path is not None:
            argv += ["--homedir", self._path]
        if self._private and not agent:
            argv.append("--no-autostart")
        return [*argv, *arguments]

    def environment(self) -> dict[str, str]:
        """The environment of gpg; English messages, and the user's choice of home."""
        extra = {"LC_ALL": "C"}
        if self._path is None and "GNUPGHOME" in os.environ:
            extra["GNUPGHOME"] = os.environ["GNUPGHOME"]
        return child_environment(extra)

    def run(self, *arguments: str, stdin: bytes = b"", agent: bool = True) -> GpgResult:
        """Run gpg to its end, for small inputs and outputs."""
        with tempfile.TemporaryFile() as status:
            number = status.fileno()
            argv = self.argv("--status-fd", str(number), *arguments, agent=agent)
            try:
                done = subprocess.run(
                    argv,
                    input=stdin,
                    capture_output=True,
                    env=self.environment(),
                    pass_fds=[number],
                    timeout=_TIMEOUT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise PreflightError(STEP, f"gpg did not end within {_TIMEOUT_SECONDS} seconds") from None
            messages = done.stderr.decode("utf-8", "replace").strip()
            return GpgResult(done.returncode, done.stdout, read_status(status.fileno()), messages)

    def close(self) -> None:
        """End the agent of a private home and remove the home; nothing happens to a user's own."""
        if self._finalizer is not None:
            self._finalizer()


def find_gpg() -> str:
    """The path of gpg; raise :class:`PreflightError` when there is none."""
    program = shutil.which("gpg") or shutil.which("gpg2")
    if program is None:
        raise PreflightError(STEP, "the program gpg is not installed on this host", hint="install the package gnupg")
    return program


def read_status(descriptor: int) -> tuple[str, ...]:
    """The status lines in an open file, from its start (GnuPG's doc/DETAILS, "Format of the --status-fd output")."""
    # pread, because the child shares the file's position.
    size = os.fstat(descriptor).st_size
    if size > _MAX_STATUS_BYTES:
        raise CryptoError(STEP, "gpg reports more about the file than it does of any backup")
    data = os.pread(descriptor, size, 0)
    lines = data.decode("utf-8", "replace").splitlines()
    return tuple(line.removeprefix(_STATUS_MARK) for line in lines if line.startswith(_STATUS_MARK))


def passphrase_pipe(passphrase: str) -> int:
    """The reading end of a pipe that holds *passphrase* and a newline; the caller closes it."""
    data = passphrase.encode()
    if b"\n" in data or len(data) > _MAX_PASSPHRASE_BYTES:
        raise ConfigError("check the keys", "the passphrase has several lines or is longer than 4096 bytes")
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(data + b"\n")
    return reader


def explain_failure(result: GpgResult) -> str:
    """The exit status of gpg and the last line of its messages."""
    return describe_end("gpg", result.code, result.messages)


def _remove(path: str) -> None:
    if _has_sockets(path):
        # The agent was started by gpg on our behalf and would outlive the directory for a while.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            argv: Sequence[str] = ["gpgconf", "--homedir", path, "--kill", "all"]
            subprocess.run(argv, capture_output=True, env=child_environment(), timeout=_TIMEOUT_SECONDS, check=False)
            argv = ["gpgconf", "--homedir", path, "--remove-socketdir"]
            subprocess.run(argv, capture_output=True, env=child_environment(), timeout=_TIMEOUT_SECONDS, check=False)
    shutil.rmtree(path, ignore_errors=True)


def _has_sockets(path: str) -> bool:
    # Where /run/user exists the sockets are not in the home; the folder of secret keys tells of an agent, too.
    try:
        names = os.listdir(path)
    except OSError:
        return False
    return any(name.startswith("S.") or name == "private-keys-v1.d" for name in names)
