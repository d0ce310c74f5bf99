"""How much several threads may hold at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_SMALL_PART = 64


class InFlight:
    """An amount that threads share; whoever wants more than all of it gets it alone.

    :param limit: of what is held at the same time, in bytes say.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._condition = threading.Condition()

    @contextlib.contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until there is room for *size*, and keep it; what is small beside the limit is not counted."""
        if size < self._limit // _SMALL_PART:
            yield
            return
        with self._condition:
            self._condition.wait_for(lambda: not self._held or self._held + size <= self._limit)
            self._held += size
        try:
            yield
        finally:
            with self._condition:
                self._held -= size
                self._condition.notify_all()
