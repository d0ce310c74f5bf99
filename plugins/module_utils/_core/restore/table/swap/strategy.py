"""``swap`` among the strategies."""

from __future__ import annotations

from typing import Any

from ....errors import PreflightError
from ....postgres.connection import Connection
from ....postgres.names import display_name
from ...outbound.of_table import TableCalls
from ..analyzing import analyze
from ..merge.differences import describe_differences, find_differences, report_differences
from ..merge.merge import Counts
from ..missing_parts import describe_missing
from ..session import Session
from ..source.sources import Backup
from ..strategy import Strategy
from ..target import STEP, Target, is_platforms
from .swap import Swapped, SwapPlan, plan_swap, swap, verify_swap


class SwapStrategy(Strategy):
    """See :class:`Strategy`."""

    name = "swap"
    makes_tables = refreshes = True
    _plan: SwapPlan | None = None
    _swapped: Swapped | None = None
    _differences: Counts | None = None

    def check(self, target: Target) -> None:
        """See :meth:`Strategy.check`."""
        profile = self.request.profile
        if profile is not None and is_platforms(profile, target.table, target.owner):
            raise PreflightError(
                STEP,
                f"{target.name} is {profile.title}'s own table, which nothing else may take the place of",
                hint="nothing was touched; strategy: merge or replace restores its rows",
            )

    def plan(self, session: Session, target: Target, backup: Backup) -> list[str]:
        """See :meth:`Strategy.plan`."""
        self._plan = plan_swap(session, target, backup, self.tools, self.request.column_map)
        return describe_missing(backup, target, self._plan.before.toc)

    def run(self, session: Session, backup: Backup, *, check_mode: bool) -> None:
        """See :meth:`Strategy.run`."""
        if check_mode:
            self._differences = find_differences(session, self._planned.target, self._planned.matching, backup)
        else:
            self._swapped = swap(session, self._planned, backup, self.request)

    def finish(self, connection: Connection, target: Target, calls: TableCalls) -> None:
        """See :meth:`Strategy.finish`."""
        analyze(connection, target.table, calls, swapped=True)
        if self._swapped is not None:
            verify_swap(Session(connection), self._planned, self._swapped, self.tools)

    def report(self, target: Target, backup: Backup) -> dict[str, Any]:
        """See :meth:`Strategy.report`."""
        done = self._swapped
        # One line for each object that is made again around the table.
        steps = [f"{entry.desc.lower()} {entry.namespace}.{entry.tag}" for entry in self._planned.dependents.carried]
        if done is None:
            return {
                "changed": True,
                "rows": None if backup.expected is None else backup.expected.rows,
                "plan": steps,
                "summary": [
                    f"{target.name} would be restored from {backup.shown} by {self.name}",
                    *describe_differences(self._differences),
                ],
                **report_differences(self._differences),
            }
        old = display_name((target.table[0], done.old_table))
        return {
            "changed": True,
            "rows": done.rows,
            "old_table": old,
            "plan": steps,
            "warnings": list(done.warnings),
            "summary": [
                f"{target.name} was restored from {backup.shown}: {done.rows} rows",
                f"what was there before is kept as {old}",
            ],
        }

    @property
    def _planned(self) -> SwapPlan:
        if self._plan is None:
            raise AssertionError("a swap is planned first")
        return self._plan
