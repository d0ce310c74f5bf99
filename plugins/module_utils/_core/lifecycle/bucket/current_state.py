"""What a bucket is like: all of its settings that the declared state is about, read before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...locations.s3.errors import S3Error
from ...locations.s3.store import Store
from .declared import Declared
from .features import ENCRYPTION, LIFECYCLE, OBJECT_LOCK, PUBLIC_ACCESS, VERSIONING
from .lifecycle import Rule
from .rules import canonical

PUBLIC_FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_LONGEST_YEAR = 366


@dataclass(frozen=True)
class BucketLock:
    """What Object Lock does in the bucket.

    :param days: that objects stay which come without a retention of their own; None where they get none.
    """

    enabled: bool = False
    mode: str | None = None
    days: int | None = None


@dataclass(frozen=True)
class BucketState:
    """The settings of one bucket; None where one was not looked at.

    :param versioning: ``Enabled``, ``Suspended``, or "" where it never was enabled.
    :param encryption: the rule as the store has it; empty where there is none.
    :param public_access: by flag, whether it blocks.
    :param rules: all lifecycle rules, in the store's order.
    :param smallest: which objects transitions leave out by default, as the store calls it.
    """

    exists: bool
    versioning: str | None = None
    encryption: Mapping[str, Any] | None = None
    public_access: Mapping[str, bool] | None = None
    lock: BucketLock | None = None
    rules: tuple[Rule, ...] | None = None
    smallest: str | None = None

    def shown(self) -> dict[str, Any]:
        """The state as a dict for results and diffs."""
        result: dict[str, Any] = {"state": "present" if self.exists else "absent"}
        if self.versioning is not None:
            result["versioning"] = self.versioning or "never enabled"
        if self.encryption is not None:
            result["encryption"] = dict(self.encryption.get("ApplyServerSideEncryptionByDefault") or {}) or "none"
        if self.public_access is not None:
            result["public_access_block"] = {name: self.public_access.get(name, False) for name in PUBLIC_FLAGS}
        if self.lock is not None:
            retention = {"mode": self.lock.mode, "days": self.lock.days} if self.lock.mode else "none"
            result["object_lock"] = {"enabled": self.lock.enabled, "default_retention": retention}
        if self.rules is not None:
            named = {str(rule.get("ID", "")): canonical(rule) for rule in self.rules}
            result["lifecycle"] = {
                name: {key: value for key, value in rule.items() if key != "ID"} for name, rule in named.items()
            }
        return result


def read_state(store: Store, declared: Declared) -> BucketState:
    """Read what *declared* is about, and Object Lock in any case, with which the policy must agree.

    :raises S3Error: a setting cannot be read.
    """
    try:
        lock = _lock(store, asked=declared.object_lock is not None)
        versioning = VERSIONING.read(store).get("Status") or "" if declared.versioning else None
        encryption = _encryption(store) if declared.encryption else None
        access = _public_access(store, asked=declared.block_public_access)
        lifecycle = LIFECYCLE.read(store) if declared.lifecycle else None
    except S3Error as error:
        if error.code == "NoSuchBucket":
            return _missing(declared)
        raise
    return BucketState(
        exists=True,
        versioning=versioning,
        encryption=encryption,
        public_access=access,
        lock=lock,
        rules=None if lifecycle is None else tuple(lifecycle.get("Rules") or ()),
        smallest=None if lifecycle is None else lifecycle.get("TransitionDefaultMinimumObjectSize"),
    )


def _missing(declared: Declared) -> BucketState:
    return BucketState(
        exists=False,
        versioning="" if declared.versioning else None,
        encryption={} if declared.encryption else None,
        public_access={} if declared.block_public_access else None,
        lock=BucketLock(),
        rules=() if declared.lifecycle else None,
    )


def _lock(store: Store, *, asked: bool) -> BucketLock:
    try:
        found = OBJECT_LOCK.read(store).get("ObjectLockConfiguration") or {}
    except S3Error as error:
        # What the store has never heard of locks nothing.
        if asked or not OBJECT_LOCK.unknown(error):
            raise
        return BucketLock()
    retention = (found.get("Rule") or {}).get("DefaultRetention") or {}
    days = retention.get("Days") or (retention.get("Years") or 0) * _LONGEST_YEAR
    return BucketLock(
        enabled=found.get("ObjectLockEnabled") == "Enabled",
        mode=retention.get("Mode") if days else None,
        days=days or None,
    )


def _encryption(store: Store) -> Mapping[str, Any]:
    rules = (ENCRYPTION.read(store).get("ServerSideEncryptionConfiguration") or {}).get("Rules") or [{}]
    found: Mapping[str, Any] = rules[0]
    return found


def _public_access(store: Store, *, asked: bool) -> Mapping[str, bool] | None:
    try:
        found = PUBLIC_ACCESS.read(store).get("PublicAccessBlockConfiguration") or {}
    except S3Error as error:
        # Where it cannot be looked at, there is nothing of ours to be taken away.
        if asked or error.code == "NoSuchBucket" or error.transient:
            raise
        return None
    return {name: bool(found.get(name)) for name in PUBLIC_FLAGS}
