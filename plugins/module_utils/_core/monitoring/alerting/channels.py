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

_TYPES: tuple[type[Channel], ...] = (EmailChannel, SlackChannel, PagerDutyChannel, AppriseChannel)
_COMMON = {"name", "type", "severities"}


def parse_channel(options: Mapping[str, Any]) -> Channel:
    """One channel of the inventory; raise :class:`ConfigError` if its options cannot be right."""
    kind = next(kind for kind in _TYPES if kind.type == options["type"])
    given = {name for name, value in options.items() if value not in (None, "", [])}
    if strange := sorted(given - _COMMON - set(kind.options)):
        raise ConfigError(
            STEP,
            f"a channel of type {kind.type} does not take {', '.join(strange)}",
            hint=f"it takes {', '.join(sorted(kind.options))}",
        )
    return kind.parse(options)
