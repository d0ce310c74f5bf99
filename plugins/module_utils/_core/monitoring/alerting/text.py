"""The words of an alert: for one line, and for a page of plain text."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from ...findings import FAILED, WARNING, Finding
from .alert import Alert

_MESSAGE_LIMIT = 10_000
"""Characters of one condition's message in a page: more is no alert, and the run's output has it."""

_CONDITIONS_LIMIT = 200

# Control characters but tab and line feed, what tells a terminal or an editor to reorder, and other line ends.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """*text* as whole, printable characters: messages quote what comes from outside, tables' names say."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub("\ufffd", whole.replace("\r\n", "\n"))


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
    """The name of a condition for a person."""
    return one_line(f"{finding.check.replace('_', ' ')} {finding.subject}")


def about(alert: Alert) -> str:
    """What the alert is about: the database."""
    return one_line(f"{alert.label} ({alert.environment})" if alert.environment else alert.label)


def title(alert: Alert, findings: Sequence[Finding]) -> str:
    """One line for one or several conditions."""
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


def page(alert: Alert, findings: Sequence[Finding]) -> str:
    """All conditions as plain text."""
    paragraphs = [title(alert, findings)]
    for finding in findings[:_CONDITIONS_LIMIT]:
        lines = cut(clean(finding.message), _MESSAGE_LIMIT).strip().splitlines()
        paragraphs.append(
            "\n".join([f"{finding.status.upper()}: {condition(finding)}", *(f"  {one}" for one in lines)])
        )
    if len(findings) > _CONDITIONS_LIMIT:
        paragraphs.append(f"... and {len(findings) - _CONDITIONS_LIMIT} more conditions, cut")
    paragraphs.append(signature(alert))
    return "\n\n".join(paragraphs) + "\n"


def signature(alert: Alert) -> str:
    """Who says so."""
    return f"mobul.backup, {one_line(alert.source)}, sent from {one_line(socket.gethostname())}"
