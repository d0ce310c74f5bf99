"""What all channels have in common: a name, what they are told of, and the messages that they make of an alert."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ConfigError
from .alert import ANNOUNCEMENT, Alert, Announcement
from .retry_budget import Message

STEP = "check the options"


@dataclass(frozen=True, kw_only=True)
class Channel(ABC):
    """A way to people.

    :cvar type: what the inventory calls this kind.
    :cvar options: what it takes beside ``name``, ``type`` and ``severities``.
    :param severities: what it is told of: ``critical``, ``warning`` and ``announcement``, or some of them.
    """

    type: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    severities_by_default: ClassVar[tuple[str, ...]] = ("critical", "warning", ANNOUNCEMENT)

    name: str
    severities: tuple[str, ...]

    @classmethod
    @abstractmethod
    def parse(cls, options: Mapping[str, Any]) -> Channel:
        """From the inventory's options; raise :class:`ConfigError` if one of them cannot be right."""

    @abstractmethod
    def messages(self, alert: Alert) -> Sequence[Message]:
        """What is to be sent of *alert*; nothing if it has nothing for this channel."""

    def announcement(self, alert: Alert) -> Announcement | None:
        """What it announces; None where there is nothing, or the channel is not to hear of it."""
        return alert.announcement if ANNOUNCEMENT in self.severities else None

    @classmethod
    def common(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the options that all channels have."""
        severities = tuple(options.get("severities") or cls.severities_by_default)
        return {"name": str(options.get("name") or cls.type), "severities": severities}


def required(options: Mapping[str, Any], name: str) -> str:
    """An option that the channel cannot do without, which an inventory may have from an unset variable.

    :raises ConfigError: it is empty.
    """
    value = str(options.get(name) or "").strip()
    if not value:
        raise ConfigError(STEP, f"{name} is missing", hint="take the channel out of the list if it is not meant")
    return value


def optional(options: Mapping[str, Any], name: str) -> str | None:
    """The value of an option; None if it is empty."""
    return str(options.get(name) or "") or None
