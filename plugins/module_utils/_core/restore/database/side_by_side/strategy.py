"""``side_by_side`` among the strategies."""

from __future__ import annotations

from collections.abc import Iterator

from ....postgres.memberships import refuse_strange_owners
from ....postgres.types import Connection
from ..contents import Contents
from ..plan import RestorePlan
from ..request import RestoreRequest
from ..restored import Restored
from ..rights import check_may_create, check_settings, owner_warnings
from ..strategy import Strategy
from ..target import STEP, Target, check_space
from .side_by_side import SideBySide


class SideBySideStrategy(Strategy):
    """See :class:`Strategy`."""

    name = "side_by_side"
    how = "would be restored beside it and take its name"
    replaces = True
    by_script = False
    takes_search_paths = True

    def suits(self, target: Target) -> bool:
        """See :meth:`Strategy.suits`."""
        existing = target.database
        return existing is None or (target.may_create and (target.superuser or existing.owned))

    def check_role(self, target: Target) -> None:
        """See :meth:`Strategy.check_role`."""
        check_may_create(target)

    def check_rights(
        self, connection: Connection, target: Target, contents: Contents, request: RestoreRequest, owner: str
    ) -> Iterator[str]:
        """See :meth:`Strategy.check_rights`; there must be room for two databases."""
        if contents.manifest is not None:
            check_space(connection, contents.manifest.database.size)
        if request.scratch:
            return
        check_settings(connection, target, contents.toc)
        with connection.cursor() as cursor:
            # To inherit its owner's rights is enough to have a database, but not to make one for them.
            refuse_strange_owners(cursor, STEP, [owner], "the database")
        yield from owner_warnings(target, contents.toc, owner)

    def run(self, plan: RestorePlan) -> Restored:
        """See :meth:`Strategy.run`."""
        return SideBySide(plan).run()
