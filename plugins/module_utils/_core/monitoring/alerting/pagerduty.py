"""PagerDuty: one event for each condition, by the Events API v2.

https://developer.pagerduty.com/docs/events-api-v2/overview/ has the request, its answers and its limits, and
https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json their schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError
from ...findings import Finding
from .alert import ANNOUNCEMENT, SEVERITIES, Alert
from .channel import STEP, Channel, optional, required
from .http import check_url, post_json
from .retry_budget import DeliveryError, Message, RetryBudget
from .text import about, clean, condition, cut, one_line, title

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"

_SUMMARY_LIMIT = 1024
_MESSAGE_LIMIT = 30_000
"""An event has 512 KB at most, and a character up to 12 bytes of it in the worst case."""


@dataclass(frozen=True, kw_only=True)
class PagerDutyChannel(Channel):
    """A service of PagerDuty, which opens an incident for a condition that is bad, and ends it when it is good."""

    type = "pagerduty"
    options = ("routing_key", "events_url", "ca_cert")
    severities_by_default = ("critical",)

    routing_key: str
    events_url: str
    ca_cert: str | None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> PagerDutyChannel:
        if ANNOUNCEMENT in (options.get("severities") or ()):
            hint = "take announcement out of its severities: a procedure that fails opens an incident all the same"
            raise ConfigError(STEP, "nobody is paged because a procedure begins or ends well", hint=hint)
        return cls(
            **cls.common(options),
            routing_key=required(options, "routing_key"),
            events_url=check_url(str(options.get("events_url") or EVENTS_URL), "events_url"),
            ca_cert=optional(options, "ca_cert"),
        )

    def messages(self, alert: Alert) -> list[Message]:
        triggers = [self._trigger(alert, finding) for finding in alert.bad(self.severities)]
        # An incident that is not open, or not there, is left as it is by this.
        return [*triggers, *(self._resolve(alert, finding) for finding in alert.passed())]

    def _trigger(self, alert: Alert, finding: Finding) -> Message:
        message = cut(clean(finding.message), _MESSAGE_LIMIT)
        heading = title(alert, [finding])
        payload = {
            "summary": cut(one_line(f"{heading}: {finding.message}"), _SUMMARY_LIMIT),
            "source": cut(about(alert), _SUMMARY_LIMIT) or "mobul.backup",
            "severity": SEVERITIES[finding.status],
            "component": cut(one_line(alert.label), _SUMMARY_LIMIT),
            "group": cut(one_line(alert.environment), _SUMMARY_LIMIT) or "mobul.backup",
            "class": cut(one_line(finding.check), _SUMMARY_LIMIT),
            "custom_details": {
                "condition": cut(condition(finding), _SUMMARY_LIMIT),
                "procedure": one_line(alert.source),
                "message": message,
            },
        }
        event = {"event_action": "trigger", "client": "mobul.backup", "payload": payload}
        return self._message(f"trigger: {heading}", message, {**event, "dedup_key": alert.key(finding)})

    def _resolve(self, alert: Alert, finding: Finding) -> Message:
        heading = f"resolve: {title(alert, [finding])}"
        return self._message(heading, heading, {"event_action": "resolve", "dedup_key": alert.key(finding)})

    def _message(self, heading: str, text: str, event: dict[str, Any]) -> Message:
        def deliver(seconds: float) -> None:
            document = {"routing_key": self.routing_key, **event}
            status, answer = post_json(self.events_url, document, ca_cert=self.ca_cert, seconds=seconds)
            if status != 202:
                raise DeliveryError(f"the answer is {status} {answer!r}, and not 202")

        def send(budget: RetryBudget) -> None:
            budget.attempt(deliver)

        return Message(heading, text, send)
