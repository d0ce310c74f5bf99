"""What a drill is asked for, checked as far as that goes without touching the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ...backupset.naming import check_name
from ...catalogue.selector import NEWEST, BackupSelector
from ...durations import parse_duration
from ...errors import ConfigError
from ...platforms.profile import Profile
from ...platforms.profiles import find_profile
from ...postgres.limits import check_jobs, check_lock_timeout
from ...restore.database.expected_differences import NOTHING_EXPECTED, ExpectedDifferences
from ...restore.database.search_paths import NO_SEARCH_PATHS, SearchPaths
from .queries import Query

STEP = "check the options"
SERVER, THROWAWAY = "server", "throwaway"


@dataclass(frozen=True)
class DrillRequest:
    """Everything a drill is asked for, beside how to reach the server, the locations and the keys.

    :param wanted: which set; the newest is that which any location has.
    :param target: ``server``, the one that the connection options lead to, or ``throwaway``, one of our own.
    :param environment: which the set must be of; None does not look.
    :param queries: the user's own checks.
    :param expected: objects that may fail to be restored or be different: a server without an extension that the
        source has, say.
    :param search_paths: of single entries of the dump.
    :param recovery_time: how long a restore may take; None for any time.
    :param record: whether to write the outcome beside the set.
    :param profile: of the platform that hosts the source.
    :param report_dir: where the report is written; None writes none.
    """

    label: str
    wanted: BackupSelector = NEWEST
    target: str = THROWAWAY
    environment: str | None = None
    jobs: int = 1
    queries: tuple[Query, ...] = ()
    expected: ExpectedDifferences = NOTHING_EXPECTED
    search_paths: SearchPaths = NO_SEARCH_PATHS
    recovery_time: timedelta | None = None
    record: bool = True
    report_dir: str | None = None
    maintenance_db: str = "postgres"
    lock_timeout: int = 60
    pg_bin_dir: str | None = None
    throwaway_dir: str | None = None
    run_as: str | None = None
    profile: Profile | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> DrillRequest:
        """From the module's parameters; raise :class:`ConfigError` if one of them cannot be right."""
        plain = (
            "target", "jobs", "record", "report_dir", "lock_timeout", "pg_bin_dir",
            "throwaway_dir", "run_as",
        )  # fmt: skip
        given = {name: params[name] for name in plain if params.get(name) is not None}
        limit = params.get("recovery_time")
        return cls(
            label=check_name(params["label"], "label"),
            wanted=BackupSelector.parse(params["backup"], params.get("before")),
            queries=parse_queries(params.get("checks") or ()),
            search_paths=SearchPaths.parse(params.get("entry_search_path"), STEP),
            expected=ExpectedDifferences.parse(params.get("expected_differences"), STEP),
            environment=params.get("expect_environment"),
            recovery_time=None if limit is None else parse_duration(limit, "recovery_time"),
            maintenance_db=params["login_db"],
            profile=find_profile(params.get("profile")),
            **given,
        )

    def __post_init__(self) -> None:
        check_jobs(self.jobs, STEP)
        check_lock_timeout(self.lock_timeout, STEP)


def parse_queries(given: Sequence[Mapping[str, Any]]) -> tuple[Query, ...]:
    """The user's checks; each has a name of its own, as an alert is named after it."""
    queries = tuple(Query.parse(one) for one in given)
    names = [query.name for query in queries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(STEP, f"checks: several are called {min(twice)!r}", hint="give each a name of its own")
    return queries
