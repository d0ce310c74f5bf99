# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that nobody waits for any more ends as one that was asked to: everything unfinished is given up.

Whoever started it may be killed, or the connection to it may break: then nothing sends it a signal. But nobody can hear
any more what it will tell, and the kernel says so of its standard output: the pipe has no reader, the terminal was hung
up. ``plugin_utils/run_guard.py`` sees to the worker that holds the other end.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from .._core.postgres.connection import cancel_statements

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STDOUT = 1
_GRACE_SECONDS = 1.0


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, a request to end raises KeyboardInterrupt in it, once; after that and after it, none does.

    A second one would cut short what the first has begun to clear away; and what has been done is to be told.
    """
    noticed = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        noticed.set()
        _let_pass()
        raise KeyboardInterrupt

    for number in _heard():
        signal.signal(number, interrupt)
    threading.Thread(target=_attend, args=(_signal_pipe(), noticed), name="interruption", daemon=True).start()
    try:
        yield
    finally:
        noticed.set()
        _let_pass()


def _heard() -> list[signal.Signals]:
    """Those that whoever started this process (``nohup``, say) did not tell it to ignore."""
    return [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


def _let_pass() -> None:
    for number in _heard():
        # Not SIG_IGN, which the programs that are started to clear things away would inherit.
        signal.signal(number, lambda _number, _frame: None)


def _signal_pipe() -> int:
    """The end of a pipe where a byte arrives with each signal, even while Python's own handlers cannot run."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _attend(signals: int, noticed: threading.Event) -> None:
    """Wait for a signal, or make one when nobody listens any more; then see to it that it is noticed."""
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    # Of errors and hang-ups poll tells unasked.
    poll.register(_STDOUT, 0)
    if signals not in dict(poll.poll()):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    # Python's handler waits for as long as libpq waits for a server, which goes on waiting after a signal.
    while not noticed.wait(_GRACE_SECONDS):
        cancel_statements()
