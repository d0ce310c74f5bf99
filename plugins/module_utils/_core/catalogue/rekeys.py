"""The rekey records beside a set: what lets further recipients read it.

They are from anyone and need no signature to be used, as a header proves itself (:mod:`..encryption.age.filekey`); one
tells people who made a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..backupset.manifest import Manifest
from ..backupset.naming import signature_of
from ..backupset.record_trust import MAX_RECORD_BYTES
from ..backupset.rekey import Rekey, is_rekey_name
from ..backupset.signing import SIGNATURE_BYTES, VerifyKey
from ..encryption.age.filekey import MAX_OTHER_RECIPIENTS
from ..errors import BackupError, FormatError
from ..locations.base import Location

MAX_RECORDS = 16
"""The newest ones that are looked at: whoever can write to a location can make any number."""


@dataclass(frozen=True)
class StoredRekey:
    """A rekey record as it was read from a location.

    :param name: of its object.
    :param signature: None where there is none.
    """

    name: str
    data: bytes
    signature: bytes | None
    record: Rekey

    def signed_by(self, key: VerifyKey) -> bool:
        """Whether the record's signature is one of *key*."""
        return self.signature is not None and key.fits(self.data, self.signature)


class Rekeys:
    """The records of one set in several locations, each as good as any other.

    A location is asked when those before it had nothing that was of use, and once.
    """

    def __init__(self, locations: Sequence[Location], manifest: Manifest, manifest_sha256: str) -> None:
        self._locations = locations
        self._manifest = manifest
        self._sha256 = manifest_sha256
        self._known: dict[str, tuple[Rekey, ...]] = {}

    def __iter__(self) -> Iterator[Rekey]:
        for location in self._locations:
            if location.name not in self._known:
                self._known[location.name] = self._ask(location)
            yield from self._known[location.name]

    def _ask(self, location: Location) -> tuple[Rekey, ...]:
        try:
            return tuple(one.record for one in read_rekeys(location, self._manifest, self._sha256))
        except BackupError:
            # That the set cannot be decrypted is what is told then.
            return ()


def read_rekeys(location: Location, manifest: Manifest, manifest_sha256: str) -> Iterator[StoredRekey]:
    """The records beside a set that are about it, newest first, each read when it is asked for.

    What is damaged, too large or of another set is passed by.

    :raises BackupError: the location fails.
    """
    directory = manifest.id.directory(manifest.label)
    sizes = {info.key.rpartition("/")[2]: info.size for info in location.list(directory)}
    names = sorted((name for name in sizes if is_rekey_name(name)), reverse=True)[:MAX_RECORDS]
    for name in names:
        if sizes[name] > MAX_RECORD_BYTES:
            continue
        data = b"".join(location.read(f"{directory}/{name}", length=MAX_RECORD_BYTES + 1))
        try:
            record = Rekey.parse(data)
        except FormatError:
            continue
        if _is_of(record, manifest, manifest_sha256):
            signature = None
            if signature_of(name) in sizes:
                place = f"{directory}/{signature_of(name)}"
                signature = b"".join(location.read(place, length=SIGNATURE_BYTES + 1))
            yield StoredRekey(name, data, signature, record)


def _is_of(record: Rekey, manifest: Manifest, manifest_sha256: str) -> bool:
    """Whether a record is about the set, and as small as one that is needs to be: some are kept while a set is read."""
    files = {artifact.name for artifact in manifest.artifacts}
    return (
        (record.label, record.id, record.manifest) == (manifest.label, manifest.id, manifest_sha256)
        and record.headers.keys() <= files
        and len(record.recipients) <= MAX_OTHER_RECIPIENTS
    )
