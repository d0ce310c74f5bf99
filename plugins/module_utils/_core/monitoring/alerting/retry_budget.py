"""One message to one server: how it fails, and how often and how long it is tried."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ...errors import BackupError

STEP = "send the alert"

_FIRST_PAUSE = 1.0
_LONGEST_TRY = 10.0
"""Seconds that a server may be silent."""

BUDGET_SECONDS = 30.0
"""Seconds that a channel is tried, all in all."""

_T = TypeVar("_T")


class DeliveryError(BackupError):
    """A message was not taken.

    :param transient: whether the same message may be taken later.
    :param pause: seconds that the server wants to be left alone; None where it does not say.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, transient: bool = False, pause: float | None = None
    ) -> None:
        super().__init__(STEP, message, hint=hint)
        self.transient = transient
        self.pause = pause


class RetryBudget:
    """Tries again what may succeed later, with growing pauses, until a time of all in all *seconds* is over."""

    def __init__(
        self,
        seconds: float = BUDGET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + seconds

    def attempt(self, send: Callable[[float], _T]) -> _T:
        """Call *send* with the seconds that its server may be silent, until it does not raise.

        :raises DeliveryError: its last one.
        """
        pause, tries = _FIRST_PAUSE, 1
        while True:
            try:
                return send(max(1.0, min(_LONGEST_TRY, self.left())))
            except DeliveryError as error:
                wanted = max(pause, error.pause or 0.0)
                if not error.transient or wanted >= self.left():
                    if tries > 1:
                        error.add(f"given up after {tries} tries")
                    raise
                self._sleep(wanted)
            pause *= 2
            tries += 1

    def left(self) -> float:
        """The seconds that remain."""
        return self._end - self._clock()


@dataclass(frozen=True)
class Message:
    """One message and the function that sends it.

    :param title: what it says, in one line.
    :param text: all that it says.
    :param send: sends it, within a time.
    """

    title: str
    text: str
    send: Callable[[RetryBudget], None]
