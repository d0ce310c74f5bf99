"""The channels that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ConfigError
from .apprise import AppriseChannel
from .channel import STEP, Channel
from .mail import EmailChannel
from .pagerduty import PagerDutyChannel
from .slack import SlackChannel

_KINDS = (EmailChannel, SlackChannel, PagerDutyChannel, AppriseChannel)

_COMMON = {"name", "type", "severities"}
_OPTIONS = {
    "email": {"host", "port", "tls", "ca_cert", "username", "password", "from", "to"},
    "slack": {"webhook_url", "ca_cert"},
    "pagerduty": {"routing_key", "events_url", "ca_cert"},
    "apprise": {"apprise_url"},
}


def parse_channel(options: Mapping[str, Any]) -> Channel:
    """One channel of the inventory; raise :class:`ConfigError` if its options cannot be right."""
    kind = next(kind for kind in _KINDS if kind.type == options["type"])
    given = {name for name, value in options.items() if value not in (None, "", [])}
    if strange := sorted(given - _COMMON - _OPTIONS[kind.type]):
        raise ConfigError(
            STEP,
            f"{', '.join(strange)} is nothing that a channel of type {kind.type} takes",
            hint=f"it takes {', '.join(sorted(_OPTIONS[kind.type]))}",
        )
    return kind.parse(options)
