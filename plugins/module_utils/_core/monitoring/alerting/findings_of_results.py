"""From what a task returned to the conditions that an alert tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...findings import FAILED, PASSED, STATUSES, WARNING, Finding, ended_badly, verdict

_UNKNOWN = "ended without a message (see the output of the run)"

Result = Mapping[str, Any]


def findings_of(results: Sequence[Result], source: str) -> list[Finding]:
    """What the registered results of a procedure's tasks say.

    :param results: as Ansible registers them; an empty one is that of a task that never ended. A task that
        was skipped, or a backup that was because another one is running, says nothing.
    :param source: the procedure that they belong to.
    """
    found: list[Finding] = []
    for result in _single(results):
        if result.get("skipped") or result.get("skipped_because"):
            continue
        own = read_findings(result.get("findings") or ())
        found += [_job(result, source, own), *_uploads(result), *_damaged(result), *own]
    return found


def read_findings(given: Sequence[object]) -> list[Finding]:
    """Parse findings from the form in which modules return them.

    An alert is no place to be strict: what is missing is made up for, and a status that is none counts as failed.
    """
    found = []
    for one in given:
        fields: Mapping[str, Any] = one if isinstance(one, Mapping) else {"message": one}
        status = fields.get("status")
        found.append(
            Finding(
                check=str(fields.get("check") or "unknown"),
                subject=str(fields.get("subject") or ""),
                status=status if status in STATUSES else FAILED,
                message=str(fields.get("message") or "no details are given"),
            )
        )
    return found


def _single(results: Sequence[Result]) -> Iterator[Result]:
    """Each result alone; the results of a loop one by one."""
    for result in results:
        items = result.get("results")
        if isinstance(items, list) and items and all(isinstance(item, Mapping) for item in items):
            yield from _single(items)
        else:
            yield result


def _job(result: Result, source: str, own: Sequence[Finding]) -> Finding:
    """Whether the task did its work. One that failed because of what it found has done it, and its findings say why."""
    if ended_badly(result):
        if own and verdict(own) == FAILED:
            message = "ended; its findings are reported separately"
            return Finding(check="job", subject=source, status=PASSED, message=message)
        return Finding(check="job", subject=source, status=FAILED, message=_reason(result))
    summary = result.get("summary")
    first = str(summary[0]) if isinstance(summary, list) and summary else "ended"
    return Finding(check="job", subject=source, status=PASSED, message=first)


def _reason(result: Result) -> str:
    # A task whose output is hidden (no_log) has no message.
    reason = str(result.get("msg") or result.get("censored") or _UNKNOWN).strip()
    lines = str(result.get("module_stderr") or "").strip().splitlines()
    # Of a module that could not even start, for example a missing Python, the message says less than its last words.
    return f"{reason}\n{lines[-1]}" if lines else reason


def _uploads(result: Result) -> Iterator[Finding]:
    """The copies of a backup. A missing one is a failure where the backup failed, too; ``min_copies`` decides that."""
    locations = result.get("locations")
    if "copies" not in result or not isinstance(locations, list):
        return
    bad = FAILED if ended_badly(result) else WARNING
    for location in locations:
        name, status = str(location.get("name")), location.get("status")
        if status == "good":
            yield Finding(check="upload", subject=name, status=PASSED, message="the copy is there")
        elif status == "failed":
            reason = str(location.get("error") or "no copy is there")
            yield Finding(check="upload", subject=name, status=bad, message=reason)


def _damaged(result: Result) -> Iterator[Finding]:
    """Findings about the damaged copies that a replication reported."""
    damaged = result.get("damaged")
    if not isinstance(damaged, list):
        return
    lines = [
        f"{one.get('id')} in location '{one.get('location')}': {one.get('problem')}"
        for one in damaged
        if not one.get("repaired")
    ]
    if lines:
        message = "\n".join([*lines, "a good copy takes their place with cleanup_repair: true"])
        yield Finding(check="damaged_copies", status=WARNING, message=message)
    else:
        yield Finding(check="damaged_copies", status=PASSED, message="no copy is damaged")
