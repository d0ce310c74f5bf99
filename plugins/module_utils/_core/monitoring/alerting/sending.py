"""Sends an alert by all channels at once: none waits for another, or fails because of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...errors import BackupError
from .alert import Alert
from .channels import parse_channel
from .redaction import Redaction
from .reporting import Outcome
from .retry_budget import BUDGET_SECONDS, STEP, DeliveryError, Message, RetryBudget

_GRACE = 15.0
"""Seconds beyond a channel's patience: a server that sends its answer byte by byte is never silent."""

_EVENTS_AT_ONCE = 4


def send_all(alert: Alert, channels: Sequence[Mapping[str, Any]], check_mode: bool) -> list[Outcome]:
    """Send *alert* by every channel, given as its options, and tell what became of it, in the order of *channels*."""
    outcomes: list[Outcome | None] = [None] * len(channels)

    def work(number: int, options: Mapping[str, Any]) -> None:
        outcomes[number] = _through_one(alert, options, check_mode)

    _at_once([partial(work, number, options) for number, options in enumerate(channels)], BUDGET_SECONDS + _GRACE)
    late = DeliveryError(f"it did not finish within {BUDGET_SECONDS + _GRACE:.0f} s")
    return [
        outcome or Outcome(str(options.get("name") or options["type"]), str(options["type"]), error=str(late))
        for outcome, options in zip(outcomes, channels, strict=True)
    ]


def _through_one(alert: Alert, options: Mapping[str, Any], check_mode: bool) -> Outcome:
    """What becomes of the alert in one channel. Whatever happens there is told, and is no matter of the others."""
    name, kind = str(options.get("name") or options["type"]), str(options["type"])
    redaction = Redaction([options], close=True)
    try:
        messages = parse_channel(options).messages(alert)
        if check_mode:
            return Outcome(name, kind, tuple(messages))
        sent, errors = _send(messages)
        error = _together(errors, len(messages))
    except BackupError as problem:
        messages, sent, error = [], 0, str(problem)
    except Exception as problem:
        messages, sent, error = [], 0, f"{STEP}: unexpected error: {type(problem).__name__}: {problem}"
    return Outcome(name, kind, tuple(messages), sent, None if error is None else redaction.hide(error))


@dataclass
class _End:
    """The outcome of sending one message."""

    error: Exception | None = None
    ended: bool = False


def _send(messages: Sequence[Message]) -> tuple[int, list[Exception]]:
    """Send the messages of one channel, a few at a time; return how many were taken, and the other errors."""
    budget = RetryBudget()
    ends = [_End() for _message in messages]
    queue = list(zip(messages, ends, strict=True))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not queue:
                    return
                message, end = queue.pop(0)
            try:
                message.send(budget)
            except Exception as error:
                end.error = error
            end.ended = True

    _at_once([work] * min(_EVENTS_AT_ONCE, len(messages)), BUDGET_SECONDS + _GRACE / 2)
    errors = [end.error or DeliveryError("it did not finish in time") for end in ends if end.error or not end.ended]
    return len(ends) - len(errors), errors


def _at_once(works: Sequence[Callable[[], None]], seconds: float) -> None:
    """Do all of it at once, and wait for it no longer than *seconds*. What is not done by then goes on unheard."""
    waiting = threading.Semaphore(0)

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            waiting.release()

    for work in works:
        # Daemons: the module must be able to end before them.
        threading.Thread(target=run, args=(work,), daemon=True).start()
    end = RetryBudget(seconds)
    for _work in works:
        if not waiting.acquire(timeout=max(0.0, end.left())):
            return


def _together(errors: Sequence[Exception], count: int) -> str | None:
    """The failures of one channel as one text; None if there are none."""
    if not errors:
        return None
    texts = list(dict.fromkeys(str(error) for error in errors))
    more = f" (and {len(texts) - 1} other reasons)" if len(texts) > 1 else ""
    return f"{texts[0]}{more}" if count == 1 else f"{len(errors)} of {count} events failed: {texts[0]}{more}"
