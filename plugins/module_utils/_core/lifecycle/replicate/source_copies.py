"""The good copies of one set, of which the first that can be read serves; and what of a set is small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

from ...backupset.naming import SIGNATURE, signature_of
from ...backupset.record_trust import BAD, MAX_RECORD_BYTES, StoredRecord, TrustContext, locations_trusting, read_record
from ...backupset.set_records import Hold, record_class
from ...backupset.signing import SIGNATURE_BYTES, verify
from ...catalogue.loading import LoadedSet, load_set
from ...catalogue.rekeys import read_rekeys
from ...errors import BackupError, CryptoError, FormatError
from ...locations.base import Location
from .planning import ReplicationRequest, SetPlan

Result = TypeVar("Result")


@dataclass(frozen=True)
class Contents:
    """The manifest and the small objects of a set, without its artifacts.

    :param small: the manifest's signature and the records that travel with the set, by name.
    :param signatures: of those records, by the record's name.
    """

    loaded: LoadedSet
    small: Mapping[str, bytes]
    signatures: Mapping[str, bytes]


class Sources:
    """The good copies of one set; one that fails, or turns out not to be good, is not asked again.

    :ivar damaged: location -> what is wrong with the copy.
    :ivar failures: name -> why a location could not be read.
    """

    def __init__(self, plan: SetPlan, request: ReplicationRequest) -> None:
        self.damaged: dict[Location, str] = {}
        self.failures: dict[str, BackupError] = {}
        self._plan = plan
        self._request = request
        self._left = list(plan.sources)

    def use(self, read: Callable[[Location], Result]) -> Result:
        """The result of *read* on the first source on which it succeeds.

        :raises BackupError: there is none.
        """
        while self._left:
            try:
                return read(self._left[0])
            except (CryptoError, FormatError) as error:
                self.damaged[self._left.pop(0)] = error.message
            except BackupError as error:
                self.failures[self._left.pop(0).name] = error
        problems = [f"'{location.name}': {problem}" for location, problem in self.damaged.items()]
        problems += [str(error) for error in self.failures.values()]
        raise BackupError(f"copy {self._plan.id}", f"no good copy is left: {'; '.join(problems)}")

    def contents(self, location: Location) -> Contents:
        """Read everything small of the copy in *location*.

        :raises CryptoError: it is not the set that was planned with.
        """
        plan, request = self._plan, self._request
        loaded = load_set(location, request.label, plan.id, request.verify_keys)
        if loaded.sha256 != plan.sha256:
            message = f"the manifest of {plan.id} in location '{location.name}' changed since it was looked at"
            raise CryptoError(f"copy {plan.id}", message)
        keys = {info.key.rpartition("/")[2]: info.key for info in location.list(plan.id.directory(request.label))}
        small: dict[str, bytes] = {}
        signatures: dict[str, bytes] = {}
        for name in filter(record_class, keys):
            data = _start(location, keys[name], MAX_RECORD_BYTES)
            proof = keys.get(signature_of(name))
            signature = None if proof is None else _start(location, proof, SIGNATURE_BYTES)
            claim = self._travelling(name, data, signature, loaded)
            if claim is None:
                continue
            small[name] = data
            if signature is not None and len(signature) == SIGNATURE_BYTES and claim.signature != BAD:
                signatures[name] = signature
        if SIGNATURE in keys:
            small[SIGNATURE] = location.get(keys[SIGNATURE])
        for rekey in read_rekeys(location, loaded.manifest, loaded.sha256):
            if rekey.signature is not None and any(map(rekey.signed_by, request.record_keys)):
                small[rekey.name], signatures[rekey.name] = rekey.data, rekey.signature
        if request.verify_keys:
            verify(loaded.data, small.get(SIGNATURE, b""), request.verify_keys, what=f"the set {plan.id}")
        return Contents(loaded, small, signatures)

    def _travelling(self, name: str, data: bytes, signature: bytes | None, loaded: LoadedSet) -> StoredRecord | None:
        """A record that comes with the set: a hold, which can only keep; or any other that counts everywhere."""
        label, set_id = loaded.manifest.label, loaded.manifest.id
        try:
            claim = read_record(name, data, signature, label=label, set_id=set_id, keys=self._request.record_keys)
        except (CryptoError, FormatError):
            return None
        context = TrustContext(frozenset({""}), {"": loaded.sha256}, datetime.now(timezone.utc))
        counts_in, _doubt = locations_trusting(claim, "", context)
        return claim if isinstance(claim.record, Hold) or (claim.signed and counts_in) else None


def _start(location: Location, key: str, limit: int) -> bytes:
    """A small object, whole; of one that is larger than it may be, one byte more than that."""
    return b"".join(location.read(key, length=limit + 1))
