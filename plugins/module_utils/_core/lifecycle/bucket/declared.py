"""What a bucket shall be like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...backupset.naming import check_key
from ...errors import ConfigError
from ...locations.s3.settings import OPTIONS, ObjectLock, S3Settings, parse_settings
from ..retention import Policy
from .lifecycle import KeptDays, LifecycleSettings

STEP = "check the options"
_LONGEST_DAYS = 36500
_DAYS = ("abort_uploads_after_days", "archive_after_days", "noncurrent_days", "expire_margin_days")
_BEFORE_LOCATION = re.compile(r"location '[^']*': ")


@dataclass(frozen=True)
class Encryption:
    """How the bucket encrypts what comes without a wish of its own.

    :param key: of KMS, an id, alias or ARN; None is the store's own.
    """

    algorithm: str
    key: str | None = None


@dataclass(frozen=True)
class Declared:
    """What was asked for.

    :param prefixes: what the keys of all sets begin with: "" or with a slash at the end; none covers another.
    :param kept: how long the policies of the sets in the bucket keep them.
    :param versioning: False leaves it as it is, and so does it for the other settings.
    :param object_lock: the retention that objects get which come without one; None leaves it as it is.
    :param lifecycle: None leaves the lifecycle rules as they are.
    """

    settings: S3Settings
    prefixes: tuple[str, ...]
    kept: KeptDays
    versioning: bool
    encryption: Encryption | None
    block_public_access: bool
    object_lock: ObjectLock | None
    lifecycle: LifecycleSettings | None
    create: bool

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Declared:
        """From the module's parameters.

        :raises ConfigError: one of them cannot be right.
        """
        settings = _settings(params)
        kept = KeptDays.of(_policies(params["retention"]))
        declared = cls(
            settings=replace(settings, object_lock=None),
            prefixes=_prefixes(params["prefixes"]),
            kept=kept,
            versioning=params["versioning"],
            encryption=_encryption(params),
            block_public_access=params["block_public_access"],
            object_lock=settings.object_lock,
            lifecycle=_lifecycle(params, kept) if params["lifecycle"] else None,
            create=params["create"],
        )
        if declared.object_lock:
            check_lock(declared.object_lock.period.days, kept, "object_lock would keep")
        return declared


def check_lock(days: int, kept: KeptDays, subject: str) -> None:
    """Raise :class:`ConfigError` where *days* of Object Lock outlast what a policy lets go."""
    if kept.shortest is not None and days > kept.shortest:
        raise ConfigError(
            "compare Object Lock with the policy",
            f"{subject} every object for {days} days, but the policy lets sets go after {kept.shortest} days: what "
            "is pruned then could not be removed, and COMPLIANCE cannot be shortened by anybody",
            hint=f"lock for {kept.shortest} days at most, or lengthen the policy's shortest period",
        )


def _settings(params: Mapping[str, Any]) -> S3Settings:
    names = [name for name in OPTIONS if name not in ("prefix", "sse", "sse_kms_key_id", "storage_class", "checksums")]
    given = {name: params.get(name) for name in names}
    try:
        return replace(parse_settings({"name": "s3", "type": "s3", **given}), name="")
    except ConfigError as error:
        raise ConfigError(STEP, _BEFORE_LOCATION.sub("", error.message, count=1), hint=error.hint) from None


def _policies(given: object) -> list[Policy]:
    """One policy, or several, where labels of different ones share the bucket."""
    if isinstance(given, Sequence) and not isinstance(given, str) and given:
        return [policy for one in given for policy in _policies(one)]
    if given is not None and not isinstance(given, Mapping):
        hint = "for example {weekly: 90d, monthly: 1y}, or a list of such"
        raise ConfigError(STEP, "retention is neither a policy nor a list of policies", hint=hint)
    return [Policy.parse(given)]


def _prefixes(given: Iterable[object]) -> tuple[str, ...]:
    """Without those that lie below another: a key must not be reached by two rules for the same."""
    names = {str(one if one is not None else "").strip("/") for one in given}
    if not names:
        raise ConfigError(STEP, "prefixes is empty", hint="leave it out where the sets lie at the top of the bucket")
    starts = sorted(f"{check_key(name)}/" if name else "" for name in names)
    return tuple(one for one in starts if not any(one != other and one.startswith(other) for other in starts))


def _encryption(params: Mapping[str, Any]) -> Encryption | None:
    algorithm, key = params["encryption"], params["kms_key_id"] or None
    if key and algorithm != "aws:kms":
        raise ConfigError(STEP, "kms_key_id is given without encryption: aws:kms", hint="give both, or neither")
    return None if algorithm == "none" else Encryption(algorithm, key)


def _lifecycle(params: Mapping[str, Any], kept: KeptDays) -> LifecycleSettings:
    for name in _DAYS:
        if not 0 <= params[name] <= _LONGEST_DAYS:
            never = "" if name == "expire_margin_days" else "; 0 is never"
            raise ConfigError(STEP, f"{name} is {params[name]}", hint=f"from 0 to {_LONGEST_DAYS}{never}")
    if params["expire"] and kept.longest is None:
        raise ConfigError(
            STEP,
            f"expire: the policy keeps {', '.join(kept.endless)} sets until they are released, which no lifecycle "
            "rule can know: it would end them",
            hint="leave expire out: backup_prune removes what the policy lets go",
        )
    return LifecycleSettings(
        abort_uploads_after_days=params["abort_uploads_after_days"] or None,
        archive_after_days=params["archive_after_days"] or None,
        archive_storage_class=params["archive_storage_class"],
        noncurrent_days=params["noncurrent_days"] or None,
        expire=params["expire"],
        expire_margin_days=params["expire_margin_days"],
    )
