"""How much several threads may hold at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

_SMALL_PART = 64
_FREE = contextlib.nullcontext()


class InFlight:
    """An amount that threads share; whoever wants more than all of it gets it alone.

    :param limit: of what is held at the same time, for example in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._condition = threading.Condition()

    def hold(self, size: int) -> AbstractContextManager[None]:
        """Wait until there is room for *size*, and keep it; what is small beside the limit is not counted."""
        return _FREE if size < self._limit // _SMALL_PART else self._held_while(size)

    @contextlib.contextmanager
    def _held_while(self, size: int) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._held or self._held + size <= self._limit)
            self._held += size
        try:
            yield
        finally:
            with self._condition:
                self._held -= size
                self._condition.notify_all()
