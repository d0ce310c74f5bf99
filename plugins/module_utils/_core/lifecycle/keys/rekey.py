"""What the module ``backup_rekey`` does: further recipients for a set that stays as it is.

For each age file of the set a new header is made that wraps the same key, and all of them become one record beside the
set. No artifact and no manifest is written, and who could decrypt the set before still can.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ...backupset.naming import MANIFEST, SetId, signature_of
from ...backupset.record_keys import record_signing_key
from ...backupset.record_trust import MAX_RECORD_BYTES
from ...backupset.rekey import Rekey, rekey_name
from ...backupset.signing import SigningKey, VerifyKey, load_verify_keys
from ...catalogue import LoadedSet, load_set
from ...catalogue.good_set import UNPROVEN, GoodSet
from ...catalogue.rekeys import StoredRekey, read_rekeys
from ...catalogue.search import ask_all
from ...encryption.age import Identity, X25519Recipient, parse_recipient
from ...encryption.age.cipher import AgeCipher
from ...encryption.age.filekey import MAX_OTHER_RECIPIENTS
from ...encryption.identities import Decryption
from ...encryption.recipients import parse_encryption
from ...errors import BackupError, ConfigError, CryptoError, LocationError
from ...locations import enter_locations
from ...locations.base import Location
from .file_keys import FileKey, read_file_key
from .outcome import FAILED, Copy, absent, report, which_set

STEP = "rekey the set"


@dataclass(frozen=True)
class RekeyRequest:
    """What was asked for.

    :param identities: of whoever can decrypt the set now.
    :param key: that signs the record; None for none.
    :param now: in whole seconds, UTC.
    """

    label: str
    id: SetId
    recipients: tuple[X25519Recipient, ...]
    identities: Sequence[Identity]
    verify_keys: Sequence[VerifyKey]
    key: SigningKey | None
    now: datetime

    @property
    def directory(self) -> str:
        """The key of the set's directory in a location."""
        return self.id.directory(self.label)

    @property
    def names(self) -> frozenset[str]:
        """The new recipients as texts."""
        return frozenset(map(str, self.recipients))


@dataclass(frozen=True)
class _RekeyedCopy:
    """The copy of the set in one location, with its rekey records."""

    loaded: LoadedSet
    names: frozenset[str]
    rekeys: tuple[StoredRekey, ...]


@dataclass(frozen=True)
class _Record:
    """The rekey record, with its signature, that every copy is to have."""

    name: str
    data: bytes
    signature: bytes | None


def run_backup_rekey(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Rekey a set; parameters and result as the module's documentation names them.

    :raises BackupError: something that was asked for cannot be right, there is no such set, or no identity opens it;
        nothing was changed.
    :raises LocationsFailed: a location failed; the others are done.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    recipients = _recipients(params["recipients"])
    identities = Decryption.parse(params["identities"] or (), params["passphrase"]).cipher(AgeCipher).identities()
    verify_keys = load_verify_keys(params["verify_key"] or ())
    key = record_signing_key(params)
    with contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        set_id = which_set(params, locations)
        request = RekeyRequest(params["label"], set_id, recipients, identities, verify_keys, key, now)
        return rekey_in(locations, request, check_mode)


def rekey_in(locations: Sequence[Location], request: RekeyRequest, check_mode: bool) -> dict[str, Any]:
    """Rekey the set in locations that are open already; return the result."""
    answers, failures = ask_all(locations, lambda location: _look(location, request))
    found = {name: answer for name, answer in answers.items() if isinstance(answer, _RekeyedCopy)}
    loaded = _same_manifest(request, found, answers, failures)
    warnings = [UNPROVEN[loaded.signature]] if loaded.signature in UNPROVEN else []
    holders = [location for location in locations if location.name in found]
    record = _record(holders, request, loaded, found, warnings)

    def work(location: Location) -> Copy:
        answer = answers[location.name]
        return _place(location, request, answer, record, check_mode) if isinstance(answer, _RekeyedCopy) else answer

    done, more = ask_all([location for location in locations if location.name in answers], work)
    failed = {**failures, **more}
    copies = [
        done.get(location.name) or Copy(location.name, FAILED, error=failed[location.name]) for location in locations
    ]
    result = {
        "record": None if record is None else record.name,
        "signed_by": request.key.key_id if request.key and record else None,
        "recipients": sorted(request.names),
        "warnings": warnings,
    }
    would = "could be" if check_mode and any(copy.changed for copy in copies) else "can be"
    head = f"{request.label}: {request.id} {would} decrypted by {', '.join(sorted(request.names))}"
    return report(STEP, request.id, copies, head, result, check_mode)


def _recipients(given: Sequence[str]) -> tuple[X25519Recipient, ...]:
    """The user's recipients as X25519 keys.

    :raises ConfigError: there is none, one is of another kind than age, or they are too many.
    """
    names = parse_encryption(given, scheme="age").recipients if given else ()
    if not 1 <= len(names) <= MAX_OTHER_RECIPIENTS:
        hint = f"give 1 to {MAX_OTHER_RECIPIENTS} age public keys (age1...)"
        raise ConfigError("check the recipients", f"{len(names)} recipients are given", hint=hint)
    return tuple(map(parse_recipient, names))


def _look(location: Location, request: RekeyRequest) -> _RekeyedCopy | Copy:
    """The set as it lies in a location; or what there is instead of it."""
    if location.stat(f"{request.directory}/{MANIFEST}") is None:
        return Copy(location.name, absent(location, request.directory), "no such set")
    loaded = load_set(location, request.label, request.id, request.verify_keys)
    names = frozenset(info.key.rpartition("/")[2] for info in location.list(request.directory))
    return _RekeyedCopy(loaded, names, tuple(read_rekeys(location, loaded.manifest, loaded.sha256)))


def _same_manifest(
    request: RekeyRequest,
    found: Mapping[str, _RekeyedCopy],
    answers: Mapping[str, _RekeyedCopy | Copy],
    failures: Mapping[str, BackupError],
) -> LoadedSet:
    """The set that all copies agree on; raise an error if they differ.

    :raises BackupError: there is none, or they have different ones.
    """
    if not found:
        problems = [str(error) for error in failures.values()]
        problems += [f"location '{one.location}': {one.state}" for one in answers.values() if isinstance(one, Copy)]
        raise ConfigError(STEP, f"no location has {request.id} of '{request.label}': {'; '.join(problems)}")
    digests = {name: answer.loaded.sha256 for name, answer in found.items()}
    if len(set(digests.values())) > 1:
        problems = [f"{digest} in location '{name}'" for name, digest in digests.items()]
        raise CryptoError(
            STEP,
            f"the locations have different manifests of {request.id}: {'; '.join(problems)}",
            hint="nothing was changed; give a verify_key that tells them apart, or only locations that you trust",
        )
    return next(iter(found.values())).loaded


def _record(
    holders: Sequence[Location],
    request: RekeyRequest,
    loaded: LoadedSet,
    found: Mapping[str, _RekeyedCopy],
    warnings: list[str],
) -> _Record | None:
    """The record that is there already, or a new one; None where all of them can read the set anyway.

    :param warnings: what is damaged on the way is added here.
    """
    artifacts = [artifact for artifact in loaded.manifest.artifacts if artifact.is_age]
    if not artifacts:
        if {artifact.encryption for artifact in loaded.manifest.artifacts} == {"none"}:
            return None
        raise ConfigError(STEP, f"{request.id} has no file that is encrypted with age", hint="only age can be rekeyed")
    wanted = request.names - frozenset.intersection(*(frozenset(one.recipients) for one in artifacts))
    if not wanted:
        return None
    stored = list({(one.name, one.data): one for answer in found.values() for one in answer.rekeys}.values())
    headers = [one.record.headers for one in stored]
    good = [GoodSet(location, loaded) for location in holders]
    keys = [read_file_key(good, artifact, request.identities, headers, warnings) for artifact in artifacts]
    for one in stored:
        signature = one.signature if request.key and one.signed_by(request.key.verify_key) else None
        trusted = request.key is None or signature is not None
        if trusted and wanted <= set(one.record.recipients) and all(key.is_in(one.record) for key in keys):
            return _Record(one.name, one.data, signature)
    return _new_record(request, loaded, keys, frozenset().union(*(answer.names for answer in found.values())))


def _new_record(request: RekeyRequest, loaded: LoadedSet, keys: Sequence[FileKey], taken: frozenset[str]) -> _Record:
    time = request.now
    while {rekey_name(time), signature_of(rekey_name(time))} & taken:
        time += timedelta(seconds=1)
    record = Rekey(
        id=request.id,
        label=request.label,
        rekeyed_at=time,
        manifest=loaded.sha256,
        recipients=tuple(map(str, request.recipients)),
        headers={key.name: key.header_for(request.recipients) for key in keys},
    )
    data = record.to_bytes()
    if len(data) > MAX_RECORD_BYTES:
        message = f"new headers for {len(keys)} files and {len(request.recipients)} recipients make {len(data)} bytes"
        raise ConfigError(STEP, f"{message}, of which {MAX_RECORD_BYTES} are read", hint="give fewer recipients")
    return _Record(rekey_name(time), data, request.key.sign(data) if request.key else None)


def _place(
    location: Location, request: RekeyRequest, found: _RekeyedCopy, record: _Record | None, check_mode: bool
) -> Copy:
    """Write the record, and its signature, beside one copy if they are not there."""
    if record is None:
        return Copy(location.name, "rekeyed", "open to them")
    after = f"rekeyed by {record.name}"
    there = next((one for one in found.rekeys if (one.name, one.data) == (record.name, record.data)), None)
    lacking = list(_lacking(record, there))
    if not lacking:
        return Copy(location.name, "rekeyed", after)
    if not check_mode:
        for name, data in lacking:
            location.put(f"{request.directory}/{name}", data)
        if location.stat(f"{request.directory}/{MANIFEST}") is None:
            message = f"{request.id} was deleted while it was being rekeyed"
            error = LocationError(location.name, STEP, message, hint="what is left there is no backup any more")
            return Copy(location.name, FAILED, "not rekeyed", "deleted", changed=True, error=error)
    return Copy(location.name, "rekeyed", "not rekeyed", after, changed=True)


def _lacking(record: _Record, there: StoredRekey | None) -> Iterator[tuple[str, bytes]]:
    # The signature first, so that there is no moment in which a record lies there without it.
    if record.signature is not None and (there is None or there.signature != record.signature):
        yield signature_of(record.name), record.signature
    if there is None:
        yield record.name, record.data
