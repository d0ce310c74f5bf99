"""Any other service, by an address of the library apprise (https://appriseit.com/services/ lists them)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ...findings import FAILED, Finding
from .alert import GO, NO_GO, Alert, Announcement
from .channel import Channel, required
from .retry_budget import DeliveryError, Message, RetryBudget
from .text import cut, one_line, page, title

_HINT = "its form is on https://appriseit.com/services/"

_complaints: ContextVar[list[str]] = ContextVar("complaints")


@dataclass(frozen=True, kw_only=True)
class AppriseChannel(Channel):
    """A channel to an address that the library apprise supports."""

    type = "apprise"
    options = ("apprise_url",)

    apprise_url: str

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> AppriseChannel:
        return cls(**cls.common(options), apprise_url=required(options, "apprise_url"))

    def messages(self, alert: Alert) -> list[Message]:
        findings, announcement = alert.bad(self.severities), self.announcement(alert)
        if not findings and announcement is None:
            return []
        heading, text = title(alert, findings, announcement), page(alert, findings, announcement)
        kind = _kind(findings, announcement)

        def deliver(_seconds: float) -> None:
            self._notify(heading, text, kind)

        def send(budget: RetryBudget) -> None:
            budget.attempt(deliver)

        return [Message(heading, text, send)]

    def _notify(self, heading: str, text: str, kind: str) -> None:
        try:
            import apprise
        except ImportError as error:
            raise DeliveryError(
                "the Python library apprise is not on the host that sends the alert", hint="pip install apprise"
            ) from error
        with _listening() as complaints:
            service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, app_id="mobul.backup"))
            if not service.add(self.apprise_url):
                raise DeliveryError(f"apprise does not know the address{_failure(complaints)}", hint=_HINT)
            if not service.notify(body=text, title=heading, notify_type=kind, body_format="text"):
                raise DeliveryError(f"apprise could not deliver the message{_failure(complaints)}")


def _kind(findings: Sequence[Finding], announcement: Announcement | None) -> str:
    """The notification type of apprise for the worst of the findings."""
    if any(finding.status == FAILED for finding in findings):
        return "failure"
    if announcement is None:
        return "warning"
    return {GO: "success", NO_GO: "failure"}.get(announcement.state, "info")


class _Collector(logging.Handler):
    """Takes what the library tells about a failure, which it does in its log only, to the call that it is about."""

    def emit(self, record: logging.LogRecord) -> None:
        _complaints.get([]).append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    found: list[str] = []
    collector, logger = _Collector(logging.WARNING), logging.getLogger("apprise")
    # Not on standard error as well: an address may be among what it says.
    logger.propagate = False
    logger.addHandler(collector)
    # The library's threads have the context of the one that called it.
    token = _complaints.set(found)
    try:
        yield found
    finally:
        _complaints.reset(token)
        logger.removeHandler(collector)


def _failure(complaints: list[str]) -> str:
    text = cut(one_line(" ".join(dict.fromkeys(complaints))), 500)
    return f": {text}" if text else ""
