"""What a check is asked for: the limits, checked as far as that goes without touching the world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..backupset.naming import check_kind, check_name
from ..documents.records import Record
from ..documents.values import Mismatch
from ..durations import parse_duration, parse_time
from ..errors import ConfigError
from ..findings import FAILED, PASSED, STATUSES, Finding
from .managed import failure_of, is_asked

STEP = "check the options"
NEWEST, NONE = "newest", "none"


@dataclass(frozen=True)
class CheckRequest:
    """The limits that one database's backups are checked against.

    :param schedule: kind of backup -> how old its newest good set may be.
    :param min_copies: good copies that the newest set must have; 0 is one in every location.
    :param read: whether the files of the newest sets are read and their SHA-256 compared.
    :param drill_within: how long ago the last drill may be; None does not look for drills.
    :param holds_within: holds that end so soon are told.
    :param review_by: until when somebody has to look through the procedures again; None does not look.
    :param others: what was found by others and counts, too.
    :param adopt: the system identifier of another database whose sets are this one's, too.
    """

    label: str
    schedule: Mapping[str, timedelta]
    min_copies: int
    read: bool
    drill_within: timedelta | None
    holds_within: timedelta
    review_by: datetime | None = None
    others: tuple[Finding, ...] = ()
    adopt: str | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> CheckRequest:
        """From the module's parameters; raise :class:`ConfigError` if one of them cannot be right."""
        if not params["schedule"]:
            raise ConfigError(STEP, "schedule is empty", hint="say what is expected: {weekly: 8d}")
        schedule = {
            check_kind(kind): parse_duration(limit, f"schedule.{kind}") for kind, limit in params["schedule"].items()
        }
        if not 0 <= params["min_copies"] <= len(params["locations"]):
            raise ConfigError(
                STEP,
                f"min_copies is {params['min_copies']}, and there are {len(params['locations'])} locations",
                hint="0 for a copy in each",
            )
        drills = params["drill_within"]
        return cls(
            label=check_name(params["label"], "label"),
            schedule=schedule,
            min_copies=params["min_copies"],
            read=params["read"] == NEWEST,
            drill_within=None if drills in ("", NONE) else parse_duration(drills, "drill_within"),
            holds_within=parse_duration(params["holds_within"], "holds_within"),
            review_by=parse_time(params["review_by"], "review_by") if params["review_by"] else None,
            others=(
                *_parse_findings(params["findings"]),
                *_bucket_findings(params["buckets"]),
                *_supabase_findings(params.get("supabase") or {}),
            ),
            adopt=params.get("adopt"),
        )


def _parse_findings(given: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    record = Record(Finding)
    found = []
    for one in given:
        try:
            found.append(record.read({"subject": "", **{k: v for k, v in one.items() if v is not None}}))
        except Mismatch as mismatch:
            hint = f"check, subject, status ({', '.join(STATUSES)}) and message"
            raise ConfigError(STEP, f"findings: {mismatch}", hint=hint) from None
    return tuple(found)


def _bucket_findings(results: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """What ``bucket_policy`` would change, as registered in check mode: a bucket is as declared if that is nothing."""
    for result in results:
        if result.get("skipped"):
            continue
        name = str((result.get("bucket") or {}).get("name") or "")
        if result.get("failed") or result.get("unreachable"):
            status, message = FAILED, str(result.get("msg") or "it could not be read")
        elif result.get("changed"):
            status = FAILED
            message = f"not as declared: {'; '.join(result.get('changes') or ())} (mobul.backup.bucket does it)"
        else:
            status, message = PASSED, "as declared"
        yield Finding(check="bucket", subject=name, status=status, message=message)


def _supabase_findings(result: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What ``supabase_backup_info`` found, as it was registered; that it could tell nothing is a failure."""
    if not is_asked(result):
        return ()
    failure = failure_of(result)
    return (failure,) if failure is not None else _parse_findings(result.get("findings") or ())
