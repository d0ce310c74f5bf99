"""What a check found, in the one form in which verification, drills, monitoring, alerts and metrics speak of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from .documents.values import Choice, Text
from .texts import bounded_list

_SHOWN = 20
PASSED, WARNING, FAILED = "passed", "warning", "failed"
STATUSES = (PASSED, WARNING, FAILED)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check: what was checked, its status, and a message.

    ``check`` and ``subject`` together name the condition: they are the same whenever it is looked at again, whatever
    comes of it, so that an alert can be taken back.
    """

    check: Annotated[str, Text(r"[a-z][a-z_]*", "a name in lower case"), "What was looked at: checksum, say."]
    subject: Annotated[str, Text(), "The object, location or kind that it is about; empty for the whole."] = ""
    status: Annotated[str, Choice(*STATUSES)]
    message: Annotated[str, Text(empty=False), "What was found, for a person, with what to do if it is bad."]

    def to_dict(self) -> dict[str, str]:
        """The finding as a module returns it."""
        return {"check": self.check, "subject": self.subject, "status": self.status, "message": self.message}

    def __str__(self) -> str:
        subject = f" ({self.subject})" if self.subject else ""
        return f"{self.status}: {self.check}{subject}: {self.message}"


def ended_badly(result: Mapping[str, Any]) -> bool:
    """Whether a task of the collection failed, as Ansible registers it; an empty one never came to its end.

    A failure with a report names its step also where the task did not fail by it, as the role tells it later.
    """
    held_back = "step" in result and "msg" in result
    return not result or held_back or bool(result.get("failed") or result.get("unreachable"))


def joined(texts: Sequence[str], *, limit: int = _SHOWN) -> str:
    """What is to be said of several things, in the one line of a finding: ``a; b and 3 more``."""
    return bounded_list(texts, limit=limit, separator="; ")


def verdict(findings: Iterable[Finding]) -> str:
    """``failed`` if anything failed; warnings pass. Nothing at all proves nothing: that is ``failed``, too."""
    statuses = {finding.status for finding in findings}
    return PASSED if statuses and FAILED not in statuses else FAILED


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Failures, then warnings, then what passed; in their order otherwise."""
    return sorted(findings, key=lambda finding: -STATUSES.index(finding.status))
