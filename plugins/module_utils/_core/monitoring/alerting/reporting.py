"""What became of an alert, for playbooks and for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .alert import Alert
from .retry_budget import Message
from .text import about, clean


@dataclass(frozen=True)
class Outcome:
    """Whether one channel has taken the alert, or the error.

    :param messages: what was to be sent.
    :param sent: how many of them were taken.
    :param error: why one was not, or why nothing was tried.
    """

    name: str
    type: str
    messages: tuple[Message, ...] = ()
    sent: int = 0
    error: str | None = None


def report(alert: Alert, outcomes: Sequence[Outcome], check_mode: bool, *, must_deliver: bool) -> dict[str, Any]:
    """The result of ``backup_alert``."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    warnings = [f"{about(alert)}: no alert by {one.name} ({one.type}): {one.error}" for one in failed]
    return {
        "changed": any(outcome.messages if check_mode else outcome.sent for outcome in outcomes),
        "channels": [_channel(outcome, check_mode) for outcome in outcomes],
        "findings": [
            {**finding.to_dict(), "message": clean(finding.message), "key": alert.key(finding)}
            for finding in alert.findings
        ],
        "summary": [line for outcome in outcomes for line in _lines(outcome, check_mode)],
        # Where it fails the module, the module's message says it.
        "warnings": [] if must_deliver else warnings,
        "diff": {
            "before": "",
            "after": clean("".join(_shown(outcome) for outcome in outcomes if outcome.error is None)),
        },
    }


def _status(outcome: Outcome, check_mode: bool) -> str:
    if outcome.error is not None:
        return "failed"
    if not outcome.messages:
        return "nothing_to_send"
    return "planned" if check_mode else "sent"


def _channel(outcome: Outcome, check_mode: bool) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "type": outcome.type,
        "status": _status(outcome, check_mode),
        "sent": outcome.sent,
        "messages": [message.title for message in outcome.messages],
        "error": outcome.error,
    }


def _lines(outcome: Outcome, check_mode: bool) -> list[str]:
    name = f"{outcome.name} ({outcome.type})"
    if outcome.error is not None:
        return [f"{name}: failed: {outcome.error}"]
    if not outcome.messages:
        return [f"{name}: nothing to send"]
    done = "would send" if check_mode else "sent"
    return [f"{name}: {done}: {message.title}" for message in outcome.messages]


def _shown(outcome: Outcome) -> str:
    return "".join(f"{outcome.name} ({outcome.type}): {one.title}\n{one.text.rstrip()}\n" for one in outcome.messages)
