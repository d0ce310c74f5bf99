"""What is known of every location before anything is written: all of them are asked at the same time."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..backupset.signing import VerifyKey
from ..catalogue import LoadedSet, Problems, Unfinished, find_unfinished, newest_set, reap
from ..errors import BackupError, ConfigError, LocationError, PreflightError
from ..locations.base import Location
from ..stream.pipeline import as_backup_error

STEP = "check the locations"
UNFINISHED_AFTER = timedelta(hours=24)
"""How old a leftover must be before a later run removes it: no backup takes that long without writing."""

_DATABASE_PER_DUMP = 20
"""A first dump is refused only where not even a twentieth of the database's size is free."""


@dataclass(frozen=True)
class Cleared:
    """What became of that which earlier runs had left in a location.

    :param removed: a line each, with the location's name.
    :param warnings: what is still there, and why.
    """

    removed: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """The state of one location before the backup, or the error that kept it from being read.

    :param error: why it cannot be used; the rest is then empty.
    :param missing: its root is not there yet, and can be made.
    :param free: bytes, where the store can say it.
    """

    location: Location
    error: BackupError | None = None
    missing: bool = False
    free: int | None = None
    newest: LoadedSet | None = None
    unfinished: tuple[Unfinished, ...] = ()
    problems: Problems = field(default_factory=Problems)

    def make_root(self) -> None:
        """Make the root if it is missing; where that fails, whatever writes there tells why."""
        if self.missing:
            with contextlib.suppress(LocationError):
                self.location.check()

    def reap(self) -> Cleared:
        """Remove what earlier runs left unfinished here, and say what that was."""
        name, reaped = self.location.name, reap(self.location, self.unfinished)
        kept = [f"{name}: what an earlier run left was not removed: {problem}" for problem in reaped.kept]
        failed = [f"{name}: what an earlier run left could not be removed: {error}" for error in reaped.failures]
        return Cleared(tuple(f"{name}: {text}" for text in reaped.removed), (*kept, *failed))


class Surveyors:
    """Looks at all locations in the background, so that it overlaps with looking at the server.

    :param verify_keys: with any, only a set that was signed by one of them can be the one before.
    """

    def __init__(
        self, locations: Sequence[Location], label: str, now: datetime, verify_keys: Sequence[VerifyKey]
    ) -> None:
        self._label = label
        self._keys = verify_keys
        self._now = now
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(locations)), thread_name_prefix="survey")
        self._futures: list[Future[Survey]] = [self._pool.submit(self._survey, location) for location in locations]

    def wait(self) -> list[Survey]:
        """Wait for all surveys and return them in the order of the locations."""
        return [future.result() for future in self._futures]

    def close(self) -> None:
        """Wait for surveys that still run, and release their threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _survey(self, location: Location) -> Survey:
        try:
            if not location.check(trial=True):
                return Survey(location, missing=True, free=location.free_bytes())
            problems = Problems()
            newest = newest_set(location, self._label, problems, self._keys)
            unfinished = find_unfinished(
                location, self._label, now=self._now, older_than=UNFINISHED_AFTER, problems=problems
            )
            return Survey(
                location,
                free=location.free_bytes(),
                newest=newest,
                unfinished=tuple(unfinished),
                problems=problems.once(),
            )
        except Exception as error:
            return Survey(location, error=as_backup_error(error, f"{STEP}: {location.name}"))


def previous_set(surveys: Sequence[Survey]) -> LoadedSet | None:
    """The newest set of the label in any location; None if there is none."""
    found = [survey.newest for survey in surveys if survey.newest is not None]
    return max(found, key=lambda one: one.id, default=None)


def locations_without_newest(surveys: Sequence[Survey]) -> list[str]:
    """The locations that lack the newest set of the label: a copy of it failed, or they are new."""
    newest = previous_set(surveys)
    looked_at = [survey for survey in surveys if survey.error is None]
    return [
        survey.location.name
        for survey in looked_at
        if newest is not None and (survey.newest is None or survey.newest.id < newest.id)
    ]


def disagreements(surveys: Sequence[Survey]) -> list[str]:
    """Copies of the newest set whose manifests differ: one of them is not what was written."""
    newest = previous_set(surveys)
    holders = [
        (survey.location.name, survey.newest)
        for survey in surveys
        if survey.newest is not None and newest is not None and survey.newest.id == newest.id
    ]
    return [
        f"{name}: the manifest of {found.id} differs from the one in location '{holders[0][0]}': one of them is not "
        "what was written"
        for name, found in holders[1:]
        if found.sha256 != holders[0][1].sha256
    ]


def check_surveys(surveys: Sequence[Survey], *, wanted: int, expected_bytes: int) -> None:
    """Refuse to begin where fewer than *wanted* copies could be written.

    :param expected_bytes: of the whole set, a low estimate.
    :raises PreflightError: naming every location that cannot be used and why.
    """
    reasons = [reason for survey in surveys if (reason := reason_against(survey, expected_bytes))]
    usable = len(surveys) - len(reasons)
    if usable < wanted:
        joined_reasons = "; ".join(str(reason) for reason in reasons)
        message = f"{usable} of {len(surveys)} locations can be used, {wanted} are needed: {joined_reasons}"
        if all(isinstance(reason, ConfigError) for reason in reasons):
            raise ConfigError(STEP, message)
        raise PreflightError(STEP, message)


def reason_against(survey: Survey, expected_bytes: int) -> BackupError | None:
    """The error for a location that cannot take the set; None if it can."""
    if survey.error is not None:
        return survey.error
    if survey.free is not None and survey.free < expected_bytes:
        return PreflightError(
            STEP,
            f"location '{survey.location.name}' has {survey.free:,} bytes free, about {expected_bytes:,} are needed",
            hint="make room there, or prune old sets",
        )
    return None


def expected_size(database_bytes: int, previous_bytes: int | None) -> int:
    """A low estimate of a set's size: what the last one had, or a small part of the database."""
    return database_bytes // _DATABASE_PER_DUMP if previous_bytes is None else previous_bytes
