"""Who runs a procedure, and from where."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping

from ..texts import visible
from .document import Custody

# AWX gives its jobs these as variables; the others are environment variables of the pipelines.
_JOBS = ("awx_job_id", "tower_job_id", "GITHUB_RUN_ID", "CI_JOB_ID", "BUILD_TAG")
_PEOPLE = ("awx_user_name", "tower_user_name", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID", "SUDO_USER")


def custody(known: Mapping[str, object]) -> Custody:
    """Who runs the procedure, from the environment's variables.

    :param known: variables of the job and of the environment, by name.
    """
    return Custody(user=_user(), host=socket.gethostname(), job=_first(_JOBS, known), by=_first(_PEOPLE, known))


def names() -> tuple[str, ...]:
    """The names of the environment variables that :func:`custody` reads."""
    return (*_JOBS, *_PEOPLE)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # An execution environment may run under any number.
        return f"uid {os.getuid()}"


def _first(wanted: tuple[str, ...], known: Mapping[str, object]) -> str | None:
    found = (str(known[name]) for name in wanted if known.get(name) not in (None, ""))
    return next((visible(text.replace("\0", "")) for text in found), None)
