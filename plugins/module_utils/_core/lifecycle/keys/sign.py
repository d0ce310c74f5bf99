"""What the module ``backup_sign`` does: a signature for a manifest that was made before there was a key.

A signature says that its key's holder made the set. Here a person says so of a manifest, by its digest: what is signed
are the bytes that had that digest when they were read, whatever lies in the location a moment later.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...backupset.manifest import Manifest
from ...backupset.manifest import digest as sha256
from ...backupset.naming import MANIFEST, SIGNATURE, SetId
from ...backupset.signing import SIGNATURE_BYTES, SigningKey, VerifyKey, load_signing_key, load_verify_keys
from ...catalogue.search import ask_all, check_place
from ...documents.strict_json import MAX_BYTES
from ...errors import BackupError, ConfigError, LocationError
from ...locations import enter_locations
from ...locations.base import Location
from .outcome import FAILED, MISSING, Copy, absent, report, which_set

STEP = "sign the set"

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SignRequest:
    """What was asked for.

    :param digest: SHA-256 of the manifest that is meant.
    :param revoked: keys whose signature gives way to the new one.
    """

    label: str
    id: SetId
    digest: str
    key: SigningKey
    revoked: Sequence[VerifyKey] = ()

    @property
    def directory(self) -> str:
        """The key of the set's directory in a location."""
        return self.id.directory(self.label)


def run_backup_sign(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Sign a manifest; parameters and result as the module's documentation names them.

    :raises ConfigError: something that was asked for cannot be right, or no location has that manifest; nothing was
        changed.
    :raises LocationsFailed: a location failed, or has another manifest or signature; the others are done.
    """
    digest = params["digest"].strip().lower()
    if not _DIGEST.fullmatch(digest):
        hint = "give the 64 hexadecimal digits of the SHA-256 of manifest.json"
        raise ConfigError("check the options", "digest is no SHA-256", hint=hint)
    key = load_signing_key(params["signing_key"], params["signing_key_passphrase"])
    revoked = load_verify_keys(params["revoked_key"] or ())
    if key.verify_key in revoked:
        raise ConfigError("check the options", "signing_key is one of the revoked_key", hint="sign with another key")
    with contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        request = SignRequest(params["label"], which_set(params, locations), digest, key, revoked)
        return sign_in(locations, request, check_mode)


def sign_in(locations: Sequence[Location], request: SignRequest, check_mode: bool) -> dict[str, Any]:
    """Sign the set in locations that are open already; return the result."""
    answers, failures = ask_all(locations, lambda location: _look(location, request))
    if not any(isinstance(answer, bytes) for answer in answers.values()):
        raise _nowhere(request, answers, failures)
    # They are the same bytes everywhere; what is no manifest of this set is not signed as one.
    data = next(answer for answer in answers.values() if isinstance(answer, bytes))
    check_place(Manifest.parse(data), request.label, request.id)
    signature = request.key.sign(data)

    def work(location: Location) -> Copy:
        found = answers[location.name]
        return found if isinstance(found, Copy) else _sign(location, request, data, signature, check_mode)

    done, more = ask_all([location for location in locations if location.name in answers], work)
    failed = {**failures, **more}
    copies = [
        done.get(location.name) or Copy(location.name, FAILED, error=failed[location.name]) for location in locations
    ]
    would = "would be" if check_mode else "is"
    head = f"{request.label}: {request.id} {would} signed by {request.key.key_id}"
    result = {"digest": request.digest, "signed_by": request.key.key_id}
    return report(STEP, request.id, copies, head, result, check_mode)


def _look(location: Location, request: SignRequest) -> bytes | Copy:
    """The manifest that is meant, as it was read; or what there is instead of it."""
    key = f"{request.directory}/{MANIFEST}"
    info = location.stat(key)
    if info is None:
        return Copy(location.name, absent(location, request.directory), "no such set")
    # One byte more than any manifest has, so that what is longer has another digest.
    data = b"".join(location.read(key, length=MAX_BYTES + 1))
    if sha256(data) == request.digest:
        return data
    error = LocationError(
        location.name,
        STEP,
        f"the manifest of {request.id} there is another one: its digest is {sha256(data)}",
        hint="it is not signed: find out which of them is the one that was written",
    )
    return Copy(location.name, FAILED, "another manifest", error=error)


def _sign(location: Location, request: SignRequest, data: bytes, signature: bytes, check_mode: bool) -> Copy:
    ours = f"signed by {request.key.key_id}"
    key = f"{request.directory}/{SIGNATURE}"
    there = None
    if location.stat(key) is not None:
        there = b"".join(location.read(key, length=SIGNATURE_BYTES + 1))
        # A key signs the same bytes alike every time.
        if there == signature:
            return Copy(location.name, "signed", ours)
    revoked = next((one for one in request.revoked if there is not None and one.fits(data, there)), None)
    if there is not None and revoked is None:
        return Copy(location.name, FAILED, "signed otherwise", error=_other_signature(location, request))
    before = f"signed by {revoked.key_id}, which is revoked" if revoked else "not signed"
    if not check_mode:
        if revoked is not None:
            location.delete(key)
        location.put(key, signature)
        if location.stat(f"{request.directory}/{MANIFEST}") is None:
            message = f"{request.id} was deleted while it was being signed"
            error = LocationError(location.name, STEP, message, hint="what is left there is no backup any more")
            return Copy(location.name, FAILED, before, "deleted", changed=True, error=error)
    return Copy(location.name, "signed", before, ours, changed=True)


def _other_signature(location: Location, request: SignRequest) -> LocationError:
    return LocationError(
        location.name,
        STEP,
        f"{request.id} has a {SIGNATURE} there that this key did not make",
        hint="if it was made with an earlier key of yours, add that key to verify_key, or give it as "
        "revoked_key if it was stolen; if it is not yours, delete it there and run this again",
    )


def _nowhere(
    request: SignRequest, answers: Mapping[str, bytes | Copy], failures: Mapping[str, BackupError]
) -> ConfigError:
    copies = [answer for answer in answers.values() if isinstance(answer, Copy)]
    problems = [str(error) for error in failures.values()]
    problems += [copy.error.message if copy.error else f"location '{copy.location}': {copy.before}" for copy in copies]
    hint = "is the id right?" if all(copy.state == MISSING for copy in copies) else "nothing was changed"
    return ConfigError(
        STEP,
        f"no location has a manifest of {request.id} of '{request.label}' with the digest {request.digest}: "
        f"{'; '.join(problems)}",
        hint=hint,
    )
