"""What every strategy offers, which is a way of the rows of a backup into a table that is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ...postgres.connection import Connection
from ..outbound.of_table import TableCalls
from .analyzing import analyze
from .request import TableRequest
from .session import Session
from .source.sources import Backup
from .swap.schema_dump import Tools
from .target import Target


class Strategy(ABC):
    """One restore of one table; used once, its methods in this order.

    :cvar name: what the option ``strategy`` calls it.
    :cvar options: what it takes of ``missing_only`` and ``delete_extra``.
    :cvar makes_tables: whether it brings back a table that is gone, too.
    :cvar refreshes: whether what is computed from the table is computed anew.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    makes_tables: ClassVar[bool] = False
    refreshes: ClassVar[bool] = False

    def __init__(self, request: TableRequest, tools: Tools) -> None:
        self.request = request
        self.tools = tools

    @property
    def keeps_rows(self) -> bool:
        """Whether rows stay that the backup has not, so that a part of the table's rows is enough."""
        return False

    def check(self, target: Target) -> None:
        """Refuse a table that this is nothing for, before anything is locked."""

    @abstractmethod
    def plan(self, session: Session, target: Target, backup: Backup) -> list[str]:
        """Check everything that can be checked; the table is locked against changes of its definition.

        :return: warnings.
        :raises BackupError: what is in the way; nothing was touched.
        """

    @abstractmethod
    def run(self, session: Session, backup: Backup, *, check_mode: bool) -> None:
        """Carry the plan out, all but the commit, while nothing calls out; nothing of it stays in check mode.

        :param check_mode: to know what it would do is enough.
        """

    def finish(self, connection: Connection, target: Target, calls: TableCalls) -> None:
        """What comes after the commit.

        :param calls: what still may not call out.
        :raises BackupError: the table is restored, and something of it is not as it should be.
        """
        analyze(connection, target.table, calls)

    @abstractmethod
    def report(self, target: Target, backup: Backup) -> dict[str, Any]:
        """What the module returns beside what all strategies tell; in check mode, of what would be done.

        :return: ``changed``, ``rows`` and ``summary`` at least, and the ``warnings`` of this strategy.
        """
