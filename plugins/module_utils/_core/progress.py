"""How far this process has come, for whoever waits for it: one stage at a time, counted in bytes and tables.

It is like a log: the work tells it and never hears of who looks, or whether anybody does. An operation opens a stage in
the thread that leads it; what it has started in other threads counts into it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stage:
    """A part of the work.

    :param name: what is done, as an imperative.
    :param total: how many bytes will pass; None where that is not known.
    :param estimated: whether *total* is no more than what is expected.
    :param counting: whether what passes, and what is expected, belongs to it.
    :ivar done: bytes that have passed.
    :ivar table: what is under way, in words.
    :ivar tables: how many tables have begun to pass.
    :ivar tables_total: of how many; None where that is not known.
    :ivar doing: what is waited for, or done elsewhere, in words.
    """

    name: str
    total: int | None = None
    estimated: bool = False
    counting: bool = True
    done: int = 0
    table: str = ""
    tables: int = 0
    tables_total: int | None = None
    doing: str = ""
    began: float = field(default_factory=time.monotonic)

    def as_dict(self) -> dict[str, Any]:
        """What can be told of it; ``seconds`` is for how long it has been under way."""
        fields = {name: value for name, value in vars(self).items() if name != "began"}
        return {**fields, "seconds": time.monotonic() - self.began}


_NO_STAGE = Stage("")
"""What counts into none of the stages counts into this one, which nobody looks at."""
_stages: list[Stage] = []
_lock = threading.Lock()
_followers = 0


@contextlib.contextmanager
def followed() -> Iterator[None]:
    """Within the block somebody looks, so that what costs something to find out is worth it."""
    global _followers  # noqa: PLW0603 - like the stages
    _followers += 1
    try:
        yield
    finally:
        _followers -= 1


def is_followed() -> bool:
    """Whether anybody looks."""
    return _followers > 0


@contextlib.contextmanager
def stage(name: str, total: int | None = None, *, estimated: bool = False, counting: bool = True) -> Iterator[Stage]:
    """Within the block the work is at this stage; see :class:`Stage` for the parameters. They may be nested."""
    opened = Stage(name, total, estimated, counting)
    with _lock:
        _stages.append(opened)
    try:
        yield opened
    finally:
        with _lock:
            _stages.remove(opened)


def expect(count: int) -> None:
    """Add *count* bytes to those that are expected."""
    with _current() as one:
        one.total = (one.total or 0) + count


def advance(count: int) -> None:
    """Add *count* bytes to those that have passed."""
    with _current() as one:
        one.done += count


def expect_tables(count: int) -> None:
    """Add *count* tables to those that are expected."""
    with _current() as one:
        one.tables_total = (one.tables_total or 0) + count


def at_table(name: str) -> None:
    """Record that the table *name* has begun."""
    with _current() as one:
        one.table = name
        one.tables += 1


def doing(text: str) -> None:
    """Say what is waited for, or done elsewhere; "" for nothing any more."""
    with _lock:
        if _stages:
            _stages[-1].doing = text


@contextlib.contextmanager
def beside(work: Callable[[threading.Event], None], *, name: str) -> Iterator[None]:
    """Within the block *work* runs in a thread of its own; it returns when the event that it is given is set."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def snapshot() -> dict[str, Any] | None:
    """The stage that the work is at, as :meth:`Stage.as_dict` tells it; None where it is at none."""
    with _lock:
        return _stages[-1].as_dict() if _stages else None


@contextlib.contextmanager
def _current() -> Iterator[Stage]:
    with _lock:
        yield _stages[-1] if _stages and _stages[-1].counting else _NO_STAGE
