"""One file into a bucket, verified: what the module ``s3_upload`` does.

The file is read twice. Its SHA-256 goes into the object's metadata, which S3 takes only at the beginning of an
upload; with it anybody can tell later, without a download, whether the object has certain bytes, whatever the store
makes its ETags of. The second reading, from memory as a rule, is the upload, which is given up should the bytes have
become others meanwhile.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...backupset.naming import check_key
from ...errors import ConfigError, SourceError
from ...progress import stage
from ...stream.files import FileSource, RegularFile, file_digest
from ...stream.pipeline import Pipeline
from ...stream.transforms import Sha256
from .compare import SHA256_NAME, recorded_sha256, same_bytes
from .errors import S3Error
from .locks import require_lock
from .parts import MAX_PART_BYTES, MIB, MIN_PART_BYTES
from .settings import OPTIONS, S3Settings, parse_settings
from .store import Store
from .trial import try_writing
from .writer import UPLOAD_NAME, ObjectDetails, S3Receipt, S3Writer

STEP = "check the options"
MAX_CONCURRENCY = 64
_RESERVED = (SHA256_NAME, UPLOAD_NAME)
_MAX_TAGS = 10
_MAX_METADATA_BYTES = 1900
_METADATA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_METADATA_VALUE = re.compile(r"[\x20-\x7e]*")
_TAG = re.compile(r"[\w\s.:/=+@-]*")


@dataclass(frozen=True)
class UploadRequest:
    """What was asked for.

    :param if_exists: ``verify``: an object with other bytes is an error; ``replace``: it is overwritten.
    """

    src: str
    settings: S3Settings
    key: str
    if_exists: str
    details: ObjectDetails
    part_bytes: int
    concurrency: int

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> UploadRequest:
        """From the module's parameters.

        :raises ConfigError: one of them cannot be right.
        """
        src = os.path.expanduser(params["src"])
        key = params["object"] or os.path.basename(src)
        if key.endswith("/"):
            key += os.path.basename(src)
        part_bytes, concurrency = params["part_size"] * MIB, params["concurrency"]
        if not MIN_PART_BYTES <= part_bytes <= MAX_PART_BYTES:
            hint = f"MiB, from {MIN_PART_BYTES // MIB} to {MAX_PART_BYTES // MIB}"
            raise ConfigError(STEP, f"part_size is {params['part_size']}", hint=hint)
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise ConfigError(STEP, f"concurrency is {concurrency}", hint=f"1 to {MAX_CONCURRENCY}")
        metadata, tags = _texts(params["metadata"]), _texts(params["tags"])
        _check_metadata(metadata)
        _check_tags(tags)
        return cls(
            src=src,
            settings=_settings(params),
            key=check_key(key),
            if_exists=params["if_exists"],
            details=ObjectDetails(metadata, tags, params["content_type"]),
            part_bytes=part_bytes,
            concurrency=concurrency,
        )


@dataclass(frozen=True)
class UploadPlan:
    """What ``s3_upload`` will do, and why.

    :param found: what a HEAD request says of the object that is there; None if there is none, or none to be seen.
    :param same: whether it has the file's bytes already.
    :param compared_by: how that is known, see :func:`same_bytes`.
    """

    sha256: str
    size: int
    found: Mapping[str, Any] | None
    same: bool
    compared_by: str | None

    @property
    def changed(self) -> bool:
        """Whether the object has to be uploaded."""
        return not self.same


def run_s3_upload(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the file into the bucket; parameters and result as the module's documentation names them.

    :raises BackupError: what was there before is as it was.
    """
    began = time.monotonic()
    request = UploadRequest.parse(params)
    with RegularFile(request.src, step="open the file") as file:
        store = Store(request.settings, part_bytes=request.part_bytes, concurrency=request.concurrency)
        try:
            require_lock(store, "check the bucket")
            plan = plan_upload(request, store, file)
            receipt: S3Receipt | None = None
            if plan.changed and check_mode:
                try_writing(store, f"check the bucket for {request.key}", request.key)
            elif plan.changed:
                receipt = run_upload(request, plan, store, file)
        finally:
            store.close()
    return _result(request, plan, receipt, time.monotonic() - began)


def plan_upload(request: UploadRequest, store: Store, file: RegularFile) -> UploadPlan:
    """Find out what is there and whether it has the file's bytes; nothing is changed.

    :raises S3Error: an object with other bytes is there, which the request does not allow to replace.
    """
    step = f"look for {request.key}"
    found = _look(store, step, request.key)
    with stage("read the file", file.size):
        sha256 = file_digest(file)
    if found is None:
        return UploadPlan(sha256, file.size, None, same=False, compared_by=None)
    same, compared_by = same_bytes(store, request.key, found, file, sha256, step=step)
    if not same and request.if_exists == "verify":
        message = (
            f"{found['ContentLength']} instead of {file.size} bytes"
            if compared_by == "size"
            else f"another {compared_by}"
        )
        raise store.error(
            step,
            f"{request.key!r} is there with other contents ({message})",
            hint="if_exists: replace overwrites it; or choose another name",
        )
    return UploadPlan(sha256, file.size, found, same, compared_by)


def run_upload(request: UploadRequest, plan: UploadPlan, store: Store, file: RegularFile) -> S3Receipt:
    """Carry out *plan*, whose object is missing or has other bytes; return what the store confirmed."""
    details = replace(request.details, metadata={**request.details.metadata, SHA256_NAME: plan.sha256})
    writer = S3Writer(
        store,
        request.key,
        size_hint=plan.size,
        details=details,
        replaces=plan.found.get("ETag") if plan.found else None,
    )
    with stage("upload the file", plan.size):
        Pipeline(FileSource(file), [_Expected(plan.sha256, request.src)], [writer], counted=True).run()
    if writer.receipt is None:
        raise AssertionError("a committed writer has no receipt")
    return writer.receipt


class _Expected(Sha256):
    """Ends the stream with an error if it had other bytes than expected, before anything becomes visible."""

    def __init__(self, sha256: str, path: str) -> None:
        super().__init__()
        self._expected = sha256
        self._path = path

    def finalize(self) -> bytes:
        if self.hexdigest() != self._expected:
            hint = "run again once it is at rest"
            raise SourceError("upload the file", f"{self._path} changed while it was read", hint=hint)
        return b""


def _look(store: Store, step: str, key: str) -> dict[str, Any] | None:
    try:
        return store.head(step, key)
    except S3Error as error:
        # Credentials that may only write cannot look; the upload then refuses to replace, and says what is wrong
        # should it be the credentials themselves.
        if error.status == 403:
            return None
        raise


def _settings(params: Mapping[str, Any]) -> S3Settings:
    given = {name: params.get(name) for name in OPTIONS if name != "prefix"}
    try:
        return replace(parse_settings({"name": "s3", "type": "s3", **given}), name="")
    except ConfigError as error:
        raise ConfigError(STEP, error.message.removeprefix("location 's3': "), hint=error.hint) from None


def _texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (values or {}).items()}


def _check_metadata(metadata: Mapping[str, str]) -> None:
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name) or name.lower() in _RESERVED:
            hint = f"letters, digits, '.', '_' and '-'; not {' or '.join(_RESERVED)}"
            raise ConfigError(STEP, f"metadata has a name that cannot be used: {name!r}", hint=hint)
        if not _METADATA_VALUE.fullmatch(value):
            raise ConfigError(STEP, f"metadata {name!r} has other characters than printable ASCII")
    if sum(len(name) + len(value) for name, value in metadata.items()) > _MAX_METADATA_BYTES:
        raise ConfigError(STEP, f"metadata is too long: S3 takes 2 KB, of which {_MAX_METADATA_BYTES} bytes are free")


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > _MAX_TAGS:
        raise ConfigError(STEP, f"there are {len(tags)} tags", hint=f"S3 takes {_MAX_TAGS} for an object")
    for name, value in tags.items():
        usable = _TAG.fullmatch(name) and _TAG.fullmatch(value) and 1 <= len(name) <= 128 and len(value) <= 256
        if not usable:
            hint = "letters, digits, spaces and . : / = + @ _ -; a name of 128 characters, a value of 256 at most"
            raise ConfigError(STEP, f"the tag {name!r} or its value cannot be used", hint=hint)


def _result(request: UploadRequest, plan: UploadPlan, receipt: S3Receipt | None, duration: float) -> dict[str, Any]:
    found = plan.found or {}
    etag, version = found.get("ETag"), found.get("VersionId")
    proof: str | None = plan.compared_by if plan.same else None
    warnings = []
    if receipt is not None:
        etag, version, proof = receipt.etag, receipt.version_id, receipt.proof
        if proof == "size":
            warnings.append("the store's answers prove no more than the size of the object")
        warnings += [receipt.notice] if receipt.notice else []
    facts = {
        "bucket": request.settings.bucket,
        "key": request.key,
        "size": plan.size,
        "sha256": plan.sha256,
        "etag": None if plan.changed and receipt is None else etag,
        "version_id": None if plan.changed and receipt is None else version,
        "proof": proof,
    }
    return {
        "changed": plan.changed,
        "object": facts,
        "bytes_sent": plan.size if receipt is not None else 0,
        "duration": round(duration, 3),
        "warnings": warnings,
        "diff": _diff(request, plan),
    }


def _diff(request: UploadRequest, plan: UploadPlan) -> dict[str, Any]:
    name = f"s3://{request.settings.bucket}/{request.key}"
    if plan.found is None:
        before: dict[str, Any] = {"object": name, "state": "absent"}
    else:
        before = {"object": name, "size": plan.found["ContentLength"], "sha256": recorded_sha256(plan.found)}
    if plan.same:
        return {"before": before, "after": before}
    return {"before": before, "after": {"object": name, "size": plan.size, "sha256": plan.sha256}}
