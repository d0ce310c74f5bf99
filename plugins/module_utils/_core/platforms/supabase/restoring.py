"""The operation behind ``supabase_restore``: a project goes back to a moment, a backup or a restore point.

There is no job to ask for. The platform takes the order, and the project's state tells the rest: it leaves
``ACTIVE_HEALTHY`` some seconds later, is ``RESTORING``, and ends as ``ACTIVE_HEALTHY`` or ``RESTORE_FAILED``. So an
order is never given twice, and nothing is called done that was not seen to begin.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ...durations import readable_duration
from ...errors import BackupError, after_change
from ...progress import doing, stage
from ...texts import page
from .access import Access
from .client import ApiError, Client
from .project import HEALTHY, RESTORE_FAILED, RESTORING, USABLE, read_project
from .restore_plan import Plan, RestoreRequest, make_plan

STEP = "restore the project"
_BEGINS_WITHIN = 300.0
"""Seconds after which an order of which nothing is to be seen is told as such."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0


class Waiting:
    """Growing pauses until a time limit is reached.

    :param seconds: all in all.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._began, self._seconds = clock(), seconds
        self._pause = _FIRST_PAUSE

    @property
    def passed(self) -> float:
        """The seconds since it was made."""
        return self._clock() - self._began

    def pause(self) -> bool:
        """Sleep for the next pause; False once the time limit is reached."""
        left = self._seconds - self.passed
        if left <= 0:
            return False
        self._sleep(min(self._pause, left))
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)
        return True


def run_supabase_restore(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore a project as the parameters of ``supabase_restore`` say.

    :return: what the module returns.
    :raises BackupError: it was refused, failed, or had not ended when the time was up; ``changed`` tells whether the
        platform may have begun.
    """
    request = RestoreRequest.parse(params, datetime.now(timezone.utc))
    return restore(Client(Access.parse(params)), request, Waiting, check_mode)


def restore(
    client: Client, request: RestoreRequest, waiting: Callable[[float], Waiting], check_mode: bool
) -> dict[str, Any]:
    """Carry a request out.

    :param waiting: makes what is waited with, given the seconds.
    """
    plan = make_plan(client, request, datetime.now(timezone.utc))
    state, seconds = plan.project.status, 0.0
    if not check_mode:
        began = waiting(request.wait_seconds)
        begun = _order(client, plan, waiting)
        if request.wait:
            with after_change(), stage("wait for the platform's restore"):
                state = _await_end(client, plan, began, begun=begun)
            seconds = began.passed
        else:
            state = RESTORING
    return _report(plan, state, seconds, check_mode=check_mode, waited=request.wait)


def _order(client: Client, plan: Plan, waiting: Callable[[float], Waiting]) -> bool:
    """Send the request once; return whether the restore was seen to begin."""
    try:
        client.post(STEP, plan.path, plan.document)
    except ApiError as error:
        if not error.arrived:
            raise
        # The answer was lost. Whether the order was is to be seen.
        with after_change():
            if not _begins(client, waiting(60.0)):
                error.explain(
                    f"{error.message}: it is not known whether the platform accepted the request: no restore is seen",
                    f"look at {client.access.dashboard} before you try again: the restore must not be requested twice",
                )
                raise
        return True
    return False


def _begins(client: Client, waiting: Waiting) -> bool:
    while True:
        if _state(client) not in (None, *USABLE):
            return True
        if not waiting.pause():
            return False


def _state(client: Client) -> str | None:
    """The project's state; None if it cannot be read at the moment."""
    try:
        return read_project(client).status
    except ApiError as error:
        if error.transient:
            return None
        raise


def _await_end(client: Client, plan: Plan, waiting: Waiting, *, begun: bool) -> str:
    """Wait until the project is healthy again, and return its state."""
    before = seen = plan.project.status
    look = f"look at {client.access.dashboard}, or at what supabase_backup_info tells"
    try:
        while True:
            seen = _state(client) or seen
            doing(f"project {plan.project} is {seen}")
            begun = begun or seen not in USABLE
            if seen == RESTORE_FAILED and (begun or before != RESTORE_FAILED):
                hint = f"{look}; restore something else, and tell Supabase's support"
                raise BackupError(STEP, f"{plan.what} failed: project {plan.project} is {seen}", hint=hint)
            if begun and seen == HEALTHY:
                return seen
            if not begun and waiting.passed > _BEGINS_WITHIN:
                message = (
                    f"the platform accepted the request, but the project is {seen} as if nothing had been requested"
                )
                raise BackupError(STEP, f"{message}: {plan.what} has not begun, or was over at once", hint=look)
            if not waiting.pause():
                passed = readable_duration(timedelta(seconds=waiting.passed))
                message = (
                    f"{plan.what} has not ended after {passed}: project {plan.project} is {seen}, and it goes on there"
                )
                hint = f"{look}, and do not request another restore meanwhile; wait_timeout waits longer"
                raise BackupError(STEP, message, hint=hint)
    except ApiError as error:
        message = f"{plan.what} was requested, the project was {seen}, but its progress cannot be read: {error.message}"
        raise BackupError(STEP, message, hint=look) from error
    except KeyboardInterrupt:
        message = (
            f"interrupted while waiting: {plan.what} was requested, the project was {seen}, and the platform goes on"
        )
        raise BackupError(STEP, message, hint=look) from None


def _report(plan: Plan, state: str, seconds: float, *, check_mode: bool, waited: bool) -> dict[str, Any]:
    if check_mode:
        message = f"{plan.project}: would be restored: {plan.what}"
    elif not waited:
        message = f"{plan.project}: requested, and not waited for: {plan.what}"
    else:
        message = f"{plan.project}: restored: {plan.what}, in {readable_duration(timedelta(seconds=seconds))}"
    return {
        "changed": True,
        "project": {**plan.project.to_dict(), "status": state},
        "target": dict(plan.target),
        "moment": plan.moment,
        "seconds": round(seconds),
        "plan": list(plan.lines),
        "summary": [message],
        "warnings": list(plan.warnings),
        "diff": {
            "before": page([f"{plan.project}: as it is now"]),
            "after": page([f"{plan.project}: {plan.what}"]),
            "before_header": plan.project.ref,
            "after_header": plan.project.ref,
        },
    }
