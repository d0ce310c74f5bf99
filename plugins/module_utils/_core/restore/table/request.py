"""What a restore of one table is asked for, checked as far as that goes without touching the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError
from ...platforms.profile import Profile
from ...platforms.profiles import find_profile
from ...postgres.limits import check_lock_timeout
from ..database.expected_differences import NOTHING_EXPECTED, ExpectedDifferences
from ..database.search_paths import NO_SEARCH_PATHS, SearchPaths
from ..environments import check_environment
from ..source_options import SourceOptions

STEP = "check the options"
STATES = ("restored", "finalized", "reverted")


@dataclass(frozen=True, kw_only=True)
class TableRequest(SourceOptions):
    """Everything that is asked for, beside how to reach the database, the locations and the keys.

    :param source_table: what the table is called in the backup; None: as in the database.
    :param column_map: a column's name in the backup -> its name in the table, or empty to leave it out.
    :param mask_columns: columns whose values are not shown in a diff.
    :param max_row_size: MiB that a row of a JSON file may have.
    :param expected: objects that stay as they are, or away, when a table is brought back.
    :param search_paths: of single objects that are made then.
    :param adopt: the system identifier of another database whose set is meant all the same.
    :param lock_timeout: seconds to wait for locks altogether.
    :param profile: of the platform that hosts the database.
    :param outbound: whether what calls out while rows are put in is silent, or active.
    """

    table: str
    source_table: str | None = None
    strategy: str = "swap"
    state: str = "restored"
    column_map: Mapping[str, str] = field(default_factory=dict)
    missing_only: bool = False
    delete_extra: bool = False
    mask_columns: tuple[str, ...] = ()
    max_row_size: int = 16
    expected: ExpectedDifferences = NOTHING_EXPECTED
    search_paths: SearchPaths = NO_SEARCH_PATHS
    adopt: str | None = None
    lock_timeout: int = 60
    pg_bin_dir: str | None = None
    profile: Profile | None = None
    outbound: str = "paused"

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ConfigError(STEP, f"state is {self.state!r}", hint=", ".join(STATES))
        check_lock_timeout(self.lock_timeout, STEP)
        if self.max_row_size < 1:
            raise ConfigError(STEP, f"max_row_size is {self.max_row_size}", hint="MiB, 1 or more")
        if self.state == "restored":
            self.check_source()

    def check_source(self) -> None:
        """See :meth:`SourceOptions.check_source`; two options exclude each other, too."""
        super().check_source()
        if self.missing_only and self.delete_extra:
            raise ConfigError(STEP, "missing_only and delete_extra exclude each other")

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> TableRequest:
        """Make a request of the module's parameters; raise :class:`ConfigError` if they cannot be right."""
        names = (
            "label", "backup", "before", "location", "src", "source_table", "strategy", "state", "expect_environment",
            "missing_only", "delete_extra", "max_row_size", "adopt", "lock_timeout", "pg_bin_dir", "outbound",
        )  # fmt: skip
        given = {name: params[name] for name in names if params.get(name) is not None}
        mapped = {str(old): "" if new is None else str(new) for old, new in (params.get("column_map") or {}).items()}
        return cls(
            table=params["table"],
            column_map=mapped,
            mask_columns=tuple(params.get("mask_columns") or ()),
            search_paths=SearchPaths.parse(params.get("entry_search_path"), STEP),
            expected=ExpectedDifferences.parse(params.get("expected_differences"), STEP),
            profile=find_profile(params.get("profile")),
            **given,
        )

    def check_return(self, *, makes_tables: bool) -> None:
        """Raise an error for options that do not apply to a table that was dropped.

        :param makes_tables: whether the strategy does.
        :raises ConfigError: an option is about the rows of a table that is there.
        """
        gone = f"there is no table {self.table!r} in the database"
        hint = "strategy: swap with a set brings a dropped table back; nothing was touched"
        if not makes_tables:
            raise ConfigError(STEP, f"{gone}, and strategy {self.strategy} changes the rows of one", hint=hint)
        for option in ("source_table", "column_map"):
            if getattr(self, option):
                raise ConfigError(STEP, f"{gone}, and {option} is about one that is there", hint=hint)

    def check_origin(self, environment: str | None) -> None:
        """Refuse a set of another environment than the one that is expected."""
        check_environment(environment, self.expect_environment)
