"""The checks that the catalogue alone answers; each condition is one finding, whether it is good or bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ..backupset.naming import SKIPPED
from ..backupset.record_trust import TrustedDrill
from ..backupset.set_records import Drill
from ..catalogue.all_locations import Catalogue, KnownSet
from ..catalogue.identity import databases_of, find_mixture
from ..catalogue.selector import is_ahead
from ..durations import readable_duration
from ..findings import FAILED, PASSED, WARNING, Finding, joined
from .request import CheckRequest
from .size_band import LARGE, NORMAL, SMALL, UNKNOWN, judge_size

_UNFINISHED_AFTER = timedelta(hours=24)
_SHOWN = 5
_SET_PARTS = 5
"""Of a key: the label, year, month and day, and the directory of a set."""
_SIZE_STATUS = {SMALL: FAILED, LARGE: WARNING, NORMAL: PASSED, UNKNOWN: PASSED}


def newest_good(catalogue: Catalogue, kind: str | None = None) -> KnownSet | None:
    """The newest set of a kind, or backup of any, that has a good copy and is not from the future."""
    sets = catalogue.backups if kind is None else [one for one in catalogue.finished if one.id.kind == kind]
    found = (one for one in reversed(sets) if one.good)
    return next((one for one in found if not is_ahead(one.id)), None)


def scheduled_sets(catalogue: Catalogue, request: CheckRequest) -> list[KnownSet]:
    """The newest good set of each kind that is scheduled, each once."""
    found = (newest_good(catalogue, kind) for kind in request.schedule)
    return [one for one in found if one is not None]


def check_recovery_points(catalogue: Catalogue, request: CheckRequest, now: datetime) -> Iterator[Finding]:
    """Whether the newest good set of each kind is young enough, by kind."""
    for kind, limit in request.schedule.items():
        newest = newest_good(catalogue, kind)
        if newest is None:
            status, message = FAILED, f"there is no good {kind} backup"
        else:
            age = now - newest.id.time
            status = FAILED if age > limit else PASSED
            message = f"{newest.id} is {readable_duration(age)} old, {readable_duration(limit)} are allowed"
        younger = (one for one in catalogue.finished if newest is None or one.id > newest.id)
        worse = [one for one in younger if one.id.kind == kind and not one.good]
        if worse:
            message += f"; {worse[-1].id} came later and is damaged: {_joined(worse[-1].problems)}"
        if status == FAILED and (other := newest_good(catalogue)) is not None and other is not newest:
            message += f"; the newest good backup of any kind is {other.id}"
        yield Finding(check="recovery_point", subject=kind, status=status, message=message)


def check_clock(catalogue: Catalogue, now: datetime) -> Finding:
    """Whether a set is from the future, as a runner whose clock is wrong makes it: it is never taken for the newest."""
    ahead = [str(one.id) for one in catalogue.sets if is_ahead(one.id, now)]
    if not ahead:
        return Finding(check="clock", status=PASSED, message="no set is from the future")
    message = (
        f"from the future: {_joined(ahead)}: set the clock of the host that made them right, and delete them there"
    )
    return Finding(check="clock", status=FAILED, message=message)


def check_identity(catalogue: Catalogue, request: CheckRequest) -> Finding:
    """Whether all sets are of one database, upgrades and moves apart."""
    mixture = find_mixture(databases_of(catalogue, request.adopt))
    if mixture is None:
        return Finding(check="identity", status=PASSED, message="no set of another database is among them")
    return Finding(check="identity", status=FAILED, message=f"{mixture}: {mixture.remedy}")


def check_skips(catalogue: Catalogue, request: CheckRequest) -> Iterator[Finding]:
    """Whether backups were skipped again and again because another one was running, by kind."""
    skips = [one.id for one in catalogue.sets if one.skipped]
    for kind in dict.fromkeys([*request.schedule, *(one.kind for one in skips)]):
        # Nobody waits for a kind that is not scheduled: a set of any kind will do.
        newest = newest_good(catalogue, kind if kind in request.schedule else None)
        row = [one for one in skips if one.kind == kind and (newest is None or one > newest.id)]
        if len(row) < 2:
            message = "none was skipped" if not row else f"{row[0]} alone, because another backup was running"
            yield Finding(check="skipped", subject=kind, status=PASSED, message=message)
            continue
        yield Finding(
            check="skipped",
            subject=kind,
            status=FAILED if kind in request.schedule else WARNING,
            message=f"{len(row)} in a row were not made because another backup was running, the last one {row[-1]} "
            f"({row[-1].directory(catalogue.label)}/{SKIPPED} says which session that was: end it if it hangs)",
        )


def check_copies(catalogue: Catalogue, request: CheckRequest, names: Sequence[str]) -> Iterator[Finding]:
    """Whether the newest set of each kind is good in every location, by location.

    :param names: of all locations.
    """
    wanted = scheduled_sets(catalogue, request)
    for name in names:
        if name in catalogue.failures:
            enough = bool(wanted) and all(0 < request.min_copies <= len(one.good) for one in wanted)
            status, message = WARNING if enough else FAILED, f"it could not be read: {catalogue.failures[name]}"
            yield Finding(check="copies", subject=name, status=status, message=message)
            continue
        problems, enough = [], True
        for one in wanted:
            if name in one.good:
                continue
            copy = one.copies.get(name)
            absent = "not read" if name in one.unknown else "missing"
            # What is unfinished has no problems that could be named.
            state = absent if copy is None else ": ".join(filter(None, (copy.state, _joined(copy.problems))))
            problems.append(f"{one.id} is {state}")
            enough = enough and 0 < request.min_copies <= len(one.good)
        if problems:
            status = WARNING if enough else FAILED
            message = f"{'; '.join(problems)} (backup_replicate and the clean-up make up for it)"
        else:
            status, message = PASSED, f"has {', '.join(str(one.id) for one in wanted) or 'nothing that it should have'}"
        yield Finding(check="copies", subject=name, status=status, message=message)


def check_integrity(catalogue: Catalogue, request: CheckRequest, now: datetime) -> Iterator[Finding]:
    """Whether there is anything damaged, foreign, doubtful or left unfinished, by location."""
    doubts = list(catalogue.doubts(now))
    # Copies of these are a condition of their own.
    looked_at = {one.id for one in scheduled_sets(catalogue, request)}
    for name, index in catalogue.indexes.items():
        damaged = [one for one in index.copies.values() if one.state == "damaged" and one.id not in looked_at]
        texts = [*index.unseen_locations(), *(f"{one.id}: {_joined(one.problems)}" for one in damaged)]
        bad = bool(damaged or index.unseen)
        status = FAILED if bad else PASSED
        known = [*damaged, *(index.copies[one] for one in looked_at if one in index.copies)]
        inside = {one.id.directory(catalogue.label) for one in known}
        foreign = [str(one) for one in index.problems if "/".join(one.key.split("/")[:_SET_PARTS]) not in inside]
        if foreign:
            texts += [f"not of this collection: {text}" for text in foreign]
            status = FAILED if bad else WARNING
        if doubtful := [str(doubt) for doubt in doubts if doubt.location == name]:
            texts.append(f"doubtful records: {_joined(doubtful)}")
            status = FAILED if bad else WARNING
        good = sum(one.state == "good" for one in index.copies.values())
        message = _joined(texts) if texts else f"{good} good sets, and no damaged ones as far as a listing shows"
        yield Finding(check="integrity", subject=name, status=status, message=message)
        left = [
            str(one.id)
            for one in index.copies.values()
            if one.state == "unfinished" and not one.skipped and now - (one.modified or now) > _UNFINISHED_AFTER
        ]
        report = (
            f"left by runs that were cut off: {_joined(left)} (the clean-up removes it)" if left else "nothing is left"
        )
        yield Finding(check="unfinished", subject=name, status=WARNING if left else PASSED, message=report)


def check_sizes(catalogue: Catalogue, request: CheckRequest) -> Iterator[Finding]:
    """Whether the dump of the newest backup of each kind has a likely size, by kind."""
    for one in (one for one in scheduled_sets(catalogue, request) if one.id.is_backup):
        history = [other.dump_size for other in catalogue.backups if other.good and other.id < one.id]
        judged = judge_size(one.dump_size, history)
        status = _SIZE_STATUS[judged.status]
        yield Finding(check="size", subject=one.id.kind, status=status, message=f"{one.id}: {judged.message}")


def check_drills(catalogue: Catalogue, request: CheckRequest, now: datetime) -> Iterator[Finding]:
    """Whether the last drill was recent, and whether that of every location was good."""
    limit = request.drill_within
    first = next((one for one in catalogue.backups if one.good), None)
    if limit is None or first is None:
        return
    drills = all_drills(catalogue, now)
    failed = [drill for drill in _last_of_each_location(drills) if drill.verdict != PASSED]
    if failed:
        failures = [f"{one.id} from location '{one.location}' on {one.finished:%Y-%m-%d %H:%M} UTC" for one in failed]
        reasons = [str(finding) for one in failed for finding in one.findings if finding.status == FAILED]
        status, message = FAILED, f"the last drill failed: {_joined([*failures, *reasons])}"
    else:
        status, message = _last_good(catalogue, drills, now, limit, young=now - first.id.time <= limit)
    yield Finding(check="drill", status=status, message=message)


def _last_good(
    catalogue: Catalogue, drills: Sequence[TrustedDrill], now: datetime, limit: timedelta, *, young: bool
) -> tuple[str, str]:
    """Whether there was a good drill in time, for every location: an unsigned record speaks for its own alone.

    :param young: no drill is expected yet.
    """
    passed = [one for one in drills if one.drill.verdict == PASSED]
    if not passed:
        if young:
            return PASSED, f"none yet; the first backup is not {readable_duration(limit)} old"
        return FAILED, "no backup was ever restored to see whether it can be (mobul.backup.verify does it)"
    last = {name: one.drill.finished for one in passed for name in sorted(one.counts_in)}
    age = now - max(last.values())
    message = f"the last good drill was {readable_duration(age)} ago, {readable_duration(limit)} are allowed"
    if age > limit:
        return FAILED, message
    places = [name for name in catalogue.indexes if any(name in one.good for one in catalogue.backups)]
    unproven = [name for name in places if name not in last or now - last[name] > limit]
    if catalogue.vouching and unproven and not young:
        reason = (
            f"no record of it is signed with a record_verify_key, so that it proves nothing in {', '.join(unproven)}"
        )
        return FAILED, f"{message}; {reason} (restore_drill signs with a record_signing_key)"
    old = [name for name in unproven if name in last]
    if old:
        return (
            WARNING,
            f"{message}; the last one of {', '.join(old)} is older, and no signed record covers all locations",
        )
    return PASSED, message


def check_holds(catalogue: Catalogue, request: CheckRequest, now: datetime) -> Iterator[Finding]:
    """Findings about holds that end soon."""
    ending = []
    for one in catalogue.finished:
        hold = one.counted(now).hold
        if hold is not None and hold.until is not None and hold.until - now <= request.holds_within:
            ending.append(f"{one.id} on {hold.until:%Y-%m-%d %H:%M} UTC ({hold.reason})")
    status, message = PASSED, f"none ends within {readable_duration(request.holds_within)}"
    if ending:
        status, message = WARNING, f"about to end: {_joined(ending)} (backup_hold with a later until keeps it)"
    yield Finding(check="holds", status=status, message=message)


def check_review(request: CheckRequest, now: datetime) -> Iterator[Finding]:
    """Whether the procedures have been looked through by the day that was set for it."""
    if request.review_by is None:
        return
    day = f"{request.review_by:%Y-%m-%d}"
    status, message = PASSED, f"the procedures are to be reviewed by {day}"
    if now >= request.review_by:
        message = f"the procedures were to be reviewed by {day}: look through them and set a new review_by"
        status = WARNING
    yield Finding(check="review", status=status, message=message)


def all_drills(catalogue: Catalogue, now: datetime) -> list[TrustedDrill]:
    """The trusted drills of all sets, the earliest first."""
    found = [drill for one in catalogue.backups for drill in one.counted(now).drills]
    return sorted(found, key=lambda one: one.drill.finished)


def _last_of_each_location(drills: Sequence[TrustedDrill]) -> list[Drill]:
    return list({one.drill.location: one.drill for one in drills}.values())


def _joined(texts: Sequence[str]) -> str:
    return joined(texts, limit=_SHOWN)
