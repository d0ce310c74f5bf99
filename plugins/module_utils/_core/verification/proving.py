"""The operation behind ``backup_prove``: a set is found, and every copy of it is read back and compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ..backup.left_out import matches
from ..backupset.manifest import Manifest
from ..backupset.naming import MANIFEST, SetId, check_kind, check_name
from ..backupset.record_keys import record_verify_keys
from ..backupset.signing import load_verify_keys
from ..catalogue.all_locations import Catalogue, KnownSet, read_catalogue
from ..catalogue.cache import default_directory
from ..catalogue.good_set import UNPROVEN
from ..catalogue.newest_good import no_such_set
from ..catalogue.selector import LATEST, NEWEST, BackupSelector
from ..durations import STEP as OPTIONS_STEP
from ..durations import parse_duration, readable_duration
from ..encryption.identities import Decryption
from ..errors import BackupError, ConfigError, ReportedError
from ..findings import FAILED, Finding
from ..lifecycle.retention.policy import Policy
from ..locations import enter_locations
from ..locations.base import Location
from ..postgres.names import display_name
from ..progress import stage
from ..reading.access import Access
from ..texts import bounded_list, readable_size
from .copy_check import READING, CopyCheck
from .request import VerifyRequest

STEP = "prove the backup"
_NEVER = frozenset({"post_incident", "pre_migration"})
"""Kinds that nobody reuses beside those that are never the newest backup: what other procedures keep and let go."""


@dataclass(frozen=True)
class ProofRequest:
    """What is asked for.

    :param backup: its id; None for the newest that fits.
    :param within: how old it may be; None for any age.
    :param kept_as: the kind as which it must be kept at least; "" for none.
    :param kinds: what it must be one of; none for all.
    :param labels: what its manifest must have among its labels.
    :param min_copies: how many copies must be good; None for one in every location.
    :param exclude: tables whose rows may be missing, as a new set would leave them out; counts with *within*.
    :param read_back: whether every byte is read; otherwise only what the listings and manifests tell.
    """

    label: str
    backup: SetId | None
    within: timedelta | None
    kept_as: str
    kinds: frozenset[str]
    labels: Mapping[str, str]
    environment: str | None
    database: str | None
    min_copies: int | None
    policy: Policy
    read_back: bool = True
    exclude: tuple[str, ...] = ()

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> ProofRequest:
        """From the module's parameters; raise :class:`ConfigError` if one of them cannot be right."""
        backup = None if params["backup"] == LATEST else SetId.parse(params["backup"])
        return cls(
            label=check_name(params["label"], "label"),
            backup=backup,
            within=parse_duration(params["within"], "within") if params["within"] else None,
            kept_as=check_kind(params["kept_as"]) if params["kept_as"] else "",
            kinds=frozenset(map(check_kind, params["kinds"])),
            labels={str(name): str(value) for name, value in params["labels"].items()},
            environment=params["expect_environment"] or None,
            database=params["expect_database"] or None,
            min_copies=params["min_copies"],
            policy=Policy.parse(params["policy"]),
            read_back=params["read_back"],
            exclude=tuple(params["exclude_table_data"]),
        )

    def wants(self, known: KnownSet, now: datetime) -> bool:
        """Whether a set may be the one, as far as its id, its manifest and the policy tell."""
        if self.backup is not None:
            return known.id == self.backup
        kind, time = known.id.kind, known.id.time
        if not NEWEST.may_select(known.id, now) or (self.kinds and kind not in self.kinds):
            return False
        if self.within is not None and (now - time > self.within or kind in _NEVER):
            return False
        return self._fits(known) and (not self.kept_as or self._stays(known, now))

    def lacking(self, manifest: Manifest | None) -> str:
        """The tables whose rows a new set would have, and this one has not; "" for none."""
        if self.within is None or manifest is None:
            return ""
        missing = [table for table in manifest.left_out if not any(matches(pattern, table) for pattern in self.exclude)]
        return bounded_list(list(map(display_name, missing))) if missing else ""

    def _fits(self, known: KnownSet) -> bool:
        summary = known.summary
        if summary is None:
            return False
        return (
            all(summary.labels.get(name) == value for name, value in self.labels.items())
            and self.environment in (None, summary.environment)
            and self.database in (None, summary.database)
        )

    def _stays(self, known: KnownSet, now: datetime) -> bool:
        """Whether retention keeps it at least as long as a set of the kind that it stands in for."""
        own, wanted = self.policy.periods[known.id.kind], self.policy.periods[self.kept_as]
        if known.id.kind == self.kept_as:
            return True
        if own is None:
            return not known.counted(now).released
        return wanted is not None and own.shortest_days >= wanted.longest_days


@dataclass
class _Proof:
    """The results of checking all copies of one set."""

    known: KnownSet
    manifest: Manifest | None = None
    signature: str = ""
    sha256: str | None = None
    locations: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def copies(self) -> int:
        return sum(one["status"] == "good" for one in self.locations)


class ProofFailed(ReportedError):
    """Fewer copies than were asked for are good."""


def run_backup_prove(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Prove a set as the parameters of ``backup_prove`` say; changes nothing.

    :return: what the module returns.
    :raises ProofFailed: the set has too few good copies.
    :raises BackupError: there is no such set, or no location could be read.
    """
    request = ProofRequest.parse(params)
    now = datetime.now(timezone.utc)
    keys = load_verify_keys(params["verify_key"] or ())
    with contextlib.ExitStack() as stack:
        locations = enter_locations(stack, params["locations"])
        if not locations:
            raise ConfigError(OPTIONS_STEP, "locations is empty", hint="give at least one location")
        decryption = Decryption.parse()
        stack.callback(decryption.close)
        access = Access(decryption, None, keys, locations)
        catalogue = read_catalogue(
            locations,
            request.label,
            cache_dir=params["cache_dir"] or default_directory(),
            verify_keys=keys,
            record_keys=record_verify_keys(params),
        )
        wanted = len(locations) if request.min_copies is None else request.min_copies
        passed: list[str] = []
        for known in reversed([one for one in catalogue.backups if request.wants(one, now)]):
            proof = _prove(request, known, access, catalogue)
            report = _report(request, proof, wanted, now)
            lacking = request.lacking(proof.manifest)
            if proof.copies >= wanted and not lacking:
                return {**report, "passed_by": passed}
            if lacking:
                passed.append(f"{known.id} was made without the rows of {lacking}")
                continue
            message = f"{proof.copies} of {len(locations)} copies of {known.id} are good, {wanted} needed: "
            message += "; ".join(str(one["error"]) for one in proof.locations if one["error"])
            if request.within is None:
                hint = "make another backup; cleanup_repair: true replaces what is damaged"
                raise ProofFailed(STEP, message, report, hint=hint)
            passed.append(message)
        return _nothing(request, catalogue, access, passed)


def _prove(request: ProofRequest, known: KnownSet, access: Access, catalogue: Catalogue) -> _Proof:
    verification = VerifyRequest(request.label, BackupSelector(known.id), False, {}, 0)
    checks = [CopyCheck(location, known.id, verification, access) for location in access.locations]

    def look(check: CopyCheck) -> str | None:
        """Why it is no good copy."""
        name = check.location.name
        if (failure := catalogue.failures.get(name)) is not None:
            return str(failure)
        if name not in known.copies:
            return f"location '{name}' does not have it"
        if not request.read_back:
            check.load()
            return "; ".join(known.copies[name].problems) or _first_failure(check.findings)
        return _first_failure(check.run())

    with stage(READING), ThreadPoolExecutor(max_workers=len(checks), thread_name_prefix="prove") as pool:
        errors = list(pool.map(look, checks))
    proof = _Proof(known)
    for check, error in zip(checks, errors, strict=True):
        proof.findings += check.findings
        problem = error
        if error is None and check.loaded is not None:
            proof.sha256 = proof.sha256 or check.loaded.sha256
            # Copies with different manifests are not copies of one set: the first one counts.
            problem = None if check.loaded.sha256 == proof.sha256 else "it has another manifest than the copy before it"
            proof.manifest = proof.manifest or check.loaded.manifest
            proof.signature = proof.signature or check.loaded.signature
        proof.locations.append(
            {
                "name": check.location.name,
                "type": check.location.type,
                "status": "good" if problem is None else "failed",
                "proof": None if problem else "read_back" if request.read_back else "listed",
                "protection": None if problem else _protection(check.location, known.id.directory(request.label)),
                "error": problem,
            }
        )
    return proof


def _protection(location: Location, directory: str) -> str | None:
    """Why the store would not let the copy go; None where it would, or where that may not be known."""
    with contextlib.suppress(BackupError):
        # Its manifest was written last, under the same lock as all the rest.
        return location.protection(f"{directory}/{MANIFEST}")
    return None


def _first_failure(findings: Sequence[Finding]) -> str | None:
    return next((f"{one.check}: {one.message}" for one in findings if one.status == FAILED), None)


def _report(request: ProofRequest, proof: _Proof, wanted: int, now: datetime) -> dict[str, Any]:
    known, manifest = proof.known, proof.manifest
    artifacts = () if manifest is None else manifest.artifacts
    size = sum(artifact.size for artifact in artifacts)
    return {
        "changed": False,
        "found": True,
        "id": str(known.id),
        "label": request.label,
        "directory": known.id.directory(request.label),
        "labels": {} if manifest is None else dict(manifest.labels),
        "age": int((now - known.id.time).total_seconds()),
        "copies": proof.copies,
        "locations": proof.locations,
        "artifacts": [
            {"name": one.name, "role": one.role, "size": one.size, "sha256": one.sha256} for one in artifacts
        ],
        "manifest_sha256": proof.sha256,
        "signed": proof.signature not in ("", "unsigned"),
        "findings": [finding.to_dict() for finding in proof.findings],
        "summary": list(_summary(request, proof, wanted, now, size)),
        "warnings": [UNPROVEN[proof.signature]] if proof.signature in UNPROVEN else [],
    }


def _summary(request: ProofRequest, proof: _Proof, wanted: int, now: datetime, size: int) -> Iterator[str]:
    age = readable_duration(now - proof.known.id.time)
    yield (
        f"{request.label}: {proof.known.id}, {age} old: {proof.copies} of {len(proof.locations)} copies good, "
        f"{wanted} needed"
    )
    for one in proof.locations:
        good = "read back, each file has its SHA-256" if request.read_back else "listed, not read back"
        message = f"{readable_size(size)} {good}" if one["error"] is None else one["error"]
        message += f"; {one['protection']}" if one["protection"] else ""
        yield f"{one['name']} ({one['type']}): {one['status']}: {message}"


def _nothing(request: ProofRequest, catalogue: Catalogue, access: Access, passed: Sequence[str]) -> dict[str, Any]:
    """What is told where no set fits; only who looks for a fresh one may do without."""
    if request.backup is not None:
        raise no_such_set(access.locations, request.label, request.backup, failures=catalogue.failures)
    failures = "".join(f"; {error}" for error in catalogue.failures.values())
    if request.within is None:
        labels = " and ".join(f"{name} {value}" for name, value in request.labels.items())
        kinds = f" of kind {' or '.join(sorted(request.kinds))}" if request.kinds else ""
        what = f"there is no backup of '{request.label}'{kinds}{f' with {labels}' if labels else ''}{failures}"
        raise ConfigError(STEP, what, hint="was the backup started? Nothing was changed")
    age = readable_duration(request.within)
    summary = f"{request.label}: no backup of the last {age} can be used in place of a new one{failures}"
    return {"changed": False, "found": False, "passed_by": list(passed), "summary": [summary, *passed]}
