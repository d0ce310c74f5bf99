"""What says which set or file is restored, alike for a database and for a table."""

from __future__ import annotations

from dataclasses import dataclass

from ..backupset.naming import check_name
from ..catalogue.selector import LATEST, BackupSelector
from ..errors import ConfigError
from .environments import require_environment


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The options about it.

    :param label: of the set; None with *src*.
    :param backup: the set's id, or ``latest``.
    :param before: with ``latest``: only sets whose snapshot is older than this time.
    :param location: the only location to take it from.
    :param src: path of a file instead of a set.
    :param expect_environment: what the caller takes the target for; the set's environment, where it has one, must be
        the same.
    """

    label: str | None = None
    backup: str = LATEST
    before: str | None = None
    location: str | None = None
    src: str | None = None
    expect_environment: str | None = None

    @property
    def wanted(self) -> BackupSelector:
        """The selector of the requested set."""
        return BackupSelector.parse(self.backup, self.before)

    def check_source(self) -> None:
        """Refuse what cannot be meant, before anything is looked at.

        :raises ConfigError: there is neither a set nor a file, or both; a name or a time is none; no environment is
            said.
        """
        step = "check the options"
        if (self.label is None) == (self.src is None):
            raise ConfigError(step, "give either label, for a set, or src, for a file")
        if self.label is not None:
            check_name(self.label, "label")
            BackupSelector.parse(self.backup, self.before)
        require_environment(self.expect_environment)
