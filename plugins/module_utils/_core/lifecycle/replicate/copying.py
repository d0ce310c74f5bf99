"""Carrying out the plan for one set: every artifact is read once for all the locations that lack it.

The manifest comes last, so that a run that is killed leaves no set that is not whole, and what it has written is what
the next run goes on from.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from ...backupset.artifact import Artifact
from ...backupset.manifest import Manifest
from ...catalogue.good_set import GoodSet
from ...errors import BackupError
from ...locations.base import Location
from ...progress import expect
from ...reading.artifact import StoredArtifact
from .planning import ReplicationRequest, SetPlan
from .source_copies import Contents, Sources
from .streams import CopySink, ObjectSource, copy_object
from .target_copy import TargetCopy


@dataclass(frozen=True)
class Copied:
    """A new copy of a set in one location.

    :param source: the name of the location that it was read from, "" where all was there but the manifest.
    :param size: bytes of the artifacts that were written.
    """

    location: str
    source: str
    size: int
    repaired: bool = False


@dataclass
class Outcome:
    """The copies and failures of one set.

    :ivar missing: name -> why a location has not got it.
    :ivar damaged: location -> what was found to be wrong with the copy that was read there.
    :ivar failures: name -> why a location could not be read.
    :ivar changed: whether anything was written or removed anywhere.
    :ivar warnings: what is not wrong but should be known.
    """

    copied: list[Copied] = field(default_factory=list)
    missing: dict[str, BackupError] = field(default_factory=dict)
    damaged: dict[Location, str] = field(default_factory=dict)
    failures: dict[str, BackupError] = field(default_factory=dict)
    changed: bool = False
    warnings: list[str] = field(default_factory=list)


def copy_set(plan: SetPlan, request: ReplicationRequest) -> Outcome:
    """Bring one set into the locations that lack it.

    A location that fails spoils no other. Where *request* asks for repairs, a copy that turns out to be damaged while
    it is read is repaired from one that is not.
    """
    outcome = Outcome()
    copying = _Copying(plan, request)
    copying.run(outcome)
    if request.repair and outcome.damaged:
        again = plan.repairing(list(outcome.damaged))
        if again.sources:
            _Copying(again, request).run(outcome)
    return outcome


class _Copying:
    """The copying of one set; an object is used once."""

    def __init__(self, plan: SetPlan, request: ReplicationRequest) -> None:
        self._plan = plan
        self._directory = plan.id.directory(request.label)
        self._sources = Sources(plan, request)
        self._deliveries: list[TargetCopy] = []

    def run(self, outcome: Outcome) -> None:
        """Copy what can be copied, and add it to *outcome*."""
        try:
            contents: Contents = self._sources.use(self._sources.contents)
        except BackupError as error:
            outcome.missing.update({target.location.name: error for target in self._plan.targets})
        else:
            self._write_copy(contents)
        outcome.damaged.update(self._sources.damaged)
        outcome.failures.update(self._sources.failures)
        for delivery in self._deliveries:
            self._note(delivery, outcome)

    def _write_copy(self, contents: Contents) -> None:
        manifest = contents.loaded.manifest
        self._deliveries = [TargetCopy(target, contents) for target in self._plan.targets]
        self._each(TargetCopy.survey)
        self._verify_for_repairs(contents, manifest)
        self._each(TargetCopy.clear)
        expect(sum(artifact.size for artifact in manifest.artifacts if self._waiting(artifact)))
        for artifact in manifest.artifacts:
            if not self._waiting(artifact):
                continue
            try:
                self._sources.use(partial(self._stream, contents, artifact))
            except BackupError as error:
                for delivery in self._waiting(artifact):
                    delivery.fail(error)
        self._renew()
        self._each(TargetCopy.finish)

    def _renew(self) -> None:
        """See that the set is still there, as it may have been held, or deleted, since copying began."""
        live = [delivery for delivery in self._deliveries if delivery.live]
        if not live:
            return
        try:
            contents = self._sources.use(self._sources.contents)
        except BackupError as error:
            for delivery in live:
                delivery.fail(error)
        else:
            for delivery in live:
                delivery.renew(contents)

    def _each(self, step: Callable[[TargetCopy], None]) -> None:
        """Take a step in every location at the same time; one that cannot is given up."""

        def guarded(delivery: TargetCopy) -> None:
            try:
                step(delivery)
            except Exception as error:
                delivery.fail(error)

        live = [delivery for delivery in self._deliveries if delivery.live]
        with ThreadPoolExecutor(max_workers=max(1, len(live)), thread_name_prefix="replication") as pool:
            list(pool.map(guarded, live))

    def _verify_for_repairs(self, contents: Contents, manifest: Manifest) -> None:
        """A damaged copy is taken apart only for one that is known to be good: there may be something left of it."""
        repairs = [delivery for delivery in self._deliveries if delivery.live and delivery.target.repairs]
        needed: set[str] = set().union(*(delivery.lacking for delivery in repairs))
        for artifact in manifest.artifacts:
            if artifact.name not in needed:
                continue
            try:
                self._sources.use(partial(_verify, contents, artifact))
            except BackupError as error:
                for delivery in repairs:
                    delivery.fail(error)
                return

    def _waiting(self, artifact: Artifact) -> list[TargetCopy]:
        return [delivery for delivery in self._deliveries if delivery.live and artifact.name in delivery.lacking]

    def _stream(self, contents: Contents, artifact: Artifact, source: Location) -> None:
        """Read the artifact from *source* once, for every location that lacks it.

        :raises BackupError: it could not be read, or is not the artifact; the failure of a location is its own.
        """
        key = f"{self._directory}/{artifact.name}"
        sinks: list[tuple[TargetCopy, CopySink]] = []
        for delivery in self._waiting(artifact):
            try:
                sinks.append((delivery, CopySink(delivery.location.writer(key, size_hint=artifact.size))))
            except BackupError as error:
                delivery.meet(artifact, error)
        if not sinks:
            return
        stored = StoredArtifact(GoodSet(source, contents.loaded), artifact)
        copy_object(ObjectSource(stored), [sink for _delivery, sink in sinks])
        for delivery, sink in sinks:
            if sink.error is None:
                delivery.take(artifact, source.name)
            else:
                delivery.meet(artifact, sink.error)

    def _note(self, delivery: TargetCopy, outcome: Outcome) -> None:
        outcome.changed = outcome.changed or delivery.changed
        outcome.warnings += delivery.warnings
        name = delivery.location.name
        if delivery.error is not None:
            outcome.missing[name] = delivery.error
        elif not delivery.there:
            outcome.copied.append(Copied(name, delivery.source, delivery.written, delivery.target.repairs))


def _verify(contents: Contents, artifact: Artifact, source: Location) -> None:
    StoredArtifact(GoodSet(source, contents.loaded), artifact).verify()
