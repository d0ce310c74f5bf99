"""What is asked for: which set, held or released, why and until when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ...backupset.naming import SetId, check_name
from ...backupset.set_records import Hold, Release
from ...catalogue import LATEST
from ...errors import ConfigError

STEP = "check the options"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# YAML turns a time without quotes into one with a space.
_TIME = re.compile(
    rf"{_DATE.pattern}[Tt ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,6}})?(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"
)
_HOW = "a day like 2027-01-31, which is its beginning in UTC, or a time with its zone like 2027-01-31T18:00:00Z"


@dataclass(frozen=True)
class HoldRequest:
    """What was asked for.

    :param backup: None is the newest good set of all locations.
    :param held: whether it shall be held; otherwise it is released.
    :param now: the moment that counts as now.
    """

    label: str
    backup: SetId | None
    held: bool
    reason: str
    until: datetime | None
    now: datetime

    @classmethod
    def parse(cls, params: Mapping[str, Any], now: datetime) -> HoldRequest:
        """From the module's parameters; raise :class:`ConfigError` if one of them cannot be right."""
        held = params["state"] == "held"
        reason = params["reason"].strip()
        if not reason:
            raise ConfigError(
                STEP, "the reason is empty", hint="say for whom and why, for example an incident's reference"
            )
        until = None if params["until"] is None else parse_until(params["until"], now)
        if until is not None and not held:
            raise ConfigError(STEP, "until is given with state: released", hint="only a hold has an end")
        backup = None if params["backup"] == LATEST else SetId.parse(params["backup"])
        return cls(check_name(params["label"], "label"), backup, held, reason, until, now)

    def hold_of(self, set_id: SetId) -> Hold:
        """The record of the requested hold."""
        return Hold(id=set_id, label=self.label, held_at=self.now, reason=self.reason, until=self.until)

    def release_of(self, set_id: SetId) -> Release:
        """The record of the requested release."""
        return Release(id=set_id, label=self.label, released_at=self.now, reason=self.reason)


def parse_until(text: str, now: datetime) -> datetime:
    """The end of a hold, in UTC.

    :param text: ``2027-01-31`` or RFC 3339.
    :raises ConfigError: it is neither, or it is past.
    """
    try:
        if _DATE.fullmatch(text):
            until = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
        elif _TIME.fullmatch(text):
            until = datetime.fromisoformat(text.upper().replace("Z", "+00:00")).astimezone(timezone.utc)
        else:
            raise ValueError
    except (ValueError, OverflowError):
        raise ConfigError(STEP, f"until: {text!r:.60} is no time", hint=_HOW) from None
    if until <= now:
        raise ConfigError(
            STEP,
            f"until: {text!r} is past: it is {now:%Y-%m-%dT%H:%M:%SZ} now",
            hint="give a time to come, or leave it out to hold the set until it is released",
        )
    return until
