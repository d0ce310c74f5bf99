"""The words of an alert: for one line, and for a page of plain text."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from ...findings import FAILED, WARNING, Finding
from ...texts import Page, visible
from .alert import BEGUN, GO, NO_GO, Alert, Announcement

_MESSAGE_LIMIT = 10_000
"""Characters of one condition's message in a page: more is no alert, and the run's output has it."""

_CONDITIONS_LIMIT = 200
_WORDS = {BEGUN: "begins", GO: "GO", NO_GO: "NO GO"}


def clean(text: str) -> Page:
    """*text* with its line breaks and no other character that cannot be seen.

    A result's texts have been made visible where they were returned, so that what line breaks are left are no names'.
    """
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return Page("\n".join(map(visible, lines)))


def one_line(text: str) -> str:
    """*text* without line breaks."""
    return " ".join(clean(text).split())


def cut(text: str, limit: int) -> str:
    """The beginning of *text* in at most *limit* characters, with a word about the rest."""
    if len(text) <= limit:
        return text
    note = f" [{len(text):,} characters, cut]"
    return text[: max(0, limit - len(note))] + note[:limit]


def condition(finding: Finding) -> str:
    """The name of a condition in words."""
    return one_line(f"{finding.check.replace('_', ' ')} {finding.subject}")


def about(alert: Alert) -> str:
    """The database that the alert is about: label and environment."""
    return one_line(f"{alert.label} ({alert.environment})" if alert.environment else alert.label)


def title(alert: Alert, findings: Sequence[Finding], announcement: Announcement | None = None) -> str:
    """One line for an announcement, or for one or several conditions."""
    if announcement is not None:
        return f"{about(alert)}: {one_line(announcement.subject)}: {_WORDS[announcement.state]}"
    if len(findings) == 1:
        (finding,) = findings
        word = "failed" if finding.status == FAILED else finding.status
        return f"{about(alert)}: {condition(finding)}: {word}"
    failed = sum(finding.status == FAILED for finding in findings)
    warnings = sum(finding.status == WARNING for finding in findings)
    counts = [f"{failed} failed"] if failed else []
    if warnings:
        counts.append(f"{warnings} warning{'s' if warnings > 1 else ''}")
    return f"{about(alert)}, {one_line(alert.source)}: {', '.join(counts)}"


def page(alert: Alert, findings: Sequence[Finding], announcement: Announcement | None = None) -> str:
    """The announcement and all conditions as plain text."""
    paragraphs = [title(alert, findings, announcement)]
    if announcement is not None and (said := announced(announcement)):
        paragraphs.append(said)
    for finding in findings[:_CONDITIONS_LIMIT]:
        lines = cut(clean(finding.message), _MESSAGE_LIMIT).strip().splitlines()
        paragraphs.append(
            "\n".join([f"{finding.status.upper()}: {condition(finding)}", *(f"  {one}" for one in lines)])
        )
    paragraphs += cut_conditions(findings, _CONDITIONS_LIMIT)
    paragraphs.append(signature(alert, announcement))
    return "\n\n".join(paragraphs) + "\n"


def cut_conditions(findings: Sequence[Finding], limit: int) -> list[str]:
    """The line that says how many conditions are beyond the *limit* of a message, if any are."""
    more = len(findings) - limit
    return [f"... and {more:,} more conditions, which are not shown"] if more > 0 else []


def announced(announcement: Announcement) -> str:
    """What an announcement says, a line each; those that say nothing are left out."""
    return cut("\n".join(filter(None, map(one_line, announcement.lines))), _MESSAGE_LIMIT)


def signature(alert: Alert, announcement: Announcement | None = None) -> str:
    """Who says so; and of an announcement the name of its thread, which not every service can tie together."""
    thread = f", {one_line(announcement.thread)}" if announcement is not None else ""
    return f"mobul.backup, {one_line(alert.source)}, sent from {one_line(socket.gethostname())}{thread}"
