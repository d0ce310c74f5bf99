"""The strategy that changes nothing until all is proven: a new database beside the old, then an exchange of names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from ....errors import BackupError
from ....postgres.types import Composable
from ....texts import bounded_list
from ...outbound.paused_objects import comment_in, comment_with_paused, paused_in_comment
from ...outbound.pausing import NOTHING_PAUSED, Pausing
from ..comparing import Comparison, Difference, doubts
from ..complaints import divide
from ..maintenance import leave_maintenance
from ..naming import LOADING, REPLACED, Note, beside
from ..plan import RestorePlan
from ..restored import Restored
from ..subscriptions import disable
from .creating import carry_over, comment_on, properties_of, set_template
from .new_database import NewDatabase
from .rename import DatabaseRename, rename_databases

_DIFFERENCES_SHOWN = 10


class SideBySide:
    """A restore side by side; an object is used once.

    :param plan: everything that was checked.
    """

    def __init__(self, plan: RestorePlan) -> None:
        self._plan = plan
        now = datetime.now(timezone.utc)
        name = plan.target.name
        taken = plan.target.names
        self._old = beside(name, "old", now, taken) if plan.target.database is not None else None
        self._note = Note(name, LOADING, plan.contents.name, now.isoformat(timespec="seconds"))
        self._new = NewDatabase(plan, beside(name, "new", now, taken), self._note)

    def run(self) -> Restored:
        """Create the new database, compare it with the backup and rename it; return the outcome.

        :raises BackupError: the database that was there is as it was, and nothing new is left.
        """
        try:
            self._new.create()
            self._new.load()
            comparison = self._compare()
            active = self._plan.request.outbound == "active"
            outbound = NOTHING_PAUSED if active else self._new.pause()
            self._exchange(outbound)
        except BaseException:
            self._new.drop()
            raise
        subscribed = [] if self._old is None else disable(self._plan.options, self._old, self._plan.subscriptions)
        return Restored(replace(comparison, warnings=(*comparison.warnings, *subscribed)), self._old, outbound)

    def _compare(self) -> Comparison:
        """What was found, where nothing of it is a reason to stop; what is expected is a warning."""
        found = self._new.compare()
        tolerated = self._new.tolerated
        unexpected, expected = divide(found.differences, self._plan.request.expected, tolerated)
        refuse_differences(unexpected)
        warnings = [f"{one.name}: {one.message}" for one in tolerated]
        warnings += [one.message for one in expected if one.name not in {known.name for known in tolerated}]
        overlooked = [f"harmless or expected: {bounded_list(warnings)}"] if warnings else []
        return replace(found, differences=(), warnings=(*found.warnings, *doubts(found), *overlooked))

    def _exchange(self, outbound: Pausing) -> None:
        plan = self._plan
        existing = plan.target.database
        note = None
        if self._old is not None and existing is not None:
            enabled = tuple(one.name for one in plan.subscriptions if one.enabled)
            note = replace(self._note, kind=REPLACED, comment=existing.comment, subscriptions=enabled).to_text()
        rename_databases(
            plan.maintenance,
            plan.maintenance_options,
            DatabaseRename(
                current=plan.target.name,
                renamed_to=self._old,
                incoming=self._new.name,
                note=note,
                comment=comment_with_paused(None if existing is None else existing.comment, outbound.paused),
                before=tuple(self._before()),
                after=() if existing is not None else tuple(self._properties(outbound)),
            ),
            end_connections=plan.request.end_connections,
        )

    def _properties(self, outbound: Pausing) -> Iterator[Composable]:
        """What the backup has of a database that is new here; its comment may remember what was paused then."""
        toc, name = self._plan.contents.toc, self._plan.target.name
        yield from properties_of(toc, name)
        comment = comment_in(toc) if toc is not None and toc.database == name else None
        if outbound.paused or paused_in_comment(comment):
            yield comment_on(name, comment_with_paused(comment, outbound.paused))

    def _before(self) -> Iterator[Composable]:
        existing = self._plan.target.database
        yield from carry_over(self._new.name, existing)
        if existing is not None:
            yield from leave_maintenance(self._plan.target.name, existing)
            yield from set_template(self._plan.target.name, existing, is_template=False)


def refuse_differences(differences: Sequence[Difference]) -> None:
    """Raise when a restored database is not what the backup tells of; the first of the differences are named."""
    if not differences:
        return
    shown = bounded_list(list(map(str, differences)), limit=_DIFFERENCES_SHOWN, separator="; ")
    raise BackupError(
        "compare with the backup",
        f"what was restored is not what was backed up: {shown}",
        hint="the database is as it was before",
    )
