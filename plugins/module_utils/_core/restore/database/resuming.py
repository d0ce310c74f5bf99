"""``state: resumed``: what a restore has paused in a database acts again."""

from __future__ import annotations

import contextlib

from ...errors import PreflightError
from ...postgres.activity import activity_reported
from ...postgres.connection import ConnectionOptions, connect
from ..outbound.resuming import Resumed, resume
from .rights import check_owned
from .target import STEP, Target, elsewhere


def resume_paused(options: ConnectionOptions, target: Target, *, check_mode: bool) -> Resumed:
    """Start what the database remembers as paused; the restore's lock is held.

    :raises PreflightError: there is no such database, or it is another's.
    """
    if target.database is None:
        raise PreflightError(STEP, f"there is no database {target.name!r}", hint="check login_db")
    check_owned(target.database, target)
    there = elsewhere(options, target.name)
    with contextlib.closing(connect(there)) as connection, activity_reported(there):
        return resume(connection, target.database.comment, check_mode=check_mode)
