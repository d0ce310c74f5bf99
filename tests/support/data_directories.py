"""Data directories of new servers: initdb works once in a run for each version and superuser, and is then copied."""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import workspace
from .programs import LabError, identity
from .scram import verifier


def new_data_directory(
    target: Path, *, major: int, bin_dir: Path, user: pwd.struct_passwd | None, superuser: str, password: str
) -> None:
    """Make *target*, as initdb would: with a system identifier and a password of its own.

    :param bin_dir: the server's programs, which run as *user*; the directory above *target* is that user's.
    """
    _run(["cp", "-a", "--reflink=auto", _template(major, bin_dir, user, superuser), target], user)
    # The identifier comes first in the file: src/include/catalog/pg_control.h. pg_resetwal complains of the checksum,
    # keeps what it finds, and writes both that and a log that goes with it anew.
    with (target / "global" / "pg_control").open("r+b") as file:
        file.write((secrets.randbits(62) + 1).to_bytes(8, "little"))
    _run([bin_dir / "pg_resetwal", "--force", "-D", target], user)
    statement = f"ALTER ROLE {superuser} PASSWORD '{verifier(password)}'\n"
    _run([bin_dir / "postgres", "--single", "-F", "-D", target, "postgres"], user, statement)


def _template(major: int, bin_dir: Path, user: pwd.struct_passwd | None, superuser: str) -> Path:
    """What initdb of that version has made for this run."""
    place = workspace.root() / f"initdb-{major}-{superuser}"
    with workspace.exclusive(place.name):
        if not (place / "data").exists():
            place.mkdir(mode=0o711, exist_ok=True)
            if user is not None:
                os.chown(place, user.pw_uid, user.pw_gid)
            options = ["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={superuser}"]
            _run([bin_dir / "initdb", *options, "-D", place / "unfinished"], user)
            (place / "unfinished").rename(place / "data")
    return place / "data"


def _run(argv: Sequence[str | Path], user: pwd.struct_passwd | None, statement: str | None = None) -> None:
    result = subprocess.run(
        argv, input=statement, capture_output=True, text=True, check=False, cwd="/", **identity(user)
    )
    if result.returncode != 0 or "ERROR:" in result.stderr:
        raise LabError(f"{Path(argv[0]).name} failed: {result.stderr}")
