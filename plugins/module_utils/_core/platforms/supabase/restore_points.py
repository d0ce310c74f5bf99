"""The operation behind ``supabase_restore_point``: a moment gets a name, to which the project can be taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...durations import STEP as OPTIONS
from ...durations import parse_duration
from ...errors import BackupError, ConfigError, after_change
from ...progress import doing, stage
from .access import Access
from .backups import AVAILABLE, PATH, RestorePoint, read_backups, read_points
from .client import ApiError, Client
from .project import read_project, require_usable

STEP = "make a restore point"
LONGEST_NAME = 20
"""Characters, by the API's description."""
_PENDING = "PENDING"
_REFUSALS = (400, 402, 403)
"""With which the platform answers where a project cannot have restore points; its words for it are many."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


def check_point_name(name: str, what: str) -> str:
    """*name* as one that the API takes; *what* is the option that it comes from."""
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        hint = f"1 to {LONGEST_NAME} characters that can be seen"
        raise ConfigError(OPTIONS, f"{what} is {name[:60]!r}", hint=hint)
    return name


def run_supabase_restore_point(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Make a restore point as the parameters of ``supabase_restore_point`` say; nothing is done where it is there.

    :return: what the module returns.
    :raises BackupError: it could not be made.
    """
    name = check_point_name(params["name"], "name")
    seconds = parse_duration(params["wait_timeout"], "wait_timeout").total_seconds()
    client = Client(Access.parse(params))
    return make_point(client, name, seconds, check_mode=check_mode, must=params["must_be_offered"])


def make_point(
    client: Client,
    name: str,
    seconds: float,
    *,
    check_mode: bool,
    must: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Make the restore point *name*, and wait until it can be used.

    :param seconds: to wait, at most.
    :param must: whether it is an error that the project cannot have any.
    """
    project = read_project(client)
    require_usable(project)
    if not read_backups(client).pitr_enabled:
        outcome = f"point-in-time recovery is off in project {project}, and restore points need it"
        return _not_offered(outcome, must)
    point = _find(client, name)
    made = point is None
    if point is None and check_mode:
        return {"changed": True, "restore_point": None, "summary": [f"{project}: restore point {name!r} would be made"]}
    if point is None:
        try:
            _order(client, name)
        except ApiError as error:
            if must or error.status not in _REFUSALS:
                raise
            return _not_offered(f"the platform offers no restore point here: {error.message}", must)
    with after_change(made), stage("wait for the platform's restore point"):
        point = _await(client, name, clock() + seconds, clock, sleep) if not check_mode else point
    outcome = "made" if made else "was there"
    return {
        "changed": made,
        "restore_point": None if point is None else point.to_dict(),
        "summary": [f"{project}: restore point {name!r} {outcome}"],
    }


def _not_offered(message: str, must: bool) -> dict[str, Any]:
    if must:
        hint = "it is an add-on of Supabase's dashboard; mobul.backup.backup makes a backup of your own"
        raise BackupError(STEP, f"{message}: nothing was changed", hint=hint)
    return {"changed": False, "restore_point": None, "not_needed": message, "summary": [message]}


def _find(client: Client, name: str) -> RestorePoint | None:
    try:
        return next(iter(read_points(client, name)), None)
    except ApiError as error:
        # What it has against reading, it will tell of the making, too.
        if error.status in _REFUSALS:
            return None
        raise


def _order(client: Client, name: str) -> None:
    try:
        client.post(STEP, f"{PATH}/restore-point", {"name": name})
    except ApiError as error:
        # Whose answer was lost may be there all the same.
        if not error.arrived or _find(client, name) is None:
            raise


def _await(
    client: Client, name: str, end: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> RestorePoint:
    pause, status = _FIRST_PAUSE, _PENDING
    while True:
        point = _find(client, name)
        if point is not None and point.status == AVAILABLE:
            return point
        status = status if point is None else point.status
        doing(f"restore point {name!r} is {status}")
        if status != _PENDING:
            message = f"restore point {name!r} is {status}"
            raise BackupError(STEP, message, hint="give another name; supabase_backup_info tells what there is")
        if clock() >= end:
            hint = "it may be there later: the same name again waits for it; wait_timeout waits longer"
            raise BackupError(STEP, f"restore point {name!r} is still {status}", hint=hint)
        sleep(min(pause, max(0.0, end - clock())))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
