"""The whole catalogue of a label: one listing of each location, and the small objects that tell what the sets are."""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ..backupset.claims import MAX_RECORD_BYTES, Claim, read_claim
from ..backupset.manifest import Manifest, digest
from ..backupset.naming import MANIFEST, SIGNATURE, SKIPPED, SetId, check_name, signature_of
from ..backupset.set_records import Hold, last_to_end, record_class
from ..backupset.signing import SIGNATURE_BYTES, VerifyKey, verify
from ..documents.strict_json import MAX_UNPROVEN_MEMORY, memory_of
from ..errors import CryptoError, FormatError
from ..locations.base import Location, ObjectInfo
from .cache import RecordCache
from .directories import SetDirectory, gather
from .in_flight import InFlight
from .loading import manifest_limit, refuse_signature, too_large
from .search import Problem, Problems, check_place

_READERS = 8
"""How many small objects of a location are read at the same time."""
_READ_BYTES = 4 * 1024 * 1024
"""What they may have together; a larger one is read alone."""
_RECORD_BYTES = 64 * 1024 * 1024
"""What all records of a label in a location may have together."""
_BATCH, _TASK = 1024, 8
"""How many wait to be read, and how many are handed to a thread at once: each waiting and handing over has its cost."""

_parsing = InFlight(MAX_UNPROVEN_MEMORY)
"""In all locations together: a document takes many times its bytes while it is read."""


@dataclass(frozen=True)
class Summary:
    """What the catalogue tells of a set's manifest.

    :param sha256: of the manifest as it is stored.
    :param artifacts: name -> size.
    :param signature: ``good``, ``unsigned``, or ``unverified`` where there is one but no key was given.
    """

    sha256: str
    environment: str | None
    labels: Mapping[str, str]
    database: str
    system_identifier: str | None
    server_version: str
    started: str
    finished: str
    tables: int
    warnings: int
    artifacts: Mapping[str, int]
    signature: str


@dataclass(frozen=True)
class SetCopy:
    """One set as it lies in one location.

    :param state: ``good``; ``damaged``, where its manifest cannot be used or its artifacts are not as it says; or
        ``unfinished``, which is no set: it has no manifest.
    :param problems: what is wrong with it, a line each.
    :param objects: by name.
    :param claims: the records beside it, as they lie there; :mod:`backupset.claims` tells which of them count.
    :param summary: of a manifest that can be used; where keys were given, one of them has signed it.
    """

    id: SetId
    state: str
    problems: tuple[str, ...]
    objects: Mapping[str, ObjectInfo]
    summary: Summary | None = None
    claims: tuple[Claim, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of everything in its directory."""
        return sum(info.size for info in self.objects.values())

    @property
    def hold(self) -> Hold | None:
        """The one that lies there, of several the one that ends last."""
        return last_to_end(claim.record for claim in self.claims if isinstance(claim.record, Hold))

    @property
    def skipped(self) -> bool:
        """Whether this is the record of a backup that was not made because another one was running."""
        return tuple(self.objects) == (SKIPPED,)

    @property
    def modified(self) -> datetime | None:
        """When something was last written there."""
        return max((info.modified for info in self.objects.values()), default=None)


@dataclass(frozen=True)
class LocationIndex:
    """Everything below a label in one location.

    :param copies: in order of time.
    :param directories: as they were listed, for whoever looks for leftovers.
    :param problems: what belongs to no set, or cannot be read.
    :param read: how many small objects were read because the cache did not have them.
    """

    location: str
    copies: Mapping[SetId, SetCopy]
    directories: Sequence[SetDirectory]
    problems: Problems
    read: int


@dataclass
class _Read:
    """What was read of one directory.

    :param distrust: why no key that was given vouches for its manifest, which was not parsed then; "" otherwise.
    """

    summary: Summary | None = None
    distrust: str = ""
    claims: list[Claim] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)


class _Wanted(NamedTuple):
    """One small object that is to be read."""

    directory: SetDirectory
    info: ObjectInfo
    name: str
    read: _Read


def read_index(
    location: Location,
    label: str,
    *,
    cache: RecordCache,
    verify_keys: Sequence[VerifyKey] = (),
    record_keys: Sequence[VerifyKey] = (),
    leftovers: bool = False,
) -> LocationIndex:
    """Read what a location holds of *label*.

    :param verify_keys: with any, a set that was not signed by one of them counts as damaged.
    :param record_keys: with any, a record that was not signed by one of them is marked so.
    :param leftovers: whether to list unfinished objects, too.
    :raises BackupError: it could not be listed to its end, or an object could not be read.
    """
    gathered = gather(location, check_name(label, "label"), [label], leftovers=leftovers)
    reader = _Reader(location, label, cache, verify_keys, record_keys)
    directories = sorted(gathered.directories.values(), key=lambda one: one.id)
    found = dict(zip((one.id for one in directories), reader.read(directories), strict=True))
    cache.save()
    problems = Problems(gathered.problems)
    copies: dict[SetId, SetCopy] = {}
    for directory in directories:
        read = found[directory.id]
        problems.extend(directory.foreign)
        problems.extend(read.problems)
        if directory.objects:
            copies[directory.id] = _copy(directory, read)
    return LocationIndex(location.name, copies, directories, problems, reader.count)


def read_copy(
    location: Location,
    label: str,
    set_id: SetId,
    *,
    verify_keys: Sequence[VerifyKey] = (),
    record_keys: Sequence[VerifyKey] = (),
) -> SetCopy | None:
    """Read what a location holds of one set, past any cache; None where its directory is empty.

    :raises BackupError: as :func:`read_index`.
    """
    place = set_id.directory(check_name(label, "label"))
    directory = gather(location, label, [place], leftovers=False).directories.get(set_id)
    if directory is None or not directory.objects:
        return None
    reader = _Reader(location, label, RecordCache(None), verify_keys, record_keys)
    return _copy(directory, reader.read([directory])[0])


@contextlib.contextmanager
def objects_stay() -> Iterator[None]:
    """Without the collector of cycles, which would look through ten thousand sets again and again for none.

    Around whoever reads catalogues: threads that begin and end this by themselves would undo one another's.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _copy(directory: SetDirectory, read: _Read) -> SetCopy:
    told = [*directory.foreign.told(), *read.problems.told()]
    if MANIFEST not in directory.objects:
        state = "unfinished"
    else:
        told += [read.distrust] if read.distrust else []
        told += _wrong(directory, read.summary)
        state = "damaged" if read.summary is None or told else "good"
    return SetCopy(
        directory.id,
        state,
        tuple(told),
        directory.objects,
        read.summary,
        tuple(read.claims),
    )


def _wrong(directory: SetDirectory, summary: Summary | None) -> Iterator[str]:
    """What speaks against a copy whose manifest can be read, as far as a listing shows."""
    if summary is None:
        return
    for name, size in summary.artifacts.items():
        info = directory.objects.get(name)
        if info is None:
            yield f"{name} is missing"
        elif info.size != size:
            yield f"{name} has {info.size} bytes, and the manifest says {size}"


class _Reader:
    """Reads the small objects of many sets, several at a time, but for those that the cache knows."""

    def __init__(
        self,
        location: Location,
        label: str,
        cache: RecordCache,
        verify_keys: Sequence[VerifyKey],
        record_keys: Sequence[VerifyKey],
    ) -> None:
        self.count = 0
        self._location = location
        self._label = label
        self._cache = cache
        self._keys = verify_keys
        self._record_keys = record_keys
        self._trust = ",".join(sorted(key.key_id for key in verify_keys))
        self._record_trust = ",".join(sorted(key.key_id for key in record_keys))
        self._reading = InFlight(_READ_BYTES)

    def read(self, directories: Sequence[SetDirectory]) -> list[_Read]:
        """What is told of each of *directories*.

        :raises BackupError: an object could not be read; one that can be read and is wrong is a problem of its set.
        """
        found = [_Read() for _directory in directories]
        wanted = self._wanted(zip(directories, found, strict=True))
        with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="catalogue") as pool:
            while batch := list(itertools.islice(wanted, _BATCH)):
                self.count += len(batch)
                tasks = [batch[start : start + _TASK] for start in range(0, len(batch), _TASK)]
                outcomes = itertools.chain.from_iterable(pool.map(self._load_all, tasks))
                for one, outcome in zip(batch, outcomes, strict=True):
                    if isinstance(outcome, Problem):
                        one.read.problems.append(outcome)
                        continue
                    self._cache.put(one.info, outcome, self._version(one.directory, one.name))
                    self._apply(one.name, outcome, one.read)
        return found

    def _wanted(self, pairs: Iterable[tuple[SetDirectory, _Read]]) -> Iterator[_Wanted]:
        """What is to be read because neither the listing nor the cache tells all of it."""
        left = _RECORD_BYTES
        for directory, read in pairs:
            for name, info in directory.objects.items():
                if name == MANIFEST:
                    read.distrust = self._distrust(directory)
                    if read.distrust:
                        continue
                elif record_class(name) is None:
                    continue
                elif (left := left - info.size) < 0:
                    told = f"is not read: the records have more than {_RECORD_BYTES} bytes together"
                    read.problems.append(Problem(info.key, told))
                    continue
                known = self._cache.get(info, self._version(directory, name))
                if known is None or not self._apply(name, known, read):
                    yield _Wanted(directory, info, name, read)

    def _distrust(self, directory: SetDirectory) -> str:
        """Why no key can vouch for a manifest, as a listing shows it; "" where one may, or none was given."""
        if not self._keys:
            return ""
        signature = directory.objects.get(SIGNATURE)
        return refuse_signature(None if signature is None else signature.size)

    def _version(self, directory: SetDirectory, name: str) -> str:
        """What else a summary depends on: the signature, and by whose keys it was checked."""
        trust = self._trust if name == MANIFEST else self._record_trust
        signature = directory.objects.get(signature_of(name))
        if signature is None:
            return trust
        return f"{trust} {signature.size} {signature.modified.isoformat()} {signature.tag}"

    def _apply(self, name: str, known: Any, read: _Read) -> bool:
        """Take over what the cache or a load told; False if it is not what was put there."""
        try:
            if name == MANIFEST and isinstance(known, str):
                read.distrust = known
            elif name == MANIFEST:
                read.summary = Summary(**known)
            elif (kind := record_class(name)) is not None:
                read.claims.append(Claim(name, kind.parse(known[0].encode()), known[1]))
        except (TypeError, AttributeError, LookupError, FormatError):
            return False
        return True

    def _load_all(self, some: Sequence[_Wanted]) -> list[Any]:
        return [self._load(one) for one in some]

    def _load(self, one: _Wanted) -> Any:
        """What the cache keeps of one object, or what is wrong with it."""
        limit = manifest_limit(self._keys) if one.name == MANIFEST else MAX_RECORD_BYTES
        if one.info.size > limit:
            told = f"is too large: {one.info.size} bytes"
            return Problem(one.info.key, too_large(one.info.size, self._keys) if one.name == MANIFEST else told)
        with self._reading.hold(one.info.size):
            try:
                # No more than the listing promised, which is what was made room for.
                data = self._location.get(one.info.key, limit=one.info.size)
                return self._manifest(one.directory, data) if one.name == MANIFEST else self._record(one, data)
            except (FormatError, CryptoError) as error:
                return Problem(one.info.key, error.message)

    def _record(self, one: _Wanted, data: bytes) -> list[str]:
        """A record as it stands, and what its signature is worth."""
        signature = self._signature(one.directory, one.name)
        with _parsing.hold(memory_of(data)):
            claim = read_claim(
                one.name, data, signature, label=self._label, set_id=one.directory.id, keys=self._record_keys
            )
        return [data.decode(), claim.signature]

    def _signature(self, directory: SetDirectory, name: str) -> bytes | None:
        """What lies beside a record as its signature, where keys for records were given."""
        info = directory.objects.get(signature_of(name))
        if info is None or not self._record_keys:
            return None
        return b"".join(self._location.read(info.key, length=SIGNATURE_BYTES + 1))

    def _manifest(self, directory: SetDirectory, data: bytes) -> dict[str, Any] | str:
        """A summary; or, as a text, why none of the keys vouches for the manifest, which is then not parsed."""
        if self._keys and (reason := self._refuse(directory, data)):
            return reason
        signature = "good" if self._keys else "unverified" if SIGNATURE in directory.objects else "unsigned"
        with _parsing.hold(memory_of(data)):
            return dict(vars(self._summarize(directory, data, signature)))

    def _refuse(self, directory: SetDirectory, data: bytes) -> str:
        """Why none of the keys vouches for a manifest; "" where one does."""
        signature = self._location.get(directory.objects[SIGNATURE].key, limit=SIGNATURE_BYTES)
        try:
            verify(data, signature, self._keys, what=f"the set {directory.id}")
        except CryptoError as error:
            return error.message
        return ""

    def _summarize(self, directory: SetDirectory, data: bytes, signature: str) -> Summary:
        manifest = Manifest.parse(data, proven=signature == "good")
        check_place(manifest, self._label, directory.id)
        return Summary(
            sha256=digest(data),
            environment=manifest.environment,
            labels=dict(manifest.labels),
            database=manifest.database.name,
            system_identifier=manifest.database.system_identifier,
            server_version=manifest.database.server_version,
            started=manifest.started.isoformat(),
            finished=manifest.finished.isoformat(),
            tables=len(manifest.tables),
            warnings=len(manifest.warnings),
            artifacts={artifact.name: artifact.size for artifact in manifest.artifacts},
            signature=signature,
        )
