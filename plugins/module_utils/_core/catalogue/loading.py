"""One set's manifest, proven as far as keys are given: the signature first, before its bytes are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..backupset.manifest import Manifest, digest
from ..backupset.naming import MANIFEST, SIGNATURE, SetId, check_name
from ..backupset.signing import CHECK_STEP, SIGNATURE_BYTES, VerifyKey, verify
from ..documents.strict_json import MAX_BYTES, MAX_UNPROVEN_BYTES
from ..errors import CryptoError, FormatError, LocationError
from ..locations.base import Location
from .search import Endless, Problem, check_place, id_taken, set_ids

LATEST = "latest"

_STEP = "find the backup"
_UNSIGNED = "it is not signed, and a verify key was given"


@dataclass(frozen=True)
class LoadedSet:
    """A manifest that was read, its stored bytes, and what its signature is worth.

    :param data: the manifest as it is stored.
    :param signature: ``good``, ``unsigned``, or ``unverified`` where there is a signature but no key was given.
    :param signed_by: id of the key that signed it, where the signature is good.
    """

    manifest: Manifest
    data: bytes
    signature: str
    signed_by: str | None = None

    @property
    def id(self) -> SetId:
        """The id of the set."""
        return self.manifest.id

    @property
    def sha256(self) -> str:
        """The SHA-256 of the manifest's stored bytes, in hexadecimal."""
        return digest(self.data)


def load_set(
    location: Location, label: str, backup: SetId | str = LATEST, verify_keys: Sequence[VerifyKey] = ()
) -> LoadedSet:
    """Read and check the manifest of one set in one location.

    ``latest`` is the newest backup with a manifest. When that one is damaged or forged it is an error, too: an older
    one is never taken in its place without a word.

    :param backup: the set's id or ``latest``.
    :param verify_keys: with any, a set that was not signed by one of them is refused.
    :raises ConfigError: *label* or *backup* cannot be right.
    :raises LocationError: there is no such set, or the location fails.
    :raises CryptoError: the signature is missing or bad, or the manifest belongs to another place.
    :raises FormatError: the manifest is damaged.
    """
    check_name(label, "label")
    if backup == LATEST:
        for set_id in set_ids(location, label, []):
            if set_id.is_backup and (found := _load(location, label, set_id, verify_keys)) is not None:
                return found
        raise LocationError(location.name, _STEP, f"there is no backup of '{label}'")
    set_id = backup if isinstance(backup, SetId) else SetId.parse(backup)
    loaded = _load(location, label, set_id, verify_keys)
    if loaded is None:
        unfinished = id_taken(location, label, set_id)
        reason = "was never finished: it has no manifest" if unfinished else "is not there"
        raise LocationError(location.name, _STEP, f"the backup {set_id} of '{label}' {reason}")
    return loaded


def newest_set(
    location: Location, label: str, problems: list[Problem], verify_keys: Sequence[VerifyKey] = ()
) -> LoadedSet | None:
    """The newest backup of *label* whose manifest can be read and belongs where it lies.

    :param problems: what is passed by on the way to it is added here.
    :param verify_keys: with any, a set that was not signed by one of them is passed by.
    """
    try:
        for set_id in set_ids(location, label, problems):
            try:
                if set_id.is_backup and (found := _load(location, label, set_id, verify_keys)) is not None:
                    return found
            except (FormatError, CryptoError) as error:
                problems.append(Problem(f"{set_id.directory(label)}/{MANIFEST}", error.message))
    except Endless as error:
        # Whoever can fill a location with what is newer must not keep the next backup from being made.
        problems.append(Problem(label, error.message))
    return None


def _load(location: Location, label: str, set_id: SetId, keys: Sequence[VerifyKey]) -> LoadedSet | None:
    """The set with this id; None if it has no manifest here."""
    directory = set_id.directory(label)
    info = location.stat(f"{directory}/{MANIFEST}")
    if info is None:
        return None
    what = f"the set {set_id} in location '{location.name}'"
    signature = _read_signature(location, directory)
    if keys and (reason := refuse_signature(None if signature is None else len(signature))):
        raise CryptoError(
            CHECK_STEP,
            f"{what} cannot be trusted: {reason}",
            hint="do not trust it; leave the verify key out only if you know why it is not signed",
        )
    limit = manifest_limit(keys)
    if info.size > limit:
        raise FormatError(_STEP, f"{what}: {too_large(info.size, keys)}")
    data = location.get(info.key, limit=limit)
    signed_by = verify(data, signature, keys, what=what).key_id if keys and signature is not None else None
    manifest = Manifest.parse(data, proven=signed_by is not None)
    check_place(manifest, label, set_id)
    state = "good" if signed_by else "unsigned" if signature is None else "unverified"
    return LoadedSet(manifest, data, state, signed_by)


def load_again(location: Location, label: str, backup: SetId, *, sha256: str, signature: str) -> LoadedSet:
    """Read the manifest of a set that was looked at before, as long as it is the very same.

    :param sha256: of the manifest, whose signature and place were checked then.
    :param signature: what was found of its signature.
    :raises CryptoError: it is another by now.
    """
    key = f"{backup.directory(label)}/{MANIFEST}"
    data = b"" if location.stat(key) is None else location.get(key)
    if digest(data) != sha256:
        raise CryptoError(
            _STEP,
            f"the manifest of {backup} in location '{location.name}' is another than a moment ago",
            hint="run it again; if this comes back, somebody changes what lies there",
        )
    return LoadedSet(Manifest.parse(data, proven=signature == "good"), data, signature)


def _read_signature(location: Location, directory: str) -> bytes | None:
    key = f"{directory}/{SIGNATURE}"
    if location.stat(key) is None:
        return None
    return b"".join(location.read(key, length=SIGNATURE_BYTES + 1))


def refuse_signature(size: int | None) -> str:
    """Why a signature of *size* bytes (None: there is none) cannot be good; "" where it can."""
    if size is None:
        return _UNSIGNED
    return "" if size == SIGNATURE_BYTES else f"its signature is not {SIGNATURE_BYTES} bytes long"


def manifest_limit(keys: Sequence[VerifyKey]) -> int:
    """Bytes of a manifest that is read at all: without a key anybody may have written it."""
    return MAX_BYTES if keys else MAX_UNPROVEN_BYTES


def too_large(size: int, keys: Sequence[VerifyKey]) -> str:
    """What is told of a manifest above :func:`manifest_limit`."""
    message = f"its manifest is too large: {size} bytes, of which {manifest_limit(keys)} are read"
    return message if keys else f"{message} without a verify_key"
