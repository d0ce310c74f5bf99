"""What every strategy offers, which is a way of a backup into a database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from ...postgres.types import Connection
from .contents import Contents
from .plan import RestorePlan
from .request import RestoreRequest
from .restored import Restored
from .target import Target


class Strategy(ABC):
    """One way. It has no state of its own: what is found on the way is in the plan.

    :cvar name: what the option ``strategy`` calls it.
    :cvar how: what check mode says of it.
    :cvar replaces: whether another database takes the name of the one that is there.
    :cvar by_script: whether psql carries out what pg_restore makes of a dump, whose schema is looked at before.
    :cvar takes_search_paths: whether single entries of a dump can have a search path.
    """

    name: ClassVar[str]
    how: ClassVar[str]
    replaces: ClassVar[bool]
    by_script: ClassVar[bool]
    takes_search_paths: ClassVar[bool]

    def suits(self, target: Target) -> bool:
        """Whether the role may carry it out, where the choice is ours."""
        return True

    @abstractmethod
    def check_role(self, target: Target) -> None:
        """Raise an error if the role cannot restore the target in this way.

        :raises PreflightError: says what would help.
        """

    def check_contents(self, contents: Contents) -> None:
        """Raise an error if the backup cannot be restored in this way.

        :raises PreflightError: says what would help.
        """

    def check_rights(
        self, connection: Connection, target: Target, contents: Contents, request: RestoreRequest, owner: str
    ) -> Iterator[str]:
        """Refuse what the role cannot do as far as that is certain, and warn of what it may not be allowed to do.

        :param connection: to the server.
        :param owner: of the restored database.
        """
        yield from ()

    def complete(self, plan: RestorePlan) -> RestorePlan:
        """The plan with the parts that only this strategy needs.

        :raises BackupError: what is in the way.
        """
        return plan

    @abstractmethod
    def run(self, plan: RestorePlan) -> Restored:
        """Restore and compare.

        :raises BackupError: the database is as it was, unless the message says otherwise.
        """
