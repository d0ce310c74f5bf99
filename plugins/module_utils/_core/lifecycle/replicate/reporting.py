"""What a replication tells its caller: values for playbooks, and a summary that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import BackupError, ReportedError
from ...texts import first_lines, page, readable_size
from .copying import Copied, Outcome
from .planning import ReplicationRequest, SetPlan

_SHOWN = 100
"""Of what is missing or damaged no more is told one by one: whoever can write there can make any number."""


class StillMissing(ReportedError):
    """Not every location has every set."""


@dataclass
class Report:
    """Collects the result of ``backup_replicate``.

    :param planned: whether nothing was done yet, and all of it is what would be.
    """

    request: ReplicationRequest
    planned: bool
    sets: int = 0
    changed: bool = False
    copied: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    damaged: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add_unread(self, failures: Mapping[str, BackupError]) -> None:
        """Add locations whose catalogue could not be read."""
        self.missing += [_missing(None, name, str(error)) for name, error in failures.items()]

    def add_plan(self, plan: SetPlan) -> None:
        """Add the plan of one set: what is missing where."""
        self.sets += 1
        for name, problem in (plan.damaged or {}).items():
            self._add_damaged(plan, name, problem)
        for name in plan.waiting:
            self.warnings.append(
                f"{plan.id} in location '{name}' was left alone: it is not finished there, and as another copy was "
                "finished in the last hour a backup may still be at work"
            )
        if plan.problem is not None:
            self.missing.append(_missing(plan, None, plan.problem))
        if self.planned:
            for target in plan.targets:
                copied = Copied(target.location.name, plan.sources[0].name, target.size, target.repairs)
                self._add_copied(plan, copied)

    def add_outcome(self, plan: SetPlan, outcome: Outcome) -> None:
        """Add the outcome of one set."""
        self.changed = self.changed or outcome.changed
        for copied in outcome.copied:
            self._add_copied(plan, copied)
        for name, error in outcome.missing.items():
            self.missing.append(_missing(plan, name, str(error)))
        for location, problem in outcome.damaged.items():
            self._add_damaged(plan, location.name, problem)
        self.warnings += [f"passed over as a source: {error}" for error in outcome.failures.values()]
        self.warnings += outcome.warnings
        repaired = {copied.location for copied in outcome.copied if copied.repaired}
        for one in self.damaged:
            if one["id"] == str(plan.id) and one["location"] in repaired:
                one["repaired"] = True

    def to_dict(self) -> dict[str, Any]:
        """The result of ``backup_replicate``."""
        summary = self._summary()
        warnings = [_damaged_line(one) for one in self.damaged if not one["repaired"]]
        return {
            "changed": bool(self.copied) if self.planned else self.changed,
            "label": self.request.label,
            "sets": self.sets,
            "copied": self.copied,
            "missing": self.missing[:_SHOWN],
            "missing_count": len(self.missing),
            "damaged": self.damaged[:_SHOWN],
            "damaged_count": len(self.damaged),
            "warnings": first_lines([*self.warnings, *warnings]),
            "summary": summary,
            "diff": {"before": "", "after": page(map(_copied_line, self.copied))},
        }

    def _summary(self) -> list[str]:
        size = readable_size(sum(one["bytes"] for one in self.copied))
        verb = "would be made" if self.planned else "made"
        if self.sets == 0:
            first = f"{self.request.label}: there is no set to copy"
        else:
            first = (
                f"{self.request.label}: {_count(self.sets, 'set')}, {_count(len(self.copied), 'copy')} {verb}, {size}"
            )
        return [
            first,
            *(f"  {_copied_line(one)}" for one in self.copied),
            *first_lines([f"  {missing_line(one)}" for one in self.missing]),
            *first_lines([f"  {_damaged_line(one)}" for one in self.damaged]),
            *first_lines([f"  {warning}" for warning in self.warnings]),
        ]

    def _add_copied(self, plan: SetPlan, copied: Copied) -> None:
        self.copied.append(
            {
                "id": str(plan.id),
                "location": copied.location,
                "from": copied.source,
                "bytes": copied.size,
                "repaired": copied.repaired,
            }
        )

    def _add_damaged(self, plan: SetPlan, name: str, problem: str) -> None:
        self.damaged.append({"id": str(plan.id), "location": name, "problem": problem, "repaired": False})


def report_run(
    request: ReplicationRequest,
    failures: Mapping[str, BackupError],
    plans: Sequence[SetPlan],
    outcomes: Sequence[Outcome] | None,
) -> dict[str, Any]:
    """What is returned.

    :param outcomes: of each plan; None where nothing was carried out.
    """
    report = Report(request, planned=outcomes is None)
    report.add_unread(failures)
    for number, plan in enumerate(plans):
        report.add_plan(plan)
        if outcomes is not None:
            report.add_outcome(plan, outcomes[number])
    return report.to_dict()


def _missing(plan: SetPlan | None, location: str | None, reason: str) -> dict[str, Any]:
    return {"id": None if plan is None else str(plan.id), "location": location, "reason": reason}


def missing_line(one: Mapping[str, Any]) -> str:
    """What a location lacks, in words."""
    if one["id"] is None:
        return f"what '{one['location']}' lacks is not known: {one['reason']}"
    place = "cannot be copied" if one["location"] is None else f"is missing in '{one['location']}'"
    return f"{one['id']} {place}: {one['reason']}"


def _copied_line(one: Mapping[str, Any]) -> str:
    source = f" from '{one['from']}'" if one["from"] else ""
    repaired = ", in place of a damaged copy" if one["repaired"] else ""
    return f"{one['id']}: {readable_size(one['bytes'])}{source} to '{one['location']}'{repaired}"


def _damaged_line(one: Mapping[str, Any]) -> str:
    repaired = " (repaired)" if one["repaired"] else ""
    return f"{one['id']} in location '{one['location']}' is damaged{repaired}: {one['problem']}"


def _count(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"
