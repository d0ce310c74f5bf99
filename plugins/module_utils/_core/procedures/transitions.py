"""A procedure under way: pure steps from one document to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from .checklists import RECORD, TELL, ChecklistOptions, checklist
from .document import (
    CHECKED,
    DONE,
    FAILED,
    GO,
    NO_GO,
    PENDING,
    SKIPPED,
    Backup,
    Custody,
    Procedure,
    Step,
    missing_steps,
)
from .results import Outcome


def begin(
    procedure: str,
    state: str | None,
    *,
    host: str,
    label: str,
    environment: str | None,
    reference: str | None,
    options: ChecklistOptions,
    custody: Custody,
    check_mode: bool,
    now: datetime,
) -> Procedure:
    """The document of a run that has done nothing yet. It says no go, as does that of one that is killed.

    :param now: UTC.
    """
    what = [procedure, *([state] if state else []), *([reference] if reference else [])]
    found = Procedure(
        procedure=procedure,
        state=state,
        host=host,
        label=label,
        environment=environment,
        reference=reference,
        thread=f"mobul.backup/{label}/{'/'.join(what)}/{now:%Y%m%dT%H%M%SZ}",
        check_mode=check_mode,
        started=now,
        finished=None,
        verdict=NO_GO,
        reason="it has not begun",
        steps=checklist(procedure, state, options),
        backup=None,
        differences=(),
        custody=custody,
    )
    return replace(found, reason=_unfinished(found.steps))


def blamed(document: Procedure) -> str:
    """The step that a failure belongs to which no step has recorded.

    It is one without which there is no go, and is not done later all the same, as the team is told.
    """
    return _next([step for step in document.steps if step.required and step.name != TELL]) or RECORD


def failure(document: Procedure) -> Step | None:
    """The first required step that failed."""
    return next((step for step in document.steps if step.required and step.status == FAILED), None)


def advance(document: Procedure, name: str, outcome: Outcome, now: datetime) -> Procedure:
    """The document after a step has ended, whichever way."""
    before = max((step.finished for step in document.steps if step.finished), default=document.started)
    seconds = max(0, int((now - before).total_seconds()))
    steps = tuple(
        replace(
            step,
            status=outcome.status,
            evidence=outcome.evidence,
            finished=now,
            seconds=seconds,
            required=step.required and outcome.needed,
        )
        if step.name == name
        else step
        for step in document.steps
    )
    return replace(
        document,
        steps=steps,
        backup=_merged(document.backup, outcome.backup),
        differences=outcome.differences or document.differences,
        reason=_why(steps) or _unfinished(steps),
    )


def finish(document: Procedure, evidence: tuple[str, ...], now: datetime) -> Procedure:
    """The document at its end: go only where every required step is done.

    :param evidence: where the document is kept, which is its last step.
    """
    # What failed after all other steps is kept as this one's failure.
    if _next(document.steps[-1:]) is not None:
        outcome = Outcome(PENDING if document.check_mode else DONE, evidence)
        document = advance(document, RECORD, outcome, now)
    if document.check_mode:
        failed = _why(document.steps, of=(FAILED,))
        return replace(document, finished=now, verdict=NO_GO if failed else CHECKED, reason=failed)
    reason = _why(document.steps) or _left(document.steps)
    return replace(document, finished=now, verdict=NO_GO if reason else GO, reason=reason)


def conclude(document: Procedure, now: datetime) -> Procedure:
    """What it will be at its end, once the team was told and it was recorded."""
    if any(step.name == TELL and step.status == PENDING for step in document.steps):
        document = advance(document, TELL, Outcome(DONE), now)
    return finish(document, (), now)


def _merged(known: Backup | None, found: Backup | None) -> Backup | None:
    """Of two sets the first one. Of one what a later step says of it, but for what only an earlier one knew."""
    if known is None or found is None or known.id != found.id:
        return known or found
    places = {copy.location: copy for copy in (*known.copies, *found.copies)}
    return replace(
        found,
        copies=tuple(places.values()),
        reused=known.reused,
        files=found.files or known.files,
        manifest_sha256=found.manifest_sha256 or known.manifest_sha256,
    )


def _why(steps: Sequence[Step], of: tuple[str, ...] = (FAILED, SKIPPED)) -> str | None:
    """The first required step that went wrong, with its reason; None if none did."""
    for step in steps:
        if step.required and step.status in of:
            reason = step.evidence[0] if step.evidence else "no reason is given"
            return f"step '{step.name}' {'failed' if step.status == FAILED else 'was left out'}: {reason}"
    return None


def _next(steps: Sequence[Step]) -> str | None:
    """The first step that has not ended. In check mode one that has is pending, as nothing was done."""
    return next((step.name for step in steps if step.status == PENDING and step.finished is None), None)


def _left(steps: Sequence[Step]) -> str | None:
    missing = missing_steps(steps)
    return f"it did not reach step '{missing[0].name}'" if missing else None


def _unfinished(steps: Sequence[Step]) -> str:
    at = _next(steps)
    return f"it has not ended: it is at step '{at}'" if at else "it has not ended"
