"""The small objects that tell what sets are: manifests and records, several at a time, and no more than is bearable."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..backupset.manifest import Manifest, digest
from ..backupset.naming import MANIFEST, SIGNATURE, signature_of
from ..backupset.record_trust import MAX_RECORD_BYTES, StoredRecord, read_record
from ..backupset.set_records import record_class
from ..backupset.signing import SIGNATURE_BYTES, VerifyKey, verify
from ..documents.strict_json import MAX_UNPROVEN_MEMORY, memory_of
from ..errors import CryptoError, FormatError
from ..locations.base import Location, ObjectInfo
from .cache import RecordCache
from .directories import SetDirectory
from .in_flight import InFlight
from .loading import manifest_limit, refuse_signature, too_large
from .search import Problem, Problems, check_place

_READERS = 8
"""How many small objects of a location are read at the same time."""
_READ_BYTES = 4 * 1024 * 1024
"""What they may have together; a larger one is read alone."""
MAX_UNPROVEN_SETS = 10_000
"""Of the sets of a location that no key vouches for, no more are looked at: who can write there can make any number."""
MAX_RECORDS, _RECORD_BYTES = 10_000, 64 * 1024 * 1024
"""How many records of a label in a location are read, and what they may have together."""
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


@dataclass(slots=True)
class Read:
    """The results of reading the small objects of one set's directory.

    :param distrust: why no key that was given vouches for its manifest, which was not parsed then; "" otherwise.
    :param unseen: it is one more set than those that are looked at, see :data:`MAX_UNPROVEN_SETS`.
    """

    summary: Summary | None = None
    distrust: str = ""
    claims: list[StoredRecord] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    unseen: bool = False

    @property
    def proven(self) -> bool:
        """Whether the manifest has a good signature of one of the given keys."""
        return self.summary is not None and self.summary.signature == "good"


class _Request(NamedTuple):
    """One small object that has to be read."""

    directory: SetDirectory
    info: ObjectInfo
    name: str
    read: Read


class Reader:
    """Reads the small objects of many sets, several at a time, but for those that the cache knows.

    :param verify_keys: with any, a set that was not signed by one of them counts as damaged.
    :param record_keys: with any, a record that was not signed by one of them is marked so.
    :ivar count: how many were read.
    """

    def __init__(
        self,
        location: Location,
        label: str,
        cache: RecordCache,
        verify_keys: Sequence[VerifyKey] = (),
        record_keys: Sequence[VerifyKey] = (),
    ) -> None:
        self.count = 0
        self.location = location
        self.label = label
        self.cache = cache
        self._keys = verify_keys
        self._record_keys = record_keys
        self._trust = ",".join(sorted(key.key_id for key in verify_keys))
        self._record_trust = ",".join(sorted(key.key_id for key in record_keys))
        self._reading = InFlight(_READ_BYTES)

    def read(self, directories: Sequence[SetDirectory]) -> list[Read]:
        """What is told of each of *directories*.

        :param directories: the newest first, which are looked at first.
        :raises BackupError: an object could not be read; one that can be read and is wrong is a problem of its set.
        """
        found = [Read() for _directory in directories]
        pairs = list(zip(directories, found, strict=True))
        with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="catalogue") as pool:
            wanted = self._wanted_records(pairs)
            while batch := list(itertools.islice(wanted, _BATCH)):
                self._load_batch(pool, batch)
            self._read_manifests(pool, [pair for pair in pairs if MANIFEST in pair[0].objects])
        return found

    def _read_manifests(self, pool: ThreadPoolExecutor, pairs: Sequence[tuple[SetDirectory, Read]]) -> None:
        """First of the sets that a key may vouch for, as a listing shows: no others can keep those from being seen."""
        for directory, read in pairs:
            read.distrust = self._distrust(directory)
        hopeful = [pair for pair in pairs if not pair[1].distrust]
        others = [read for _directory, read in pairs if read.distrust]
        start, left = 0, MAX_UNPROVEN_SETS
        while some := hopeful[start : start + min(_BATCH, left)]:
            each = (_Request(directory, directory.objects[MANIFEST], MANIFEST, read) for directory, read in some)
            self._load_batch(pool, [one for one in each if self._is_unknown(one)])
            start += len(some)
            left -= sum(not read.proven for _directory, read in some)
        for read in [*(read for _directory, read in hopeful[start:]), *others[left:]]:
            read.unseen = True

    def _wanted_records(self, pairs: Iterable[tuple[SetDirectory, Read]]) -> Iterator[_Request]:
        """The records that are to be read, as the cache does not have them."""
        count, size = 0, 0
        for directory, read in pairs:
            for name, info in directory.objects.items():
                if record_class(name) is None:
                    continue
                count, size = count + 1, size + info.size
                if size > _RECORD_BYTES:
                    message = f"is not read: the records have more than {_RECORD_BYTES} bytes together"
                    read.problems.append(Problem(info.key, message))
                elif count > MAX_RECORDS:
                    read.problems.append(Problem(info.key, f"is not read: there are more than {MAX_RECORDS} records"))
                elif self._is_unknown(wanted := _Request(directory, info, name, read)):
                    yield wanted

    def _is_unknown(self, one: _Request) -> bool:
        """Whether an object is to be read; otherwise what the cache knows of it is taken over."""
        known = self.cache.get(one.info, self._version(one.directory, one.name))
        return known is None or not self._apply(one.name, known, one.read)

    def _load_batch(self, pool: ThreadPoolExecutor, batch: Sequence[_Request]) -> None:
        self.count += len(batch)
        tasks = [batch[start : start + _TASK] for start in range(0, len(batch), _TASK)]
        outcomes = itertools.chain.from_iterable(pool.map(self._load_all, tasks))
        for one, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Problem):
                one.read.problems.append(outcome)
                continue
            self.cache.put(one.info, outcome, self._version(one.directory, one.name))
            self._apply(one.name, outcome, one.read)

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

    def _apply(self, name: str, known: Any, read: Read) -> bool:
        """Take over what the cache or a load told; False if it is not what was put there."""
        try:
            if name == MANIFEST and isinstance(known, str):
                read.distrust = known
            elif name == MANIFEST:
                read.summary = Summary(**known)
            elif (kind := record_class(name)) is not None:
                read.claims.append(StoredRecord(name, kind.parse(known[0].encode()), known[1]))
        except (TypeError, AttributeError, LookupError, FormatError):
            return False
        return True

    def _load_all(self, some: Sequence[_Request]) -> list[Any]:
        return [self._load(one) for one in some]

    def _load(self, one: _Request) -> Any:
        """What the cache keeps of one object, or what is wrong with it."""
        limit = manifest_limit(self._keys) if one.name == MANIFEST else MAX_RECORD_BYTES
        if one.info.size > limit:
            message = f"is too large: {one.info.size} bytes"
            return Problem(one.info.key, too_large(one.info.size, self._keys) if one.name == MANIFEST else message)
        with self._reading.hold(one.info.size):
            try:
                # No more than the listing promised, which is what was made room for.
                data = self.location.get(one.info.key, limit=one.info.size)
                return self._manifest(one.directory, data) if one.name == MANIFEST else self._record(one, data)
            except (FormatError, CryptoError) as error:
                return Problem(one.info.key, error.message)

    def _record(self, one: _Request, data: bytes) -> list[str]:
        """Parse a record; return its problems."""
        signature = self._signature(one.directory, one.name)
        with _parsing.hold(memory_of(data)):
            claim = read_record(
                one.name, data, signature, label=self.label, set_id=one.directory.id, keys=self._record_keys
            )
        return [data.decode(), claim.signature]

    def _signature(self, directory: SetDirectory, name: str) -> bytes | None:
        """What lies beside a record as its signature, where keys for records were given."""
        info = directory.objects.get(signature_of(name))
        if info is None or not self._record_keys:
            return None
        return b"".join(self.location.read(info.key, length=SIGNATURE_BYTES + 1))

    def _manifest(self, directory: SetDirectory, data: bytes) -> dict[str, Any] | str:
        """A summary; or, as a text, why none of the keys vouches for the manifest, which is then not parsed."""
        if self._keys and (reason := self._refuse(directory, data)):
            return reason
        signature = "good" if self._keys else "unverified" if SIGNATURE in directory.objects else "unsigned"
        with _parsing.hold(memory_of(data)):
            return dict(vars(self._summarize(directory, data, signature)))

    def _refuse(self, directory: SetDirectory, data: bytes) -> str:
        """Why none of the keys vouches for a manifest; "" where one does."""
        signature = self.location.get(directory.objects[SIGNATURE].key, limit=SIGNATURE_BYTES)
        try:
            verify(data, signature, self._keys, what=f"the set {directory.id}")
        except CryptoError as error:
            return error.message
        return ""

    def _summarize(self, directory: SetDirectory, data: bytes, signature: str) -> Summary:
        manifest = Manifest.parse(data, proven=signature == "good")
        check_place(manifest, self.label, directory.id)
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
