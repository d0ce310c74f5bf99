"""The strategy that changes nothing until all is proven: a new database beside the old, then an exchange of names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ...errors import BackupError
from ...pipeline import Pipeline
from ...postgres.connection import connect
from ...postgres.globals import conninfo_safe
from ...postgres.types import Composable
from .children import Child, ChildSink
from .comparing import (
    Comparison,
    compare_large_objects,
    compare_schema,
    compare_sequences,
    compared_fingerprints,
    schema_of,
)
from .creating import carry_over, create_database, drop_database, properties_of
from .exchange import Exchange, exchange
from .loading import STEP, SetLoader, Tools, feed, run_child
from .maintenance import leave_maintenance
from .naming import LOADING, REPLACED, Note, beside
from .plan import RestorePlan
from .schedule import plan_schedule
from .scripts import Restricted
from .settling import Settling
from .target import elsewhere, open_maintenance

_DIFFERENCES_SHOWN = 10


@dataclass(frozen=True)
class Restored:
    """How a restore ended.

    :param kept: the database that was replaced, under its new name; None where there was none.
    """

    comparison: Comparison
    kept: str | None = None


class SideBySide:
    """One restore; use it once.

    :param plan: everything that was checked.
    """

    def __init__(self, plan: RestorePlan) -> None:
        self._plan = plan
        now = datetime.now(timezone.utc)
        name = plan.target.name
        taken = plan.target.names
        self._new = beside(name, "new", now, taken)
        self._old = beside(name, "old", now, taken) if plan.target.database is not None else None
        self._note = Note(name, LOADING, plan.contents.name, now.isoformat(timespec="seconds"))
        self._options = elsewhere(plan.options, self._new)
        self._settling = Settling(self._options, plan.contents.manifest)

    def run(self) -> Restored:
        """Make the new database, compare it, exchange the names.

        :raises BackupError: the database that was there is as it was, and nothing new is left.
        """
        plan = self._plan
        try:
            create_database(plan.maintenance, self._new, plan.target.database, self._note, toc=plan.contents.toc)
            self._load()
            comparison = self._compare()
            refuse_differences(comparison.differences)
            self._exchange()
        except BaseException:
            self._drop()
            raise
        return Restored(comparison, self._old)

    def _load(self) -> None:
        plan = self._plan
        with plan.environment(self._new, bulk=True) as environment:
            tools = Tools(plan.pg_restore, environment, f"--dbname={conninfo_safe(self._new)}")
            contents, jobs = plan.contents, plan.request.jobs
            if contents.archive is not None:
                schedule = plan_schedule(contents.archive.toc, contents.archive.data_sizes, jobs)
                SetLoader(contents.archive, schedule, tools, jobs, self._settling.settle).run()
            elif contents.file is not None and contents.toc is None:
                self._load_script(environment)
            elif contents.file is not None and contents.file.direct:
                run_child(tools.argv(f"--jobs={jobs}", contents.file.path), environment, STEP)
            elif contents.file is not None:
                feed(contents.file.source(), tools.argv(), environment)

    def _load_script(self, environment: dict[str, str]) -> None:
        plan = self._plan
        if plan.psql is None or plan.contents.file is None:
            raise AssertionError("there is no script")
        argv = [plan.psql.path, "-X", "-q", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
        child = Child(argv, environment, STEP, fed=True)
        try:
            Pipeline(plan.contents.file.source(), [Restricted()], [ChildSink(child)]).run()
        finally:
            child.close()

    def _compare(self) -> Comparison:
        """Compare what has not been compared yet, several things at the same time."""
        with ThreadPoolExecutor(max_workers=3, thread_name_prefix="compare") as pool:
            futures = [pool.submit(self._settling.settle_rest), pool.submit(self._compare_others)]
            found = pool.submit(self._compare_schema).result()
            for future in futures:
                future.result()
        return replace(found, differences=(*self._settling.differences, *found.differences))

    def _compare_others(self) -> None:
        contents = self._plan.contents
        connection = connect(self._options)
        try:
            differences = [] if contents.toc is None else compare_sequences(connection, contents.toc)
            if contents.manifest is not None:
                differences += compare_large_objects(connection, contents.manifest)
        finally:
            connection.close()
        self._settling.differences += differences

    def _compare_schema(self) -> Comparison:
        plan = self._plan
        manifest = plan.contents.manifest
        if manifest is None or plan.pg_dump is None:
            return Comparison(0, 0, 0, ())
        with plan.environment(self._new) as environment:
            there = schema_of(plan.pg_dump, environment)
        found = compare_schema(manifest, there, plan.pg_dump, plan.target.major)
        rows = sum(table.rows for table in manifest.tables)
        return replace(found, tables=len(manifest.tables), rows=rows, fingerprints=compared_fingerprints(manifest))

    def _exchange(self) -> None:
        plan = self._plan
        existing = plan.target.database
        aside = None
        if self._old is not None and existing is not None:
            aside = replace(self._note, kind=REPLACED, comment=existing.comment).to_text()
        exchange(
            plan.maintenance,
            plan.maintenance_options,
            Exchange(
                current=plan.target.name,
                aside=self._old,
                incoming=self._new,
                note=aside,
                comment=None if existing is None else existing.comment,
                before=tuple(self._before()),
                after=() if existing is not None else tuple(properties_of(plan.contents.toc, plan.target.name)),
            ),
            end_connections=plan.request.end_connections,
        )

    def _before(self) -> Iterator[Composable]:
        existing = self._plan.target.database
        yield from carry_over(self._new, existing)
        if existing is not None:
            yield from leave_maintenance(self._plan.target.name, existing)

    def _drop(self) -> None:
        """Remove the new database; on a session of its own, as ours may be what was lost."""
        plan = self._plan
        with contextlib.suppress(BackupError):
            connection = open_maintenance(plan.options, plan.request.maintenance_db, plan.request.lock_timeout)
            try:
                drop_database(connection, self._new)
            finally:
                connection.close()


def refuse_differences(differences: tuple[str, ...], undo: Callable[[], None] | None = None) -> None:
    """Raise when a restored database is not what the backup tells of; the first of the differences are named."""
    if not differences:
        return
    if undo is not None:
        undo()
    shown = "; ".join(differences[:_DIFFERENCES_SHOWN])
    more = f" and {len(differences) - _DIFFERENCES_SHOWN} more" if len(differences) > _DIFFERENCES_SHOWN else ""
    raise BackupError(
        "compare with the backup",
        f"what was restored is not what was backed up: {shown}{more}",
        hint="the database is as it was before",
    )
