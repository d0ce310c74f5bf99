"""What the team is told of a procedure: that it begins, and go or no go."""

from __future__ import annotations

from typing import Any

from ..findings import FAILED as BAD
from ..findings import PASSED, Finding
from .checklists import ANNOUNCE, RECORD, TELL
from .document import DONE, FAILED, GO, NO_GO, PENDING, SKIPPED, Custody, Procedure, Step

BEGUN = "begun"
_MARKS = {DONE: "done", FAILED: "FAILED", SKIPPED: "left out", PENDING: "not done"}
_SHOWN = 10


def announcement(document: Procedure) -> dict[str, Any]:
    """The value of the option ``announcement`` of ``backup_alert``.

    :param document: at its beginning; or at its end, as :func:`running.finish` will make it.
    """
    state = BEGUN if document.finished is None else GO if document.verdict == GO else NO_GO
    return {"state": state, "subject": title(document), "lines": _lines(document), "thread": document.thread}


def findings(document: Procedure) -> list[Finding]:
    """The condition that an alert tells of: that the procedure did its work, or not."""
    if document.verdict == NO_GO and document.finished is not None:
        message = f"{title(document)}: no go: {document.reason}"
        return [Finding(check="job", subject=document.procedure, status=BAD, message=message)]
    return [Finding(check="job", subject=document.procedure, status=PASSED, message=f"{title(document)}: go")]


def title(document: Procedure) -> str:
    """What the procedure is called: ``pre_deploy v1.2``."""
    parts = (document.procedure, document.state, document.reference)
    return " ".join(part for part in parts if part)


def _lines(document: Procedure) -> list[str]:
    steps = [step for step in document.steps if step.name not in (ANNOUNCE, TELL, RECORD)]
    if document.finished is None:
        return [f"It begins, {_by(document.custody)}.", *(f"- {step.title}" for step in steps if step.required)]
    lines = [document.reason] if document.reason else []
    if document.backup is not None:
        places = ", ".join(f"{copy.location} ({copy.status})" for copy in document.backup.copies)
        lines.append(f"Backup {document.backup.id} in {places}" if places else f"Backup {document.backup.id}")
    return [*lines, *document.differences[:_SHOWN], *(_line(step) for step in steps)]


def _by(custody: Custody) -> str:
    who = f"{custody.by}, as {custody.user}" if custody.by else custody.user
    return f"run by {who} on {custody.host}{f', job {custody.job}' if custody.job else ''}"


def _line(step: Step) -> str:
    evidence = f": {step.evidence[0]}" if step.evidence else ""
    return f"- {_MARKS[step.status]}: {step.title}{evidence}"
