"""The strategy for those who may not create databases: everything in the database itself, in one transaction.

pg_restore turns the archive into SQL, psql executes it; both are fed as the stream comes. What proves the result comes
before the COMMIT in the same transaction, and the COMMIT is sent by us alone, after pg_restore has ended well: whatever
is cut off before, the server takes everything back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ....errors import BackupError, after_change
from ....postgres.activity import activity_reported
from ....postgres.archive import TocEntry, object_name
from ....postgres.connection import connect
from ....postgres.environment import private_file
from ....postgres.messages import database_errors
from ....postgres.names import display_name
from ....progress import at_table, expect_tables, stage
from ....stream.pipeline import Pipeline, Source
from ....stream.process import ProcessFilter
from ....stream.stages import Transform
from ....texts import bounded_list
from ..children import Child
from ..comparing import COMPARING, Comparison, compare_schema, compared_fingerprints, doubts, schema_of
from ..complaints import divide
from ..event_triggers import in_order, listed
from ..expected_rows import ExpectedRows
from ..plan import RestorePlan
from ..psql_filter import KnownSettings, Restricted, WithoutCommit
from ..restored import Restored
from ..script_calls import QuietScript, explained
from ..sessions import end_session, sessions
from ..statistics import analyze, computed_tables, stored_tables
from ..target import elsewhere
from .outbound import Outbound
from .platform_objects import NO_SHARE, PlatformObjects
from .scheduled_jobs import NO_JOBS, IntoTemporaryTable, ScheduledJobs
from .script import begin_script, end_script, script

STEP = "restore in place"
_SHOWN = 10


class _Transaction:
    """psql in one transaction, as a sink: what comes is executed, and committed only at the regular end."""

    name = "psql"

    def __init__(self, child: Child, begin: bytes, end: bytes) -> None:
        self._child = child
        self._begin: bytes | None = begin
        self._end = end

    def write(self, chunk: bytes) -> None:
        """See :class:`pipeline.Sink`."""
        if self._begin is not None:
            chunk, self._begin = self._begin + chunk, None
        self._child.feed(chunk)

    def commit(self) -> None:
        """Compare and commit; raise with what the server says."""
        try:
            self._child.feed(self._end)
            self._child.finish()
        except BackupError as error:
            if "ERROR:" in error.message:
                raise
            error.hint = (
                "the session was lost at the end: the database is either the old or the restored one; check which"
            )
            with after_change():
                raise

    def abort(self) -> None:
        """Kill psql: without a COMMIT the server takes everything back."""
        self._child.close()


class _Rows:
    """psql within that transaction, as a sink for what comes first."""

    name = "psql"

    def __init__(self, child: Child) -> None:
        self._child = child

    def write(self, chunk: bytes) -> None:
        """See :class:`pipeline.Sink`."""
        self._child.feed(chunk)

    def commit(self) -> None:
        """Do nothing: the transaction goes on after the rows."""

    def abort(self) -> None:
        """Kill psql: without a COMMIT the server takes everything back."""
        self._child.close()


class InPlace:
    """A restore in place; an object is used once."""

    def __init__(self, plan: RestorePlan) -> None:
        self._plan = plan
        self._options = elsewhere(plan.options, plan.target.name)
        self._outbound = Outbound(plan)

    def run(self) -> Restored:
        """Restore, compare, commit, then collect the planner's statistics.

        :raises BackupError: the database is as it was; only of a difference that shows after the COMMIT it is not,
            and the message says so.
        """
        plan = self._plan
        with plan.environment(plan.target.name) as environment, contextlib.ExitStack() as stack:
            with self._outbound.paused_meanwhile():
                if plan.request.end_connections:
                    self._end_sessions()
                stack.enter_context(activity_reported(self._options))
                self._execute(environment, stack)
            with after_change(), database_errors("look at what was restored"):
                self._outbound.look()
                with stage(COMPARING):
                    comparison = self._compare(environment)
                with stage("collect the statistics"):
                    warning = self._analyze()
        comparison = replace(comparison, warnings=(*comparison.warnings, *warning))
        return Restored(comparison, outbound=self._outbound.paused)

    def _analyze(self) -> list[str]:
        with contextlib.closing(connect(self._options)) as connection:
            silent = self._plan.forecast.unanalyzed
            calling = any(one.kind in ("index", "statistics") for one in self._outbound.paused.awake)
            if calling and self._plan.contents.toc is None:
                # Of a script nobody knows which tables these are about.
                silent |= frozenset(computed_tables(connection))
            tables = [table for table in stored_tables(connection) if table not in silent]
            expect_tables(len(tables))
            failed = analyze(connection, tables, at_table)
        names = bounded_list(sorted(map(display_name, silent)))
        return [*failed, *([f"not analyzed, as that would call out: {names}"] if silent else [])]

    def _end_sessions(self) -> None:
        for pid, _user, _application in sessions(self._plan.maintenance, self._plan.target.name):
            end_session(self._plan.maintenance, pid)

    def _execute(self, environment: dict[str, str], stack: contextlib.ExitStack) -> None:
        plan = self._plan
        if plan.psql is None:
            raise AssertionError("there is no psql")
        manifest = plan.contents.manifest
        before, after = ([], []) if plan.clearing is None else (plan.clearing.before(), plan.clearing.after())
        encoding = "" if plan.target.database is None else plan.target.database.encoding
        first = [*self._outbound.first(), *self._jobs.before(), *self._share.before()]
        begin = begin_script(plan.maintenance, encoding, plan.request.lock_timeout, first)
        clear = script(plan.maintenance, encoding, [*self._share.after(), *before])
        objects = None if manifest is None else manifest.large_objects
        between = script(plan.maintenance, encoding, self._outbound.between())
        after = [*after, *self._outbound.before_comparison()]
        last = self._outbound.last()
        end = between + plan.put_back + end_script(plan.maintenance, encoding, after, self._units(), objects, last)
        argv = [plan.psql.path, "-X", "-q", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
        child = Child(argv, environment, STEP, fed=True)
        stack.callback(child.close)
        try:
            child.feed(begin)
            with stage("load the rows of the platform's tables"):
                self._put_rows(child, environment, stack)
            source, transforms = self._stream(environment, stack)
            with stage("load the database", plan.contents.stored_size, estimated=True):
                Pipeline(source, transforms, [_Transaction(child, clear, end)]).run()
        except BackupError as error:
            error.hint = explained(error).hint or f"the database is as it was before{self._suspects()}"
            raise

    def _put_rows(self, child: Child, environment: dict[str, str], stack: contextlib.ExitStack) -> None:
        """The rows of the platform's tables, while nothing else of the backup is there yet, and those of jobs."""
        self._put(self._share.rows, [], child, environment, stack)
        if self._jobs.entry is not None:
            self._put([self._jobs.entry], [IntoTemporaryTable()], child, environment, stack)

    def _put(
        self,
        entries: Sequence[TocEntry],
        more: Sequence[Transform],
        child: Child,
        environment: dict[str, str],
        stack: contextlib.ExitStack,
    ) -> None:
        contents, toc = self._plan.contents, self._plan.contents.toc
        if not entries or toc is None:
            return
        wanted = {one.dump_id for one in entries}
        names = listed(one.dump_id for one in entries)
        argv = [self._plan.pg_restore.path, "--data-only", "--file=-"]
        argv += [f"--use-list={stack.enter_context(private_file(names))}"]
        to_sql = ProcessFilter(argv, environment=environment, step=STEP)
        stack.callback(to_sql.close)
        source: Source
        if contents.archive is not None:
            source = contents.archive.source(wanted)
        elif contents.file is not None:
            source = contents.file.source()
        else:
            raise AssertionError("there is nothing to restore")
        Pipeline(source, [to_sql, KnownSettings(self._plan.target.version_num), *more], [_Rows(child)]).run()

    @property
    def _jobs(self) -> ScheduledJobs:
        return NO_JOBS if self._plan.clearing is None else self._plan.clearing.jobs

    @property
    def _share(self) -> PlatformObjects:
        return NO_SHARE if self._plan.clearing is None else self._plan.clearing.share

    def _suspects(self) -> str:
        """A hint about objects that are not from the backup and may have caused an error; empty if there are none."""
        clearing, toc = self._plan.clearing, self._plan.contents.toc
        if clearing is None or toc is None:
            return ""
        if hung := [
            object_name(entry)
            for entry in toc.entries
            if entry.dump_id not in clearing.left and self._share.is_about(entry) and entry.namespace
        ]:
            return (
                f"; it may be about objects on the platform's own tables: {bounded_list(hung)}? expected_differences: "
                f"['{hung[0]}'] leaves it as it is"
            )
        if not clearing.extra_objects.kept:
            return ""
        names = bounded_list([object_name(entry) for entry in clearing.extra_objects.kept])
        return f"; it may be about objects that came after the backup and are created again: {names}"

    def _units(self) -> list[ExpectedRows]:
        """What can be proven, which is all but what is expected to be different."""
        expected = self._expected
        names = ("TABLE", "TABLE DATA")
        return [
            unit
            for unit in self._plan.contents.rows
            if not any(expected(f"{kind} {'.'.join(table)}") for kind in names for table in (unit.name, *unit.tables))
        ]

    def _expected(self, name: str) -> bool:
        """Whether the object of that name may be other than in the backup."""
        clearing = self._plan.clearing
        locked = clearing is not None and name in clearing.locked
        return locked or self._plan.request.expected(name) or name in self._share.names

    def _stream(self, environment: dict[str, str], stack: contextlib.ExitStack) -> tuple[Source, list[Transform]]:
        """The source and the stages that give the contents as SQL."""
        plan, contents = self._plan, self._plan.contents
        known = KnownSettings(self._plan.target.version_num)
        if contents.file is not None and contents.toc is None:
            quiet = [] if plan.request.outbound == "active" else [QuietScript(within=True)]
            return contents.file.source(), [known, *quiet, Restricted()]
        argv = [self._plan.pg_restore.path, "--clean", "--if-exists", "--single-transaction", "--file=-"]
        argv += [] if self._plan.tablespaces else ["--no-tablespaces"]
        argv += [f"--use-list={stack.enter_context(private_file(listed(self._dump_ids())))}"]
        to_sql = ProcessFilter(argv, environment=environment, step=STEP)
        stack.callback(to_sql.close)
        if contents.archive is not None:
            muted = self._outbound.muted(self._dump_ids())
            source = contents.archive.source(owners=self._share.owners, definitions=muted)
            return source, [to_sql, known, WithoutCommit()]
        if contents.file is None:
            raise AssertionError("there is nothing to restore")
        return contents.file.source(), [to_sql, known, WithoutCommit()]

    def _dump_ids(self) -> list[int]:
        """The dump ids of the entries to restore, in their order."""
        toc, clearing = self._plan.contents.toc, self._plan.clearing
        left = self._plan.left_for_later | (frozenset() if clearing is None else clearing.left)
        return [] if toc is None else in_order(toc, left)

    def _compare(self, environment: dict[str, str]) -> Comparison:
        """What the schema is now; rows and fingerprints were compared before the COMMIT."""
        plan = self._plan
        manifest = plan.contents.manifest
        if manifest is None or plan.pg_dump is None or plan.contents.toc is None:
            return Comparison(0, 0, 0, ())
        there = self._outbound.as_before(schema_of(plan.pg_dump, environment, plan.without), plan.contents.toc)
        found = compare_schema(
            manifest, plan.contents.toc, there, plan.pg_dump, plan.target.major, tablespaces=plan.tablespaces
        )
        unexpected, expected = divide(found.differences, self._expected, ())
        if unexpected:
            shown = bounded_list(list(map(str, unexpected)), limit=_SHOWN, separator="; ")
            raise BackupError(
                "compare with the backup",
                f"rows are as in the backup, but: {shown}",
                hint="the database was restored; look at these objects, or bring the safety backup back",
            )
        rows = sum(table.rows for table in manifest.tables)
        unsaid = [one.name for one in expected if one.name in self._share.rights.names]
        others = [str(one) for one in expected if one.name not in unsaid]
        warnings = [*found.warnings, *doubts(found), *_extra(found)]
        if unsaid:
            warnings.append(
                "rights on the platform's objects that differ from the backup, left as they are: "
                f"{bounded_list(unsaid)}"
            )
        warnings += [f"expected: {bounded_list(others)}"] if others else []
        return replace(
            found,
            tables=len(manifest.tables),
            rows=rows,
            fingerprints=compared_fingerprints(manifest),
            warnings=tuple(warnings),
        )


def _extra(found: Comparison) -> Iterator[str]:
    if found.extra:
        yield f"not in the backup, and left as they are: {bounded_list(found.extra, limit=_SHOWN)}"
