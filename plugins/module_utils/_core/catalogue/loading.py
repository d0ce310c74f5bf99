"""One set's manifest, proven as far as keys are given: the signature first, before its bytes are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..backupset.manifest import Manifest, digest
from ..backupset.naming import SIGNATURE, SetId, check_name
from ..backupset.signing import CHECK_STEP, SIGNATURE_BYTES, VerifyKey, verify
from ..errors import CryptoError, LocationError
from ..locations.base import Location
from .search import check_place, id_taken, read_manifest, set_ids

LATEST = "latest"

_STEP = "find the backup"


@dataclass(frozen=True)
class LoadedSet:
    """A set's manifest and what is known of its origin.

    :param data: the manifest as it is stored.
    :param signature: ``good``, ``unsigned``, or ``unverified`` where there is a signature but no key was given.
    :param signed_by: id of the key that signed it, where the signature is good.
    """

    manifest: Manifest
    data: bytes
    signature: str
    signed_by: str | None = None

    @property
    def sha256(self) -> str:
        """Of the manifest as it is stored."""
        return digest(self.data)


def load_set(
    location: Location, label: str, backup: SetId | str = LATEST, verify_keys: Sequence[VerifyKey] = ()
) -> LoadedSet:
    """Read the manifest of one set.

    ``latest`` is the newest set with a manifest. When that one is damaged or forged it is an error, too: an older
    one is never taken in its place without a word.

    :param backup: the set's id or ``latest``.
    :param verify_keys: with any, a set that was not signed by one of them is refused.
    :raises ConfigError: *label* or *backup* cannot be right.
    :raises LocationError: there is no such set, or the location fails.
    :raises CryptoError: the signature is missing or bad, or the manifest belongs to another place.
    :raises FormatError: the manifest is damaged.
    """
    check_name(label, "label")
    set_id, data = _find(location, label, backup)
    signature = _read_signature(location, label, set_id)
    signed_by = None
    if verify_keys:
        signed_by = _verify(data, signature, verify_keys, f"the set {set_id} in location '{location.name}'")
    manifest = Manifest.parse(data)
    check_place(manifest, label, set_id)
    state = "good" if signed_by else "unsigned" if signature is None else "unverified"
    return LoadedSet(manifest, data, state, signed_by)


def load_again(location: Location, label: str, backup: SetId, *, sha256: str, signature: str) -> LoadedSet:
    """Read the manifest of a set that was looked at before, as long as it is the very same.

    :param sha256: of the manifest, whose signature and place were checked then.
    :param signature: what was found of its signature.
    :raises CryptoError: it is another by now.
    """
    data = read_manifest(location, label, backup)
    if data is None or digest(data) != sha256:
        raise CryptoError(
            _STEP,
            f"the manifest of {backup} in location '{location.name}' is another than a moment ago",
            hint="run it again; if this comes back, somebody changes what lies there",
        )
    return LoadedSet(Manifest.parse(data), data, signature)


def _find(location: Location, label: str, backup: SetId | str) -> tuple[SetId, bytes]:
    if backup == LATEST:
        for set_id in set_ids(location, label, []):
            if (data := read_manifest(location, label, set_id)) is not None:
                return set_id, data
        raise LocationError(location.name, _STEP, f"there is no backup of '{label}'")
    set_id = backup if isinstance(backup, SetId) else SetId.parse(backup)
    data = read_manifest(location, label, set_id)
    if data is None:
        unfinished = id_taken(location, label, set_id)
        reason = "was never finished: it has no manifest" if unfinished else "is not there"
        raise LocationError(location.name, _STEP, f"the backup {set_id} of '{label}' {reason}")
    return set_id, data


def _read_signature(location: Location, label: str, set_id: SetId) -> bytes | None:
    key = f"{set_id.directory(label)}/{SIGNATURE}"
    if location.stat(key) is None:
        return None
    return b"".join(location.read(key, length=SIGNATURE_BYTES + 1))


def _verify(data: bytes, signature: bytes | None, keys: Sequence[VerifyKey], what: str) -> str:
    if signature is None:
        raise CryptoError(
            CHECK_STEP,
            f"{what} is not signed, and a verify key was given",
            hint="do not trust it; leave the verify key out only if you know why it is not signed",
        )
    return verify(data, signature, keys, what=what).key_id
