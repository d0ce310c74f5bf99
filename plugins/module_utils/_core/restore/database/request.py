"""What a restore of a database is asked for, checked as far as that goes without touching the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError
from ...platforms.profile import Profile
from ...postgres.limits import check_jobs, check_lock_timeout
from ..environments import check_environment
from ..source_options import SourceOptions
from .expected_differences import NOTHING_EXPECTED, ExpectedDifferences
from .search_paths import NO_SEARCH_PATHS, SearchPaths

STEP = "check the options"
STATES = ("restored", "finalized", "reverted", "resumed")
OUTBOUND = ("paused", "active")


@dataclass(frozen=True, kw_only=True)
class RestoreRequest(SourceOptions):
    """Everything a restore is asked for, beside how to reach the database, the locations and the keys.

    :param database: the database to restore.
    :param strategy: None leaves the choice to what the role may do.
    :param environment: what the inventory says that the target is.
    :param expect_database: the name of the database that was backed up.
    :param scratch: whether nobody is to use what is restored, so that nobody has to log in as a role that is made.
    :param expected: objects that may fail to be restored or be different.
    :param search_paths: of single entries of the dump.
    :param adopt: the system identifier of the server whose set may replace something on another one.
    :param safety_backup: options of a backup of the target that is made before anything changes.
    :param profile: of the platform that hosts the database.
    :param end_connections: whether other sessions may be ended for the exchange.
    :param lock_timeout: seconds to wait for a lock.
    :param outbound: whether what calls out in the restored database is paused, or active as in the backup.
    """

    database: str
    state: str = "restored"
    strategy: str | None = None
    jobs: int = 1
    environment: str | None = None
    expect_database: str | None = None
    scratch: bool = False
    expected: ExpectedDifferences = NOTHING_EXPECTED
    search_paths: SearchPaths = NO_SEARCH_PATHS
    adopt: str | None = None
    safety_backup: Mapping[str, Any] | None = field(default=None, repr=False)
    maintenance_db: str = "postgres"
    end_connections: bool = True
    lock_timeout: int = 60
    pg_bin_dir: str | None = None
    profile: Profile | None = None
    outbound: str = "paused"

    def __post_init__(self) -> None:
        if not self.database:
            raise ConfigError(STEP, "login_db is empty", hint="name the database to restore")
        if self.state not in STATES:
            raise ConfigError(STEP, f"state is {self.state!r}", hint=", ".join(STATES))
        if self.outbound not in OUTBOUND:
            raise ConfigError(STEP, f"outbound is {self.outbound!r}", hint=" or ".join(OUTBOUND))
        check_jobs(self.jobs, STEP)
        check_lock_timeout(self.lock_timeout, STEP)
        if self.database == self.maintenance_db and not self.is_projects:
            other, profile = "postgres", ""
            if self.database == "postgres":
                other, profile = "template1", "; a project of Supabase has profile: supabase instead"
            raise ConfigError(
                STEP,
                f"maintenance_db is {self.database!r}, the database that is to be restored",
                hint=f"say maintenance_db: {other}, to be connected to that one meanwhile{profile}",
            )
        if self.state == "restored":
            self.check_source()

    @property
    def is_projects(self) -> bool:
        """Whether the database is the one that each project of the platform has: there is no other beside it."""
        return self.profile is not None and self.database == self.profile.database

    @property
    def beside(self) -> str:
        """The database to connect to meanwhile: where there is no other, the target itself."""
        return self.database if self.is_projects else self.maintenance_db

    @property
    def title(self) -> str:
        """The name of the platform; empty if there is none."""
        return "" if self.profile is None else self.profile.title

    def check_source(self) -> None:
        """See :meth:`SourceOptions.check_source`; the inventory may say of which environment the database is, too."""
        super().check_source()
        if self.environment is not None and self.environment != self.expect_environment:
            raise ConfigError(
                STEP,
                f"the inventory says that database {self.database!r} belongs to environment {self.environment!r}, "
                f"and expect_environment is {self.expect_environment!r}",
                hint="nothing was touched; is it the right host of the inventory?",
            )

    def check_origin(self, environment: str | None, database: str) -> None:
        """Refuse a set of another environment or of a database of another name."""
        expected = self.expect_database or self.database
        check_environment(environment, self.expect_environment)
        if database != expected:
            raise ConfigError(
                "check the backup",
                f"the backup is of database {database!r}, not of {expected!r}",
                hint=f"nothing was touched; to restore it under another name say expect_database: {database}",
            )
