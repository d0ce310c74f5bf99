"""A new database beside those that are in use: made, loaded, and compared with the backup."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from ....errors import BackupError
from ....postgres.activity import activity_reported
from ....postgres.archive import Toc
from ....postgres.connection import ConnectionOptions, connect
from ....postgres.globals import conninfo_safe
from ....postgres.known_settings import unknown_settings
from ....postgres.messages import database_errors
from ....progress import stage
from ....stream.pipeline import Pipeline
from ....stream.stages import Transform
from ...outbound.muting import NOTHING_MUTED, both, give_back, mute
from ...outbound.paused_objects import paused_in
from ...outbound.pausing import Pausing, pause
from ..children import Child, ChildSink
from ..comparing import (
    COMPARING,
    Comparison,
    compare_large_objects,
    compare_schema,
    compare_sequences,
    compared_fingerprints,
    schema_of,
)
from ..complaints import Complaint, Complaints
from ..extension_rows import make_room
from ..naming import Note
from ..plan import RestorePlan
from ..psql_filter import KnownSettings, Restricted
from ..script_calls import QuietScript, explained
from ..target import elsewhere, open_maintenance
from ..temporary_grants import execute, plan_temporary_grants
from .creating import create_database, drop_database
from .finished_tables import FinishedTables
from .loading import LOADING, STEP, SetLoader, Tools, feed, read_file
from .schedule import plan_schedule


class NewDatabase:
    """The new database of a restore; an object is used once.

    :param plan: what is restored, and where.
    :param name: its name while nobody uses it.
    :param note: what its comment says of it meanwhile.
    """

    def __init__(self, plan: RestorePlan, name: str, note: Note) -> None:
        self.name = name
        self._plan = plan
        self._note = note
        self._complaints = None if plan.contents.toc is None else _judge(plan, plan.contents.toc)
        self._finished_tables = FinishedTables(self.options, plan.contents.rows)
        self._muted = NOTHING_MUTED

    @property
    def tolerated(self) -> list[Complaint]:
        """What could not be restored and was overlooked."""
        return [] if self._complaints is None else self._complaints.tolerated

    @property
    def options(self) -> ConnectionOptions:
        """Connection options for the new database."""
        return elsewhere(self._plan.options, self.name)

    def create(self, *, any_locale: bool = False) -> None:
        """Create the empty database.

        :param any_locale: take the server's own locale: that of the backup may not be installed there.
        """
        plan = self._plan
        create_database(
            plan.maintenance,
            self.name,
            plan.target.database,
            plan.owner,
            self._note,
            toc=plan.contents.toc,
            any_locale=any_locale,
        )

    def load(self) -> None:
        """Load everything; tables that are complete are compared meanwhile."""
        plan = self._plan
        with (
            plan.environment(self.name, bulk=True) as environment,
            self._with_temporary_grants(),
            activity_reported(self.options),
        ):
            target = f"--dbname={conninfo_safe(self.name)}"
            tools = Tools(
                plan.pg_restore, environment, target, self._complaints, plan.tablespaces, plan.request.search_paths
            )
            contents, jobs = plan.contents, plan.request.jobs
            if contents.archive is not None:
                schedule = plan_schedule(contents.archive.toc, contents.archive.data_sizes, jobs)
                SetLoader(
                    contents.archive,
                    schedule,
                    tools,
                    jobs,
                    self._finished_tables.check_complete,
                    self._defined,
                    self._loaded,
                    plan.left_for_later,
                    plan.computed_tables,
                ).run()
            elif contents.file is not None and contents.toc is None:
                self._load_script(environment)
            elif contents.file is not None and contents.toc is not None and contents.file.direct:
                with stage(LOADING):
                    read_file(contents.file.path, tools, jobs, contents.toc)
            elif contents.file is not None and contents.toc is not None:
                with stage(LOADING, contents.file.size):
                    feed(contents.file.source(), tools, contents.toc)

    @contextlib.contextmanager
    def _with_temporary_grants(self) -> Iterator[None]:
        """Let a role that is no superuser make what belongs to others."""
        plan, toc = self._plan, self._plan.contents.toc
        if toc is None or plan.target.superuser:
            yield
            return
        with database_errors(STEP), contextlib.closing(connect(self.options)) as connection:
            lent = plan_temporary_grants(connection, toc.entries, plan.owner)
            execute(connection, chain(lent.grant_in_database(), lent.grant_in_schemas()))
        yield
        with database_errors(STEP), contextlib.closing(connect(self.options)) as connection:
            execute(connection, chain(lent.revoke(), lent.repeat_grants_of_dump()), leniently=True)

    def _defined(self, has_toc: bool) -> None:
        """All, or not yet the *whole*, is there that rows go into, and that they may call."""
        if has_toc:
            self._make_room()
        if self._plan.request.outbound != "active":
            with contextlib.closing(connect(self.options)) as connection:
                needed = self._plan.forecast.called_at_load
                found = mute(connection, raising=not needed, needed=needed)
            self._muted = both(self._muted, found)

    def _loaded(self) -> None:
        """Nothing more is computed: what was muted is what it was, before anything is compared with the backup."""
        if self._muted.definitions:
            self._finished_tables.check_remaining()
            with contextlib.closing(connect(self.options)) as connection:
                give_back(connection, self._muted)

    def _make_room(self) -> None:
        toc = self._plan.contents.toc
        if toc is None or not any(entry.desc == "EXTENSION" for entry in toc.entries):
            return
        connection = connect(self.options)
        try:
            make_room(connection, toc)
        finally:
            connection.close()

    def _load_script(self, environment: dict[str, str]) -> None:
        plan = self._plan
        if plan.psql is None or plan.contents.file is None:
            raise AssertionError("there is no script")
        argv = [plan.psql.path, "-X", "-q", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
        child = Child(argv, environment, STEP, fed=True)
        try:
            quiet = [] if plan.request.outbound == "active" else [QuietScript(within=False)]
            transforms: list[Transform] = [KnownSettings(plan.target.version_num), *quiet, Restricted()]
            with stage(LOADING, plan.contents.file.size):
                Pipeline(plan.contents.file.source(), transforms, [ChildSink(child)]).run()
            if quiet:
                self._check_muted()
        except BackupError as error:
            raise explained(error) from error.__cause__
        finally:
            child.close()

    def _check_muted(self) -> None:
        """Collect statistics, which may be of what functions return, while these call nobody."""
        with contextlib.closing(connect(self.options)) as connection:
            muted = mute(connection, raising=True)
            self._finished_tables.check_remaining()
            give_back(connection, muted)

    def compare(self) -> Comparison:
        """Compare what has not been compared yet, several things at the same time."""
        with (
            stage(COMPARING),
            activity_reported(self.options),
            ThreadPoolExecutor(3, thread_name_prefix="compare") as pool,
        ):
            futures = [pool.submit(self._finished_tables.check_remaining), pool.submit(self._compare_others)]
            found = pool.submit(self._compare_schema).result()
            for future in futures:
                future.result()
        return replace(
            found,
            differences=(*self._finished_tables.differences, *found.differences),
            warnings=(*found.warnings, *self._finished_tables.warnings),
        )

    def pause(self) -> Pausing:
        """Pause what calls out, as the last of all: what it is now is what was compared."""
        with contextlib.closing(connect(self.options)) as connection:
            return pause(connection, [*paused_in(self._plan.contents.toc), *self._plan.forecast.unfilled])

    def _compare_others(self) -> None:
        contents = self._plan.contents
        connection = connect(self.options)
        try:
            differences = [] if contents.toc is None else compare_sequences(connection, contents.toc)
            if contents.manifest is not None:
                differences += compare_large_objects(connection, contents.manifest)
        finally:
            connection.close()
        self._finished_tables.differences += differences

    def _compare_schema(self) -> Comparison:
        plan = self._plan
        manifest = plan.contents.manifest
        if manifest is None or plan.pg_dump is None or plan.contents.toc is None:
            return Comparison(0, 0, 0, ())
        with plan.environment(self.name) as environment:
            there = schema_of(plan.pg_dump, environment)
        found = compare_schema(
            manifest, plan.contents.toc, there, plan.pg_dump, plan.target.major, tablespaces=plan.tablespaces
        )
        rows = sum(table.rows for table in manifest.tables)
        return replace(
            found,
            tables=len(manifest.tables),
            rows=rows,
            fingerprints=compared_fingerprints(manifest),
        )

    def drop(self) -> None:
        """Remove it; on a session of its own, as ours may be what was lost."""
        plan = self._plan
        with contextlib.suppress(BackupError):
            connection = open_maintenance(plan.options, plan.request.beside, plan.request.lock_timeout)
            try:
                drop_database(connection, plan.options, self.name)
            finally:
                connection.close()


def _judge(plan: RestorePlan, toc: Toc) -> Complaints:
    target, expected = plan.target, plan.request.expected
    newer = plan.pg_restore.major > target.major
    return Complaints.about(
        toc,
        expected if expected else None,
        superuser=target.superuser,
        unknown=unknown_settings(target.version_num) if newer else (),
    )
