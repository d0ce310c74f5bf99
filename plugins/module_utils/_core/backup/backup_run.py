"""Carrying out the plan of a backup: every stream at once, then the manifest, last."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ..backupset.artifact import Artifact
from ..backupset.manifest import Database, Manifest, PreviousSet, Snapshot, digest
from ..backupset.manifest import Fingerprint as ManifestFingerprint
from ..backupset.naming import DUMP_PREFIX, MANIFEST, SIGNATURE
from ..encryption.cipher import Encryption
from ..errors import BackupError, Cancelled, SourceError
from ..postgres.archive import Toc
from ..postgres.blockers import blockers_named
from ..postgres.copying import TableSource
from ..postgres.counting import Fingerprint, count_rows, fingerprints
from ..postgres.foreign_code import planned_code
from ..postgres.globals import globals_source
from ..postgres.large_objects import (
    CONTENTS_ALGORITHM,
    RIGHTS_ALGORITHM,
    contents_of_large_objects,
    rights_on_large_objects,
)
from ..postgres.locking import lock_tables
from ..postgres.names import TableName, display_name
from ..postgres.types import Connection
from ..progress import expect_tables, stage
from ..stream.pipeline import as_backup_error
from ..texts import bounded_list
from .attachments import Attachment, AttachmentSource
from .dumping import STEP as DUMP_STEP
from .dumping import PartDump, TocCollector, dump_argv
from .manifest_entries import (
    describe_dump,
    describe_schema,
    describe_small_artifact,
    describe_tables,
    describe_tools,
    manifest_within_limits,
    whole_seconds,
)
from .parts import Part
from .preparing import Ends, Plan
from .request import BackupRequest
from .set_writer import SetWriter
from .small_artifacts import ResolvedExport, SmallArtifact

_VERIFY_EVERY = 5.0
"""Seconds between two looks at the session that holds the lock and the snapshot."""
_CANCEL_AGAIN = 0.5


@dataclass(frozen=True)
class Written:
    """The result of a backup: the manifest, its digest, and which locations failed.

    :param failures: name -> why a location does not have it.
    :param proofs: name -> what a location that has it has proven its copy by.
    :param notices: what a store does otherwise than was asked for.
    """

    manifest: Manifest
    manifest_sha256: str
    failures: dict[str, BackupError]
    proofs: dict[str, str]
    notices: list[str]


@dataclass
class _Counts:
    rows: dict[TableName, int] = field(default_factory=dict)
    fingerprints: dict[TableName, Fingerprint] = field(default_factory=dict)
    large_object_contents: ManifestFingerprint | None = None
    large_object_rights: ManifestFingerprint | None = None
    warnings: list[str] = field(default_factory=list)


class BackupRun:
    """One execution of a planned backup; an object is used once."""

    def __init__(self, request: BackupRequest, ends: Ends, plan: Plan) -> None:
        self._request = request
        self._ends = ends
        self._plan = plan
        self._writer = SetWriter(plan.locations, plan.directory(request.label))
        self._tocs = TocCollector(len(plan.parts))
        self._dumps = [self._part_dump(part) for part in plan.parts]
        self._sides = self._small_artifacts()
        self._counts = _Counts()
        self._counting: Connection | None = None
        self._exporting: Connection | None = None
        self._lock = threading.Lock()

    def run(self) -> Written:
        """Write the set.

        :raises BackupError: it could not be made; nothing of it is left in any location, or the error says where.
        """
        for survey in self._plan.surveys:
            survey.make_root()
        try:
            with self._exported_tables_held():
                self._stream()
            self._plan.snapshot.verify()
            manifest, data = manifest_within_limits(self._describe(), signed=self._ends.signing_key is not None)
            if self._ends.signing_key is not None:
                self._writer.put(SIGNATURE, self._ends.signing_key.sign(data))
            self._writer.put(MANIFEST, data)
        except BaseException as error:
            self._writer.abandon()
            if isinstance(error, BackupError):
                for warning in self._writer.kept:
                    error.add(warning)
            raise
        self._writer.clean_failed()
        failures = {**self._plan.failures, **self._writer.failures}
        return Written(manifest, digest(data), failures, self._writer.proofs(), self._writer.notices())

    @contextlib.contextmanager
    def _exported_tables_held(self) -> Iterator[None]:
        """Lock what is exported at once: an export begins when those before it have ended, and whoever waits to change
        its table by then would keep it waiting.
        """
        if not self._plan.exports:
            yield
            return
        with contextlib.closing(self._plan.snapshot.attach()) as session:
            self._exporting = session
            relations = dict.fromkeys(table for export in self._plan.exports for table in export.copy.relations)
            lock_tables(session, list(relations))
            yield

    def _export_session(self) -> Connection:
        if self._exporting is None:
            raise AssertionError("no session holds the exported tables")
        return self._exporting

    def _stream(self) -> None:
        """Dump, count, and make the artifacts beside, all at the same time; the first failure ends them all."""
        tasks: list[Callable[[], None]] = [self._dump_task(dump) for dump in self._dumps]
        tasks += [self._count, self._write_small_artifacts] if tasks else [self._write_small_artifacts]
        tasks = [self._explaining(task) for task in tasks]
        with (
            stage(DUMP_STEP if self._dumps else "export the tables", self._expected(), estimated=True),
            ThreadPoolExecutor(max_workers=len(tasks), thread_name_prefix="backup") as pool,
        ):
            futures = [pool.submit(task) for task in tasks]
            try:
                self._watch(futures)
            except BaseException as error:
                reason = as_backup_error(error, "back up")
                # A request that reaches the server between two statements has no effect, so one is not enough.
                while not_done := wait(futures, timeout=0).not_done:
                    self._give_up(reason)
                    wait(not_done, timeout=_CANCEL_AGAIN)
                raise

    def _expected(self) -> int | None:
        """How many bytes the set before has taken, before they were compressed and encrypted here."""
        previous = self._plan.previous
        if previous is None:
            return None
        return sum(one.size if one.plain_size is None else one.plain_size for one in previous.manifest.artifacts)

    def _watch(self, futures: list[Future[None]]) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=_VERIFY_EVERY, return_when=FIRST_EXCEPTION)
            for future in done:
                if (error := future.exception()) is not None:
                    raise error
            if pending:
                self._plan.snapshot.verify()

    def _give_up(self, reason: BackupError) -> None:
        self._tocs.give_up()
        self._writer.cancel(reason)
        with self._lock:
            if self._counting is not None:
                with contextlib.suppress(Exception):
                    self._counting.cancel()

    def _part_dump(self, part: Part) -> PartDump:
        plan = self._plan
        suffix = f".part{part.number}" if part.number > 1 else ""
        encrypted = self._ends.encryption.suffix
        return PartDump(
            part,
            name=f"{DUMP_PREFIX}{plan.set_id.stamp}{suffix}.dump{plan.compression.suffix}{encrypted}",
            argv=dump_argv(
                plan.pg_dump,
                snapshot=plan.snapshot.id,
                part=part,
                compression=plan.compression,
                lock_timeout=self._request.lock_timeout,
                encoding=plan.server.encoding,
                unseen=plan.unseen,
            ),
            environment=plan.environment,
            compression=plan.compression,
            encryption=self._ends.encryption,
            on_toc=self._add_toc,
        )

    def _add_toc(self, toc: Toc) -> None:
        """Prove, while the part's pg_dump has its tables locked and waits to be read, that they are the snapshot's."""
        self._plan.unchanged.check([(data.schema, data.table) for data in toc.tables])
        expect_tables(len(toc.tables))
        self._tocs.add(toc)

    def _dump_task(self, dump: PartDump) -> Callable[[], None]:
        # As it lies in the database with its indexes: more than will come, which only makes an upload's parts larger.
        elsewhere = sum(part.size for part in self._plan.parts if part.number != 1)
        size_hint = dump.part.size if dump.part.number > 1 else max(0, self._plan.server.size - elsewhere)

        return lambda: dump.run(self._writer, size_hint=size_hint)

    def _explaining(self, task: Callable[[], None]) -> Callable[[], None]:
        def explaining() -> None:
            with blockers_named(self._plan.snapshot.connection):
                task()

        return explaining

    def _count(self) -> None:
        """Count the rows of what is dumped, in the dump's snapshot, as soon as it is known what that is."""
        tables = self._tocs.wait()
        if tables is None:
            raise Cancelled("count the rows")
        connection = self._plan.snapshot.reader
        try:
            with self._lock:
                self._counting = connection
            marked = self._to_fingerprint(tables)
            self._counts.fingerprints = fingerprints(connection, marked, on_locked=self._check_fingerprinted)
            unmarked = [table for table in tables if table not in self._counts.fingerprints]
            counted = {table: found.rows for table, found in self._counts.fingerprints.items()}
            self._counts.rows = {**counted, **count_rows(connection, unmarked, on_locked=self._check_unchanged)}
            self._look_at_large_objects(connection)
        finally:
            with self._lock:
                self._counting = None

    def _look_at_large_objects(self, connection: Connection) -> None:
        if not self._plan.server.large_objects:
            return
        rights = rights_on_large_objects(connection)
        self._counts.large_object_rights = ManifestFingerprint(algorithm=RIGHTS_ALGORITHM, value=rights)
        if self._request.fingerprint == "all":
            contents = contents_of_large_objects(connection)
            self._counts.large_object_contents = ManifestFingerprint(algorithm=CONTENTS_ALGORITHM, value=contents)

    def _to_fingerprint(self, tables: Sequence[TableName]) -> list[TableName]:
        """Those that are to have a fingerprint, and can be read by a query without running somebody else's code."""
        wanted = [table for table in tables if self._wants_fingerprint(table)]
        refused = planned_code(self._plan.look, wanted)
        if refused:
            self._counts.warnings.append(
                f"no fingerprint of {bounded_list(list(map(display_name, refused)))}: indexes or statistics have "
                "functions of the table's owner, which would run with this role's rights"
            )
        return [table for table in wanted if table not in refused]

    def _check_unchanged(self, tables: Sequence[TableName]) -> None:
        """Fail if a table that could not be locked was replaced or truncated after it was dumped."""
        self._plan.unchanged.check([table for table in tables if table not in self._plan.snapshot.held])

    def _check_fingerprinted(self, tables: Sequence[TableName]) -> None:
        self._check_unchanged(tables)
        if refused := planned_code(self._plan.look, tables):
            names = bounded_list(list(map(display_name, refused)))
            raise SourceError("fingerprint the tables", f"somebody has just given indexes with functions to {names}")

    def _wants_fingerprint(self, table: TableName) -> bool:
        if self._request.fingerprint == "marked":
            return table in self._plan.policies and self._plan.policies[table].fingerprint
        return self._request.fingerprint == "all"

    def _small_artifacts(self) -> list[SmallArtifact]:
        encryption = self._ends.encryption
        exports = [self._export(export, encryption) for export in self._plan.exports]
        attachments = [self._attachment(one, encryption) for one in self._request.attachments]
        return [*([self._globals(encryption)] if self._request.dumps else []), *exports, *attachments]

    def _globals(self, encryption: Encryption) -> SmallArtifact:
        plan = self._plan
        source = globals_source(
            plan.pg_dumpall,
            plan.environment,
            plan.server.database,
            # A password's hash opens the server to whoever reads it, so it is never written in the open.
            with_passwords=plan.server.can_read_passwords and encryption.enabled,
        )
        name = f"globals_{plan.set_id.stamp}"
        return SmallArtifact(name, source, role="globals", data_format="sql", compression="none", encryption=encryption)

    def _attachment(self, attachment: Attachment, encryption: Encryption) -> SmallArtifact:
        return SmallArtifact(
            f"{attachment.stem}_{self._plan.set_id.stamp}",
            AttachmentSource(attachment),
            role="attachment",
            data_format=attachment.extension,
            compression="none",
            encryption=encryption,
            sealed=True,
        )

    def _export(self, export: ResolvedExport, encryption: Encryption) -> SmallArtifact:
        spec = export.spec
        source = TableSource(self._export_session, export.copy, keep_open=True, look=self._plan.look)
        return SmallArtifact(
            f"{spec.name}_{self._plan.set_id.stamp}",
            source,
            role="export",
            data_format=spec.data_format,
            compression=spec.compress,
            encryption=encryption,
            export=export,
        )

    def _write_small_artifacts(self) -> None:
        for side in self._sides:
            side.run(self._writer)

    def _describe(self) -> Manifest:
        request, plan, encryption = self._request, self._plan, self._ends.encryption
        artifacts: list[Artifact] = [describe_dump(dump, encryption) for dump in self._dumps]
        artifacts += [describe_small_artifact(side, encryption) for side in self._sides]
        programs = (plan.pg_dump, plan.pg_dumpall) if request.dumps else ()
        versions = [(program.name, program.version_text) for program in programs]
        # What is no backup is not in the chain of backups.
        previous = plan.previous if request.dumps else None
        return Manifest(
            id=plan.set_id,
            kind=request.kind,
            label=request.label,
            environment=request.environment,
            labels=dict(request.labels),
            started=whole_seconds(plan.started),
            finished=whole_seconds(datetime.now(timezone.utc)),
            database=self._describe_database(),
            tools=describe_tools(versions),
            artifacts=tuple(artifacts),
            tables=describe_tables(self._counts.rows, self._counts.fingerprints, plan.policies, plan.left_out),
            schema=describe_schema(self._dumps),
            large_objects=plan.server.large_objects,
            large_object_contents=self._counts.large_object_contents,
            large_object_rights=self._counts.large_object_rights,
            previous=None if previous is None else PreviousSet(id=previous.id, sha256=previous.sha256),
            warnings=(*plan.warnings, *self._messages()),
        )

    def _describe_database(self) -> Database:
        server, snapshot = self._plan.server, self._plan.snapshot
        return Database(
            name=server.database,
            system_identifier=server.system_identifier,
            server_version=server.version,
            server_version_num=server.version_num,
            encoding=server.encoding,
            size=server.size,
            snapshot=Snapshot(id=snapshot.id, time=whole_seconds(snapshot.time), wal_lsn=snapshot.wal_lsn),
        )

    def _messages(self) -> list[str]:
        messages = [*self._counts.warnings, *(message for dump in self._dumps for message in dump.messages)]
        if uncompared := [name for dump in self._dumps[:1] for name in dump.walker.toc.uncompared]:
            messages.append(
                "dumped, but too long to be compared, so that neither a drill nor a restore shows whether they are as "
                f"they were: {bounded_list(uncompared)}"
            )
        if self._request.dumps and self._plan.server.can_read_passwords and not self._ends.encryption.enabled:
            messages.append("the passwords of the roles were left out, because the set is not encrypted")
        return messages
