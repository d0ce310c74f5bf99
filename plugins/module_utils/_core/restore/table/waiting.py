"""Waiting for locks in turns: whoever waits for an exclusive lock keeps everybody else waiting behind."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

from .session import LockedError, Session

_TRY_SECONDS = 5
_PAUSE_SECONDS = 0.5
_Result = TypeVar("_Result")


def in_turns(
    session: Session,
    attempt: Callable[[], _Result],
    *,
    what: str,
    lock_timeout: int,
    holders: Callable[[], Iterable[str]],
) -> _Result:
    """Try as often as *lock_timeout* (seconds) allows; what fails is undone and leaves everything unlocked.

    :param what: is locked, for a person.
    :param holders: tells who holds it.
    :raises LockedError: somebody kept holding what is needed; names who.
    """
    tries = max(1, math.ceil(lock_timeout / _TRY_SECONDS))
    set_lock_timeout(session, min(lock_timeout, _TRY_SECONDS))
    for number in range(1, tries + 1):
        try:
            with session.savepoint("mobul_turn"):
                return attempt()
        except LockedError as error:
            if number == tries:
                _give_up(error, what, lock_timeout, "; ".join(holders()))
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("there is no last try")


def set_lock_timeout(session: Session, seconds: int) -> None:
    """How long each statement of this transaction waits for a lock."""
    session.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [str(1000 * seconds)])


def _give_up(error: LockedError, what: str, lock_timeout: int, holders: str) -> NoReturn:
    message = f"{what} could not be locked within {lock_timeout} s: {error.message}"
    raise LockedError(
        error.step,
        f"{message} [{holders}]" if holders else message,
        hint="nothing was changed; end that session, or raise lock_timeout",
    ) from None
