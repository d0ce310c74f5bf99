"""One set on its way into one location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from ...backupset.artifact import Artifact
from ...backupset.naming import HOLDS, MANIFEST, NEXT_HOLD, RELEASE, signature_of
from ...backupset.rekey import is_rekey_name
from ...backupset.set_records import Hold, record_class
from ...catalogue.good_set import GoodSet
from ...catalogue.loading import LoadedSet
from ...errors import BackupError, FormatError, LocationError
from ...locations.base import LegalHoldDenied, Location, ObjectInfo
from ...reading.artifact import NotAsWritten, StoredArtifact
from ...stream.pipeline import as_backup_error
from .planning import Target
from .source_copies import Contents


class TargetCopy:
    """The copy of a set in one location while it is written: what is there, and what is missing.

    Nothing is ever replaced: what is wrong is removed first, and only while there is no manifest, which would stand
    for it. Between two requests another run may come; each removal looks once more, so that it can be the wrong
    object only for the moment of one request.

    :ivar lacking: names of the artifacts that have to be written.
    :ivar written: bytes of artifacts that were written.
    :ivar source: where they came from.
    :ivar there: whether another run has finished the set meanwhile.
    :ivar changed: whether anything was written or removed.
    :ivar warnings: what is not wrong but should be known.
    """

    def __init__(self, target: Target, contents: Contents) -> None:
        self.target = target
        self.location: Location = target.location
        self.lacking: set[str] = set()
        self.written = 0
        self.source = ""
        self.there = False
        self.changed = False
        self.error: BackupError | None = None
        self.warnings: list[str] = []
        self._loaded: LoadedSet = contents.loaded
        self._contents = contents
        self._good = GoodSet(target.location, contents.loaded)
        self._directory = self._good.directory
        self._wrong: list[ObjectInfo] = []

    @property
    def _small(self) -> Mapping[str, bytes]:
        return self._contents.small

    @property
    def live(self) -> bool:
        """Whether the copy still has to be finished."""
        return self.error is None and not self.there

    def fail(self, error: BaseException) -> None:
        """Give up this copy because of *error*; objects that were written stay for the next run."""
        if self.error is None:
            self.error = as_backup_error(error, f"copy {self._loaded.manifest.id}")

    def survey(self) -> None:
        """Find out what is there, reading back what may be right; nothing is changed."""
        objects = {info.key.rpartition("/")[2]: info for info in self.location.list(self._directory)}
        manifest = objects.get(MANIFEST)
        if manifest is not None and not self.target.repairs:
            self.there = True
            return
        for artifact in self._loaded.manifest.artifacts:
            if not self._is_right(artifact, objects.get(artifact.name)):
                self.lacking.add(artifact.name)
        for name, info in objects.items():
            if name in self.lacking or (name in self._small and not self._may_stay(name, info)):
                self._wrong.append(info)
            record = name.removesuffix(".sig")
            if record != name and record in self._small and record not in objects:
                # What is left of another run: the record that it belonged to is not there, and ours comes.
                self._wrong.append(info)
        same = manifest is not None and self._holds(manifest, self._loaded.data)
        if same and not self.lacking and not self._wrong and set(self._small) <= set(objects):
            raise BackupError(
                f"repair {self._loaded.manifest.id}",
                f"location '{self.location.name}' has all of the set as it should be, and something that does not "
                "belong there",
                hint="look into the set's directory",
            )

    def clear(self) -> None:
        """Remove what is wrong, the manifest of a damaged copy before anything else."""
        manifest = self.location.stat(self._key(MANIFEST))
        if manifest is not None:
            if not self.target.repairs:
                self.there = True
                return
            self._remove(manifest)
        for info in self._wrong:
            if self.location.stat(self._key(MANIFEST)) is not None:
                raise self._changed("another run has finished the set")
            self._remove(info)

    def take(self, artifact: Artifact, source: str) -> None:
        """Record that *artifact* was written, and from which location it came."""
        self.lacking.discard(artifact.name)
        self.written += artifact.size
        self.source = source
        self.changed = True

    def meet(self, artifact: Artifact, error: BackupError) -> None:
        """After the writing of *artifact* has failed: another run may have written the same."""
        if isinstance(error, LocationError) and error.taken:
            try:
                StoredArtifact(self._good, artifact).verify()
            except Exception as other:
                self.fail(other)
            else:
                self.lacking.discard(artifact.name)
            return
        self.fail(error)

    def renew(self, contents: Contents) -> None:
        """Take what is small as it is by now: somebody may have held the set while its artifacts were copied."""
        self._contents = contents

    def finish(self) -> None:
        """Write what is small, see that everything is there, and then the manifest."""
        for name, data in self._small.items():
            self._put_small(name, data)
        there = {info.key: info.size for info in self.location.list(self._directory)}
        for artifact in self._loaded.manifest.artifacts:
            if there.get(self._key(artifact.name)) != artifact.size:
                raise self._changed(f"{artifact.name} was removed or changed")
        legally = self._is_held() and self.location.lock_state().enabled
        if legally:
            staying = [name for name in self._small if name not in (NEXT_HOLD, RELEASE)]
            signatures = [signature_of(name) for name in staying if name in self._contents.signatures]
            names = [artifact.name for artifact in self._loaded.manifest.artifacts]
            self._hold_legally([*names, *staying, *signatures])
        self._put(MANIFEST, self._loaded.data)
        if legally and not self.warnings:
            self._hold_legally([MANIFEST])

    def _is_held(self) -> bool:
        now = datetime.now(timezone.utc)
        return any(Hold.parse(self._small[name]).holds_at(now) for name in HOLDS if name in self._small)

    def _hold_legally(self, names: Sequence[str]) -> None:
        """Let the store keep what it got, as it does in other locations; what this software goes by is there."""
        try:
            for name in names:
                self.location.set_legal_hold(self._key(name), True)
        except LegalHoldDenied as error:
            self.warnings.append(f"{self._loaded.manifest.id} is held, and has no legal hold: {error}")

    def _key(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def _is_right(self, artifact: Artifact, info: ObjectInfo | None) -> bool:
        if info is None or info.size != artifact.size:
            return False
        try:
            StoredArtifact(self._good, artifact).verify()
        except NotAsWritten:
            return False
        return True

    def _may_stay(self, name: str, info: ObjectInfo) -> bool:
        """Whether a small object is as the source's, or a record of this set's own: somebody may hold it here alone."""
        kind = record_class(name)
        if is_rekey_name(name) or self._holds(info, self._small[name]):
            return True
        if kind is None:
            return False
        try:
            record = kind.parse(self.location.get(info.key))
        except FormatError:
            return False
        return (record.label, record.id) == (self._loaded.manifest.label, self._loaded.manifest.id)

    def _holds(self, info: ObjectInfo, data: bytes) -> bool:
        return info.size == len(data) and self.location.get(info.key) == data

    def _remove(self, info: ObjectInfo) -> None:
        if self.location.stat(info.key) != info:
            raise self._changed(f"{info.key} is another than a moment ago")
        self.location.delete(info.key)
        self.changed = True

    def _put_small(self, name: str, data: bytes) -> None:
        """Write a record after its signature, so that it is never there without; one that is there is left alone."""
        signature = self._contents.signatures.get(name)
        if signature is not None and self.location.stat(self._key(name)) is None:
            self._put(signature_of(name), signature)
        self._put(name, data)

    def _put(self, name: str, data: bytes) -> None:
        try:
            self.location.put(self._key(name), data)
        except LocationError as error:
            if not error.taken:
                raise
            # A record there is one that was left alone, or that somebody has just made.
            own = record_class(name) is not None or is_rekey_name(name)
            if not own and self.location.get(self._key(name)) != data:
                raise
        else:
            self.changed = True

    def _changed(self, what: str) -> LocationError:
        step = f"copy {self._loaded.manifest.id}"
        return LocationError(self.location.name, step, f"{what} meanwhile", hint="run it again")
