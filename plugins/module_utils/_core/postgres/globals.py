"""Roles, memberships and settings of the whole server, from pg_dumpall."""

from __future__ import annotations

from collections.abc import Mapping

from ..stream.process import ProcessSource
from .programs import Program

STEP = "dump the roles and settings"


def globals_argv(program: Program, database: str, *, with_passwords: bool) -> list[str]:
    """The command line; the server and the role are in the environment.

    Tablespaces are included: whether another server has their directories is for whoever restores to decide.

    :param program: pg_dumpall, with the pg_dump of its version beside it.
    :param database: where to connect; some servers have neither of the databases that pg_dumpall tries.
    :param with_passwords: whether the role may read them (``pg_authid``); managed servers let nobody.
    """
    argv = [program.path, "--globals-only", "--no-password", f"--database={conninfo_safe(database)}"]
    return argv if with_passwords else [*argv, "--no-role-passwords"]


def globals_source(
    program: Program, environment: Mapping[str, str], database: str, *, with_passwords: bool
) -> ProcessSource:
    """The SQL script as the source of a pipeline.

    :param environment: from :func:`environment.child_environment_for`.
    """
    argv = globals_argv(program, database, with_passwords=with_passwords)
    return ProcessSource(argv, environment=environment, step=STEP)


def conninfo_safe(database: str) -> str:
    """The name in a form that is not taken for a connection string, which it may look like."""
    if "=" not in database and not database.startswith(("postgresql://", "postgres://")):
        return database
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"
