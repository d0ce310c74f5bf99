"""``in_place`` among the strategies."""

from __future__ import annotations

from ....errors import PreflightError
from ..contents import Contents
from ..plan import RestorePlan
from ..restored import Restored
from ..strategy import Strategy
from ..target import STEP, Target
from .in_place import InPlace
from .with_clearing import with_clearing


class InPlaceStrategy(Strategy):
    """See :class:`Strategy`."""

    name = "in_place"
    how = "would be restored in its place, in one transaction"
    replaces = False
    by_script = True
    takes_search_paths = False

    def check_role(self, target: Target) -> None:
        """See :meth:`Strategy.check_role`."""
        if target.database is None:
            raise PreflightError(
                STEP,
                f"there is no database {target.name!r} on the server, and in_place makes none",
                hint="check login_db, or use strategy side_by_side",
            )

    def check_contents(self, contents: Contents) -> None:
        """See :meth:`Strategy.check_contents`."""
        if contents.file is not None and contents.file.commits:
            raise PreflightError(
                "check the backup",
                f"{contents.name} has a COMMIT of its own, so that it cannot be restored in one transaction",
                hint="nothing was touched; use strategy side_by_side",
            )

    def complete(self, plan: RestorePlan) -> RestorePlan:
        """See :meth:`Strategy.complete`."""
        return with_clearing(plan)

    def run(self, plan: RestorePlan) -> Restored:
        """See :meth:`Strategy.run`."""
        return InPlace(plan).run()
