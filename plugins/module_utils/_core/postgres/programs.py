"""PostgreSQL's client programs on this host: where they are, how new, and what they can compress."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache

from ..errors import PreflightError
from ..stream.process import child_environment

STEP = "find the PostgreSQL programs"

_VERSIONED_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/Library/PostgreSQL/*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+(?:\.\d+)*)")
_DEBIAN_WRAPPER = "pg_wrapper"
_TIMEOUT = 30
_METHODS_SINCE = 16


@dataclass(frozen=True)
class Program:
    """One client program: path and version.

    :param version: ``(17, 10)``; a beta is ``(19,)``.
    """

    name: str
    path: str
    version: tuple[int, ...]

    @property
    def major(self) -> int:
        """The program's major version, such as 17."""
        return self.version[0]

    @property
    def version_text(self) -> str:
        """The version as people write it: ``17.10``."""
        return ".".join(map(str, self.version))

    @property
    def zstd(self) -> bool:
        """Whether this pg_dump compresses with zstd by itself."""
        return supports_compression(self, "zstd")


def find_program(name: str, server_version_num: int, pg_bin_dir: str | None = None) -> Program:
    """The program that fits a server: of its major version or the lowest above, in its newest minor version.

    A newer pg_dump than needed would make an archive that the server's own pg_restore cannot read.

    :param name: for example ``pg_dump``.
    :param server_version_num: for example ``170010``.
    :param pg_bin_dir: look nowhere else.
    :raises PreflightError: there is none; says which there are and what to install.
    """
    major = server_version_num // 10000
    found = _in_folder(name, pg_bin_dir) if pg_bin_dir else _everywhere(name)
    fitting = [program for program in found if program.major >= major]
    if not fitting:
        raise _none_fits(name, major, pg_bin_dir, found)
    # Among equals the first wins: the PATH comes before the folders.
    return min(fitting, key=lambda program: (program.major, [-number for number in program.version[1:]]))


@cache
def supports_compression(program: Program, method: str) -> bool:
    """Whether this pg_dump was built with *method* (``zstd``, ``lz4``); found out without a connection."""
    if program.major < _METHODS_SINCE:
        return False
    # It checks the method before it looks for the server, which is not where we send it.
    argv = [program.path, "--format=custom", f"--compress={method}", "--no-password", "--host=/nonexistent"]
    stderr = _run(argv).stderr
    return "compress" not in stderr and "connection to server" in stderr


def _in_folder(name: str, folder: str) -> list[Program]:
    program = _probe(name, os.path.join(folder, name))
    return [program] if program else []


def _everywhere(name: str) -> list[Program]:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for pattern in _VERSIONED_FOLDERS:
        folders += sorted(glob.glob(pattern))
    paths: dict[str, str] = {}
    wrappers: list[str] = []
    for folder in folders:
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK):
            real = os.path.realpath(path)
            if os.path.basename(real) == _DEBIAN_WRAPPER:
                wrappers.append(path)
            else:
                paths.setdefault(real, path)
    # Debian's wrapper starts one of the programs that were found already, and is slow; it is the last resort.
    return [program for path in (list(paths.values()) or wrappers[:1]) if (program := _probe(name, path))]


@cache
def _probe(name: str, path: str) -> Program | None:
    try:
        match = _VERSION.search(_run([path, "--version"]).stdout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Program(name, path, tuple(map(int, match[1].split(".")))) if match else None


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=_TIMEOUT,
        env=child_environment({"LC_ALL": "C"}),
    )


def _none_fits(name: str, major: int, pg_bin_dir: str | None, found: list[Program]) -> PreflightError:
    versions = ", ".join(f"{program.version_text} ({program.path})" for program in found)
    where = f"in {pg_bin_dir}" if pg_bin_dir else "on this host"
    message = f"the server is PostgreSQL {major} and needs a {name} of version {major} or newer; "
    return PreflightError(
        STEP,
        message + (f"{where} is only {versions}" if versions else f"there is none {where}"),
        hint=f"install postgresql-client-{major} (Debian, Ubuntu) or postgresql{major} (Red Hat) from "
        "the PostgreSQL project's repositories, or name the folder of another installation as pg_bin_dir",
    )
