"""The operation behind ``verify_dump``: parameters in, findings and a verdict out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..backupset.manifest import Manifest
from ..backupset.naming import SetId
from ..catalogue.all_locations import Catalogue, KnownSet, read_catalogue
from ..catalogue.cache import default_directory
from ..catalogue.good_set import choose_id
from ..errors import ReportedError
from ..findings import FAILED, PASSED, WARNING, Finding, verdict, worst_first
from ..monitoring.size_band import SMALL, judge_size
from ..progress import stage
from ..reading.access import Access, open_access
from .copy_check import READING, CopyCheck
from .request import VerifyRequest
from .single_file import verify_file

STEP = "verify the backup"


class VerifyFailed(ReportedError):
    """A copy or a file has failed a check."""


def run_verify_dump(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look at a set or a file as the parameters of ``verify_dump`` say; changes nothing.

    :return: what the module returns.
    :raises VerifyFailed: a check failed.
    :raises BackupError: there is no such set or file, or no location could be read.
    """
    request = VerifyRequest.parse(params)
    with contextlib.ExitStack() as stack:
        access = open_access(params, stack)
        if access.file is not None:
            name, findings = access.file.path, verify_file(request, access)
        else:
            set_id, findings = _verify_set(request, access, params["cache_dir"] or default_directory())
            name = str(set_id)
    report = _report(name, request, findings)
    if report["verdict"] == FAILED and params["fail"]:
        failed = [one for one in findings if one.status == FAILED]
        told = "; ".join(f"{_name(one)}: {one.message}" for one in failed)
        hint = "do not count on it: take another copy, or a new backup"
        raise VerifyFailed(STEP, f"{name}: {told}", report, hint=hint)
    return report


def _verify_set(request: VerifyRequest, access: Access, cache_dir: str | None) -> tuple[SetId, list[Finding]]:
    label = request.label or ""
    catalogue = read_catalogue(access.locations, label, cache_dir=cache_dir, verify_keys=access.verify_keys)
    set_id = choose_id(access.locations, label, request.wanted, {})

    copies = [CopyCheck(location, set_id, request, access) for location in access.locations]

    def check(copy: CopyCheck) -> list[Finding]:
        failure = catalogue.failures.get(copy.location.name)
        if failure is not None:
            return [Finding(check="verification", subject=copy.location.name, status=FAILED, message=str(failure))]
        return copy.run()

    with stage(READING), ThreadPoolExecutor(max_workers=len(copies), thread_name_prefix="verify") as pool:
        findings = [finding for found in pool.map(check, copies) for finding in found]
    known = next((one for one in catalogue.finished if one.id == set_id), None)
    # Of a set that nobody vouches for nothing is known but its name, and each copy's own finding says so.
    if known is not None and known.summary is not None and set_id.is_backup:
        findings += _check_history(catalogue, known)
        # A copy that is not what it should be fails its own checks.
        loaded = next((copy.loaded for copy in copies if copy.loaded is not None), None)
        if loaded is not None:
            findings += _check_chain(catalogue, known, loaded.manifest)
    return set_id, findings


def _check_history(catalogue: Catalogue, known: KnownSet) -> Iterator[Finding]:
    """A finding about the dump's size compared with earlier sets."""
    history = [one.dump_size for one in catalogue.backups if one.good and one.id < known.id]
    judged = judge_size(known.dump_size, history)
    status = FAILED if judged.status == SMALL else WARNING if judged.unusual else PASSED
    yield Finding(check="size", status=status, message=judged.message)


def _check_chain(catalogue: Catalogue, known: KnownSet, manifest: Manifest) -> Iterator[Finding]:
    """Whether the set before it is the one that it saw: an exchanged or replayed one is not."""
    older = [one for one in catalogue.backups if one.id < known.id]
    previous = manifest.previous
    if previous is None:
        status, message = PASSED, "it is the first set"
        if older:
            status, message = WARNING, f"it names no set before it, although there is {older[-1].id}"
    else:
        there = [copy for one in catalogue.backups if one.id == previous.id for copy in one.copies.values()]
        # What no key vouches for, or cannot be read, was not looked into, and is surely not it.
        digests = {copy.summary.sha256 for copy in there if copy.summary is not None}
        if not there:
            status, message = WARNING, f"the set before it, {previous.id}, is not there: pruned, or lost"
        elif digests == {previous.sha256}:
            status, message = PASSED, f"{previous.id} is the one that came before it"
        else:
            status, message = FAILED, f"{previous.id} is not the one that came before it: it was exchanged"
    yield Finding(check="chain", status=status, message=message)


def _report(name: str, request: VerifyRequest, findings: Sequence[Finding]) -> dict[str, Any]:
    ordered = worst_first(findings)
    counts = ", ".join(
        f"{sum(one.status == status for one in findings)} {status}" for status in (FAILED, WARNING, PASSED)
    )
    prefix = f"{request.label}: " if request.label else ""
    return {
        "changed": False,
        "label": request.label,
        "name": name,
        "level": "content" if request.content else "structure",
        "verdict": verdict(findings),
        "findings": [finding.to_dict() for finding in ordered],
        "summary": [
            f"{prefix}{name} {verdict(findings)}: {counts}",
            *(f"  {finding}" for finding in ordered if finding.status != PASSED),
        ],
    }


def _name(finding: Finding) -> str:
    return f"{finding.check} ({finding.subject})" if finding.subject else finding.check
