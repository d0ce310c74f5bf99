"""``merge`` and ``replace`` among the strategies: those that leave the table where it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ..session import Session
from ..source.sources import Backup
from ..strategy import Strategy
from ..target import Target
from .differences import describe_differences, report_differences
from .merge import Counts, Merge, Merged, merge_rows, prepare_merge, replace_rows
from .sample import hidden_columns, sample


class _RowStrategy(Strategy):
    """What both have in common.

    :cvar replaces: whether all rows of the table are exchanged.
    """

    replaces: ClassVar[bool]
    _merge: Merge | None = None
    _merged: Merged | None = None
    _diff: Mapping[str, str] | None = None
    _differences: Counts | None = None
    _planned = False

    def plan(self, session: Session, target: Target, backup: Backup) -> list[str]:
        """See :meth:`Strategy.plan`."""
        self._merge = prepare_merge(session, target, backup, self.request, replace=self.replaces)
        return []

    def run(self, session: Session, backup: Backup, *, check_mode: bool) -> None:
        """See :meth:`Strategy.run`."""
        self._planned = check_mode
        self._prepared.stage(backup)
        self._merged = self._apply(self._prepared, backup, check_mode)

    @abstractmethod
    def _apply(self, merge: Merge, backup: Backup, check_mode: bool) -> Merged:
        """Change the rows; those of the backup are loaded beside them."""

    def report(self, target: Target, backup: Backup) -> dict[str, Any]:
        """See :meth:`Strategy.report`."""
        if self._merged is None:
            raise AssertionError("nothing was done that could be reported")
        counts = self._merged.counts
        would_be = " would be changed" if self._planned else ""
        summary = f"{counts.inserted} rows inserted, {counts.updated} updated, {counts.deleted} deleted"
        return {
            "changed": counts.changed,
            "rows": self._merged.rows,
            "inserted": counts.inserted,
            "updated": counts.updated,
            "deleted": counts.deleted,
            "warnings": list(self._merged.warnings),
            "summary": [
                f"{target.name}{would_be} from {backup.shown} by {self.name}: {summary}",
                *describe_differences(self._differences),
            ],
            **report_differences(self._differences),
            **({} if self._diff is None else {"diff": dict(self._diff)}),
        }

    @property
    def _prepared(self) -> Merge:
        if self._merge is None:
            raise AssertionError("a merge is prepared first")
        return self._merge


class MergeStrategy(_RowStrategy):
    """See :class:`Strategy`."""

    name = "merge"
    options = ("missing_only", "delete_extra")
    replaces = False

    @property
    def keeps_rows(self) -> bool:
        """See :attr:`Strategy.keeps_rows`."""
        return not self.request.delete_extra

    def _apply(self, merge: Merge, backup: Backup, check_mode: bool) -> Merged:
        self._diff = sample(merge, hidden_columns(merge, backup.personal_data, self.request.mask_columns))
        return Merged(merge.count(), merge.loaded) if check_mode else merge_rows(merge, backup)


class ReplaceStrategy(_RowStrategy):
    """See :class:`Strategy`."""

    name = "replace"
    replaces = True

    def _apply(self, merge: Merge, backup: Backup, check_mode: bool) -> Merged:
        self._differences = merge.differences() if check_mode else None
        return replace_rows(merge, backup)
