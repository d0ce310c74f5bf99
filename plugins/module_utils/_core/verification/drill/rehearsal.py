"""One copy of a set, restored into a scratch database and compared with its manifest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ...backupset.artifact import Artifact
from ...backupset.manifest import Manifest
from ...backupset.naming import SetId
from ...catalogue.good_set import GoodSet, find_good_set
from ...catalogue.selector import BackupSelector
from ...errors import BackupError, ConfigError
from ...findings import FAILED, PASSED, WARNING, Finding, joined, verdict
from ...locations.base import Location
from ...postgres.connection import ConnectionOptions, connect
from ...postgres.preflight import system_identifier
from ...progress import doing, stage
from ...reading.access import Access
from ...reading.artifact import StoredArtifact
from ...reading.left_out import describe_left_out
from ...restore.database.comparing import Comparison, Difference
from ...restore.database.complaints import Complaint, ReplayError, divide
from ...restore.database.contents import Contents, open_contents
from ...restore.database.naming import LOADING, Note, beside
from ...restore.database.plan import RestorePlan
from ...restore.database.preparing import prepare
from ...restore.database.replaced_database import reap_unfinished
from ...restore.database.request import RestoreRequest
from ...restore.database.roles import make_roles
from ...restore.database.side_by_side.new_database import NewDatabase
from ...restore.outbound.forecast import Forecast
from ...restore.outbound.muting import mute
from ...restore.outbound.paused_objects import names_of
from .compared import CHECKS, compared, listed
from .queries import run_query
from .request import DrillRequest
from .roles import drop_roles

_QUERY_SECONDS = 600
_NO_LOCALE = "locale"


@dataclass
class Rehearsal:
    """The result of the drill of one copy.

    :ivar manifest_sha256: of the manifest that was proven; None where none could be read.
    :ivar restore_seconds: from reading the manifest until the database was loaded, compared and analyzed; None where
        it never came to that.
    :ivar unreplayable: whether the restore ended at an object that cannot be made again from what the dump has of it.
    :ivar differences: all of them; findings name the first of each kind.
    """

    set_id: SetId
    location: str
    started: datetime
    finished: datetime
    findings: list[Finding] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    manifest_sha256: str | None = None
    signature: str | None = None
    server_version: str | None = None
    restore_seconds: float | None = None
    unreplayable: bool = False

    @property
    def verdict(self) -> str:
        """The worst status of the findings."""
        return verdict(self.findings)

    def add_finding(self, check: str, status: str, message: str) -> None:
        """Add a finding; its subject is the location, for alerts about one must not be taken back by another."""
        self.findings.append(Finding(check=check, subject=self.location, status=status, message=message))


class Drill:
    """Restores copies of one set on one server and compares them.

    :param server: asked for the way to the server of a version (``170010``), as soon as a set was proven.
    """

    def __init__(
        self, request: DrillRequest, access: Access, set_id: SetId, server: Callable[[int], ConnectionOptions]
    ) -> None:
        self._request = request
        self._access = access
        self._id = set_id
        self._server = server

    def rehearse(self, location: Location, *, only_check: bool = False) -> Rehearsal:
        """Prove the copy in one location, restore it, compare it, and drop what was restored.

        :param only_check: end where the first change would be made.
        :raises BackupError: the server cannot be used, so that nothing is known of the set.
        """
        now = datetime.now(timezone.utc)
        rehearsal = Rehearsal(self._id, location.name, now, now)
        began = time.monotonic()
        contents = self._open(location, rehearsal, only_check)
        if contents is not None and contents.good is not None:
            opened = time.monotonic()
            options = self._server(contents.good.manifest.database.server_version_num)
            # A throwaway server's start is none of the restore's time.
            began += time.monotonic() - opened
            with contextlib.ExitStack() as stack:
                plan = self._prepare(contents, contents.good.manifest, options, stack)
                rehearsal.server_version = plan.target.version
                rehearsal.warnings += [one for one in plan.warnings if one not in contents.warnings]
                own = contents.good.manifest.database.system_identifier
                if own is not None and own == system_identifier(plan.maintenance):
                    rehearsal.warnings.append(
                        "this is the very server that was backed up: use another one, for example staging"
                    )
                if only_check:
                    for line in plan.forecast.lines():
                        rehearsal.add_finding("outbound", PASSED, line)
                else:
                    self._restore(plan, contents.good.manifest, rehearsal, began)
                    self._prove_exports(contents.good, rehearsal)
        rehearsal.finished = datetime.now(timezone.utc)
        return rehearsal

    def _open(self, location: Location, rehearsal: Rehearsal, only_check: bool) -> Contents | None:
        """The set, proven and open; None where it is bad, which *told* then says."""
        request, access = self._request, self._access
        try:
            good = find_good_set([location], request.label, BackupSelector(self._id), access.verify_keys)
            rehearsal.manifest_sha256, rehearsal.signature = good.loaded.sha256, good.loaded.signature
            found = good.manifest.environment or ""
            if request.environment is not None and found != request.environment:
                raise ConfigError(
                    "check the backup",
                    f"the set is of environment {found!r}, and {request.environment!r} was expected",
                    hint="is it the right label and location?",
                )
            contents = open_contents(good, access.decryption)
            # A restore reads every byte of the dump, and each of its pieces is proven before it is used.
            _prove(good, good.manifest.artifacts if only_check else ())
        except BackupError as error:
            rehearsal.add_finding("source", FAILED, str(error))
            return None
        rehearsal.warnings += contents.warnings
        count = len(good.manifest.artifacts)
        status = PASSED if good.loaded.signature == "good" else WARNING
        rehearsal.add_finding(
            "source", status, f"{count} files of the sizes that were written, signature {good.loaded.signature}"
        )
        return contents

    def _prove_exports(self, good: GoodSet, rehearsal: Rehearsal) -> None:
        """Compare the SHA-256 of what no restore of the database reads."""
        exports = [artifact for artifact in good.manifest.artifacts if artifact.role in ("export", "attachment")]
        wrong = []
        for artifact in exports:
            try:
                _prove(good, [artifact])
            except BackupError as error:
                wrong.append(error.message)
        if exports:
            sound = f"{len(exports)} table exports are as they were written"
            rehearsal.add_finding("exports", FAILED if wrong else PASSED, joined(wrong) if wrong else sound)

    def _prepare(
        self, contents: Contents, manifest: Manifest, options: ConnectionOptions, stack: contextlib.ExitStack
    ) -> RestorePlan:
        request = self._request
        restore = RestoreRequest(
            # Never the name of a database that anybody uses, and the same for every drill of the label: what a killed
            # one has left is found by it.
            database=f"drill_{request.label}",
            label=request.label,
            backup=str(self._id),
            strategy="side_by_side",
            jobs=request.jobs,
            scratch=True,
            expected=request.expected,
            search_paths=request.search_paths,
            expect_environment=manifest.environment or "unknown",
            expect_database=manifest.database.name,
            maintenance_db=request.maintenance_db,
            lock_timeout=request.lock_timeout,
            pg_bin_dir=request.pg_bin_dir,
            profile=request.profile,
        )
        return prepare(restore, options, contents, stack)

    def _restore(self, plan: RestorePlan, manifest: Manifest, rehearsal: Rehearsal, began: float) -> None:
        reap_unfinished(plan.maintenance, plan.options, plan.target)
        now = rehearsal.started
        note = Note(plan.target.name, LOADING, plan.contents.name, now.isoformat(timespec="seconds"))
        name = beside(plan.target.name, "new", now, plan.target.names)
        scratch = NewDatabase(plan, name, note)
        made: tuple[str, ...] = ()
        try:
            rehearsal.warnings += make_roles(plan.maintenance, plan.target, plan.roles)
            made = plan.roles.roles
            _add_outbound_findings(plan.forecast, rehearsal)
            self._load(scratch, rehearsal)
            comparison = scratch.compare()
            rehearsal.restore_seconds = time.monotonic() - began
            self._judge(comparison, manifest, plan, scratch.tolerated, rehearsal)
            _silence(scratch, rehearsal)
            self._ask(scratch, rehearsal)
        except BackupError as error:
            rehearsal.unreplayable = isinstance(error, ReplayError)
            rehearsal.add_finding("restore", FAILED, str(error))
        finally:
            scratch.drop()
            rehearsal.warnings += drop_roles(plan.maintenance, made)

    def _load(self, scratch: NewDatabase, rehearsal: Rehearsal) -> None:
        try:
            scratch.create()
        except BackupError as error:
            if _NO_LOCALE not in error.message:
                raise
            rehearsal.add_finding("locale", WARNING, f"restored with the server's own locale: {error.message}")
            scratch.create(any_locale=True)
        scratch.load()

    def _judge(
        self,
        comparison: Comparison,
        manifest: Manifest,
        plan: RestorePlan,
        overlooked: Sequence[Complaint],
        rehearsal: Rehearsal,
    ) -> None:
        seconds = rehearsal.restore_seconds or 0
        rehearsal.add_finding("restore", PASSED, f"restored into PostgreSQL {plan.target.version} in {seconds:.1f} s")
        limit = self._request.recovery_time
        if limit is not None:
            allowed = limit.total_seconds()
            status = PASSED if seconds <= allowed else FAILED
            rehearsal.add_finding(
                "recovery_time", status, f"{seconds:.0f} s of {allowed:.0f} s that a restore may take"
            )
        tolerated = {one.name for one in overlooked}
        unexpected, expected = divide(comparison.differences, plan.request.expected, overlooked)
        rehearsal.differences += unexpected
        for check in CHECKS:
            wrong = [one for one in rehearsal.differences if one.check == check]
            rehearsal.add_finding(
                check, FAILED if wrong else PASSED, listed(wrong) if wrong else compared(check, manifest)
            )
        if left_out := describe_left_out(manifest):
            rehearsal.add_finding("left_out", PASSED, left_out)
        harmless = [f"{one.name}: {one.message}" for one in overlooked]
        harmless += [one.message for one in expected if one.name not in tolerated]
        if harmless:
            rehearsal.add_finding("expected_differences", WARNING, f"harmless or expected: {joined(harmless)}")
        if comparison.doubtful:
            rehearsal.add_finding("definitions", WARNING, listed(comparison.doubtful))
        rehearsal.warnings += comparison.warnings
        if comparison.extra:
            rehearsal.warnings.append(f"not in the backup, but in the scratch database: {joined(comparison.extra)}")

    def _ask(self, scratch: NewDatabase, rehearsal: Rehearsal) -> None:
        if not self._request.queries:
            return
        queries = self._request.queries
        connection = connect(scratch.options)
        try:
            with stage("ask the checks' queries"):
                for number, query in enumerate(queries, 1):
                    doing(f"query {number} of {len(queries)} ({query.name})")
                    status, message = run_query(connection, query, _QUERY_SECONDS)
                    subject = f"{rehearsal.location}: {query.name}"
                    rehearsal.findings.append(Finding(check="query", subject=subject, status=status, message=message))
        finally:
            connection.close()


def _add_outbound_findings(forecast: Forecast, rehearsal: Rehearsal) -> None:
    """Add findings about objects that would call out, which a drill does not let them."""
    if forecast.unfilled:
        rehearsal.add_finding(
            "outbound", WARNING, f"was left empty, as it would call out: {names_of(forecast.unfilled)}"
        )
    if forecast.checked:
        rehearsal.add_finding("outbound", WARNING, f"was loaded without the calls of {joined(forecast.checked)}")
    if forecast.stored:
        refused = "a restore refuses that unless outbound: active is set"
        rehearsal.add_finding(
            "outbound", WARNING, f"was filled without the calls of {joined(forecast.stored)}: {refused}"
        )


def _silence(scratch: NewDatabase, rehearsal: Rehearsal) -> None:
    """Nothing in the scratch database calls out while it is asked; what would is what a restore pauses."""
    found = scratch.pause()
    if found.paused:
        rehearsal.add_finding(
            "outbound", PASSED, f"would mail, call or replicate, and was paused: {names_of(found.paused)}"
        )
    if found.awake:
        rehearsal.add_finding("outbound", WARNING, f"calls out, and a restore cannot pause it: {names_of(found.awake)}")
    with contextlib.closing(connect(scratch.options)) as connection:
        still_calling = mute(connection, raising=True).still_calling
    if still_calling:
        rehearsal.add_finding(
            "outbound", WARNING, f"would call out if one of your queries used it: {joined(still_calling)}"
        )


def _prove(good: GoodSet, artifacts: Sequence[Artifact]) -> None:
    """Read these artifacts to their ends and compare their SHA-256."""
    with stage(f"prove the files in {good.location.name}", sum(artifact.size for artifact in artifacts)):
        for artifact in artifacts:
            StoredArtifact(good, artifact).verify()
