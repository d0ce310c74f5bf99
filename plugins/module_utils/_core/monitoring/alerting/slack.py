"""Slack: one message by an incoming webhook.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/ has the request and its answers,
https://docs.slack.dev/reference/block-kit/blocks/ the blocks and their limits,
https://docs.slack.dev/messaging/formatting-message-text/ what must be escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...findings import FAILED, Finding
from .alert import BEGUN, GO, NO_GO, Alert, Announcement
from .channel import Channel, optional, required
from .http import check_url, post_json
from .retry_budget import DeliveryError, Message, RetryBudget
from .text import announced, clean, condition, cut_conditions, page, signature, title

_SECTION_LIMIT = 3000
_TEXT_LIMIT = 4000
"""Slack takes more, and then makes several messages of one."""
_CONDITIONS_LIMIT = 45
"""A message has 50 blocks at most: a title, an announcement, the conditions, a word about the rest, who says so."""

_SIGNS = {BEGUN: ":loudspeaker:", GO: ":white_check_mark:", NO_GO: ":no_entry:"}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True, kw_only=True)
class SlackChannel(Channel):
    """A channel that posts to one Slack webhook."""

    type = "slack"
    options = ("webhook_url", "ca_cert")

    webhook_url: str
    ca_cert: str | None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> SlackChannel:
        url = check_url(required(options, "webhook_url"), "webhook_url")
        return cls(**cls.common(options), webhook_url=url, ca_cert=optional(options, "ca_cert"))

    def messages(self, alert: Alert) -> list[Message]:
        findings, announcement = alert.bad(self.severities), self.announcement(alert)
        if not findings and announcement is None:
            return []
        document = _document(alert, findings, announcement)

        def deliver(seconds: float) -> None:
            status, answer = post_json(self.webhook_url, document, ca_cert=self.ca_cert, seconds=seconds)
            # What stands between and answers all by itself, for example the login page of a network, has taken no
            # message.
            if (status, answer) != (200, "ok"):
                raise DeliveryError(f"the answer is {status} {answer!r}, and not 200 'ok'")

        def send(budget: RetryBudget) -> None:
            budget.attempt(deliver)

        return [Message(title(alert, findings, announcement), page(alert, findings, announcement), send)]


def _document(alert: Alert, findings: Sequence[Finding], announcement: Announcement | None) -> dict[str, Any]:
    heading = title(alert, findings, announcement)
    sign = "" if announcement is None else f"{_SIGNS[announcement.state]} "
    blocks = [_section(f"{sign}*{escape(heading, _SECTION_LIMIT - len(sign) - 2)}*")]
    if announcement is not None and (said := announced(announcement)):
        blocks.append(_section(escape(said, _SECTION_LIMIT)))
    blocks += map(_condition, findings[:_CONDITIONS_LIMIT])
    blocks += map(_section, cut_conditions(findings, _CONDITIONS_LIMIT))
    blocks.append({"type": "context", "elements": [_words(escape(signature(alert, announcement), _SECTION_LIMIT))]})
    # What notifications and screen readers take instead of the blocks.
    return {"text": escape(heading, _TEXT_LIMIT), "blocks": blocks}


def _condition(finding: Finding) -> dict[str, Any]:
    sign = ":red_circle:" if finding.status == FAILED else ":warning:"
    head = f"{sign} *{escape(condition(finding), 500)}*\n"
    # In a block of code stars and underscores are no formatting; its end must not come from outside.
    message = clean(finding.message).strip().replace("```", "'''")
    return _section(f"{head}```\n{escape(message, _SECTION_LIMIT - len(head) - 8)}\n```")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _words(text)}


def _words(text: str) -> dict[str, Any]:
    # Verbatim: names of channels and addresses in it become no links.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def escape(text: str, limit: int) -> str:
    """*text* with Slack's control characters escaped, in at most *limit* characters; no escape is cut in two."""
    escaped = "".join(_ESCAPES.get(one, one) for one in text)
    if len(escaped) <= limit:
        return escaped
    note = f" [{len(text):,} characters, cut]"
    kept, room = [], limit - len(note)
    for one in text:
        form = _ESCAPES.get(one, one)
        room -= len(form)
        if room < 0:
            break
        kept.append(form)
    return "".join(kept) + note
