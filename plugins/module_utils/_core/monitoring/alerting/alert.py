"""What an alert says, before any channel gives it a form."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ...findings import FAILED, PASSED, STATUSES, WARNING, Finding, worst_first

ANNOUNCEMENT = "announcement"
"""What a channel may be told of beside what is bad: that a procedure begins, and how it ended."""
BEGUN, GO, NO_GO = "begun", "go", "no_go"

SEVERITIES = {FAILED: "critical", WARNING: "warning"}
"""The severity of a finding that is bad. What passed has none: nobody is told of it."""

_KEY_LIMIT = 255
"""Characters of a deduplication key, as PagerDuty takes it."""


@dataclass(frozen=True)
class Announcement:
    """The message that a procedure begins, or how it ended.

    :param state: ``begun``, ``go`` or ``no_go``.
    :param subject: the procedure and what it is for: for example ``pre_deploy v1.2``.
    :param lines: what else there is to say.
    :param thread: the same in all announcements of one run, and in no other.
    """

    state: str
    subject: str
    lines: tuple[str, ...]
    thread: str


@dataclass(frozen=True)
class Alert:
    """The findings of one procedure for one database.

    :param source: the procedure: for example ``weekly``.
    :param findings: one for each condition, the worst first.
    :param announcement: what is told beside them.
    """

    label: str
    environment: str
    source: str
    findings: tuple[Finding, ...]
    announcement: Announcement | None = None

    def bad(self, severities: Collection[str]) -> list[Finding]:
        """The findings of these severities."""
        return [finding for finding in self.findings if SEVERITIES.get(finding.status) in severities]

    def passed(self) -> list[Finding]:
        """The conditions that are good, so that an older alert of one of them is over."""
        return [finding for finding in self.findings if finding.status == PASSED]

    def key(self, finding: Finding) -> str:
        """The name of the condition among all conditions of all databases: the same whenever it is looked at.

        Two conditions never share one, whatever characters their names have.
        """
        parts = (self.label, self.environment, finding.check, finding.subject)
        quoted = [urllib.parse.quote(part, safe="", errors="surrogatepass") for part in parts]
        key = "/".join(("mobul.backup", *quoted))
        if len(key) <= _KEY_LIMIT:
            return key
        # Has fewer slashes than any other key, so it is like none of those.
        return f"mobul.backup/{hashlib.sha256(key.encode()).hexdigest()}"


def merge(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each condition, the worst first; of several the worst counts, and all of that kind are told."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.check, finding.subject), []).append(finding)
    return tuple(worst_first([_worst(same) for same in found.values()]))


def _worst(findings: list[Finding]) -> Finding:
    status = max((finding.status for finding in findings), key=STATUSES.index)
    messages = dict.fromkeys(finding.message for finding in findings if finding.status == status)
    first = findings[0]
    return Finding(check=first.check, subject=first.subject, status=status, message="\n".join(messages))
