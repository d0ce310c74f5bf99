"""From a bucket as it is to the bucket as it shall be: a pure function of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import ConfigError, PreflightError
from .current_state import PUBLIC_FLAGS, BucketLock, BucketState
from .declared import Declared, Encryption, check_lock
from .features import ENCRYPTION, LIFECYCLE, OBJECT_LOCK, PUBLIC_ACCESS, VERSIONING, Feature
from .lifecycle import derive_rules
from .rules import canonical, endings, hidings, is_own, late_endings

STEP = "plan the bucket"
_KMS = ("aws:kms", "aws:kms:dsse")


@dataclass(frozen=True)
class Step:
    """One request that changes the bucket.

    :param feature: what it sets; None where it makes the bucket.
    :param description: for a person.
    :param operation: the client's method.
    """

    feature: Feature | None
    description: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    :param after: the bucket once it is done.
    :param notes: what is as it should be and may surprise.
    :param warnings: what is not wrong, and not good either.
    """

    before: BucketState
    after: BucketState
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def plan_bucket(declared: Declared, state: BucketState) -> Plan:
    """Decide what is to be done.

    :raises BackupError: the bucket is missing, or something about it contradicts the policy; nothing may be done.
    """
    planner = _Planner(declared, state)
    planner.creation()
    planner.versioning()
    planner.public_access()
    planner.encryption()
    planner.object_lock()
    planner.lifecycle()
    return Plan(state, planner.after, tuple(planner.steps), tuple(planner.notes), tuple(planner.warnings))


class _Planner:
    """Compares one setting after the other; :attr:`after` is the bucket with the steps so far."""

    def __init__(self, declared: Declared, state: BucketState) -> None:
        self._declared = declared
        self.after = state
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def creation(self) -> None:
        if self.after.exists:
            return
        name, place = self._declared.settings.bucket, self._declared.settings.endpoint
        if not self._declared.create:
            raise PreflightError(
                STEP,
                f"bucket '{name}' at {place} does not exist",
                hint="create: true makes it; or correct bucket, endpoint_url or region",
            )
        locked = self._declared.object_lock is not None
        parameters: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if locked else {}
        self._add(None, f"make the bucket{' with Object Lock' if locked else ''}", "create_bucket", parameters)
        # Object Lock brings versioning with it.
        versioning = "Enabled" if locked and self.after.versioning is not None else self.after.versioning
        self.after = replace(self.after, exists=True, versioning=versioning, lock=BucketLock(enabled=locked))

    def versioning(self) -> None:
        if self.after.versioning in (None, "Enabled"):
            return
        parameters = {"VersioningConfiguration": {"Status": "Enabled"}}
        self._add(VERSIONING, "enable versioning", "put_bucket_versioning", parameters)
        self.after = replace(self.after, versioning="Enabled")

    def public_access(self) -> None:
        flags = self.after.public_access
        if flags is None:
            return
        if not self._declared.block_public_access:
            self._public_access_not_blocked(flags)
        elif not all(flags.get(name) for name in PUBLIC_FLAGS):
            wanted = dict.fromkeys(PUBLIC_FLAGS, True)
            parameters = {"PublicAccessBlockConfiguration": wanted}
            self._add(PUBLIC_ACCESS, "block public access", "put_public_access_block", parameters)
            self.after = replace(self.after, public_access=wanted)

    def _public_access_not_blocked(self, flags: Mapping[str, bool]) -> None:
        if not any(flags.get(name) for name in PUBLIC_FLAGS):
            return
        self._add(PUBLIC_ACCESS, "no longer block public access", "delete_public_access_block", {})
        self.after = replace(self.after, public_access={})

    def encryption(self) -> None:
        wanted, rule = self._declared.encryption, self.after.encryption
        if wanted is None or rule is None:
            return
        found = rule.get("ApplyServerSideEncryptionByDefault") or {}
        if _encrypts(wanted, found):
            if found["SSEAlgorithm"] != wanted.algorithm:
                self.notes.append(f"new objects are encrypted with {found['SSEAlgorithm']}, which is more than asked")
            return
        default = {"SSEAlgorithm": wanted.algorithm, **({"KMSMasterKeyID": wanted.key} if wanted.key else {})}
        changed = {**rule, "ApplyServerSideEncryptionByDefault": default}
        if wanted.algorithm in _KMS:
            # One request to KMS for many objects instead of one for each.
            changed["BucketKeyEnabled"] = True
        with_key = f" with the key {wanted.key}" if wanted.key else ""
        self._add(
            ENCRYPTION,
            f"encrypt new objects by {wanted.algorithm}{with_key}",
            "put_bucket_encryption",
            {"ServerSideEncryptionConfiguration": {"Rules": [changed]}},
        )
        self.after = replace(self.after, encryption=changed)

    def object_lock(self) -> None:
        wanted, lock = self._declared.object_lock, self.after.lock or BucketLock()
        if wanted is None:
            if lock.days is not None:
                check_lock(lock.days, self._declared.kept, f"the bucket's Object Lock ({lock.mode}) keeps")
            return
        days = wanted.period.days
        if (lock.enabled, lock.mode, lock.days) == (True, wanted.mode, days):
            return
        retention = {"DefaultRetention": {"Mode": wanted.mode, "Days": days}}
        self._add(
            OBJECT_LOCK,
            f"lock new objects for {days} days ({wanted.mode})",
            "put_object_lock_configuration",
            {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": retention}},
        )
        self.after = replace(self.after, lock=BucketLock(True, wanted.mode, days))

    def lifecycle(self) -> None:
        declared, rules = self._declared, self.after.rules
        if declared.lifecycle is None or rules is None:
            return
        foreign = [rule for rule in rules if not is_own(rule)]
        self._check_foreign(foreign)
        derived = derive_rules(declared.prefixes, declared.kept, declared.lifecycle)
        self.notes += derived.notes
        if declared.lifecycle.expire:
            self.warnings.append(
                "expire: objects end by age, held or not, and the newest good set of a label, too, should no newer "
                "one be made for so long"
            )
        ours = [rule for rule in rules if is_own(rule)]
        if _by_id(ours) == _by_id(derived.rules):
            return
        wanted = (*foreign, *derived.rules)
        self._add(LIFECYCLE, _describe_rules(_by_id(ours), _by_id(derived.rules)), *lifecycle_call(self.after, wanted))
        self.after = replace(self.after, rules=wanted)

    def _check_foreign(self, foreign: list[dict[str, Any]]) -> None:
        prefixes, kept = self._declared.prefixes, self._declared.kept
        if wrong := endings(foreign, prefixes, kept):
            raise ConfigError(
                "compare the lifecycle rules with the policy",
                f"bucket '{self._declared.settings.bucket}': {'; '.join(wrong)}",
                hint="remove that rule, disable it, or let its prefix lead elsewhere: backup_prune removes what the "
                "policy lets go",
            )
        self.warnings += [*hidings(foreign, prefixes), *late_endings(foreign, prefixes, kept)]

    def _add(self, feature: Feature | None, description: str, operation: str, parameters: Mapping[str, Any]) -> None:
        self.steps.append(Step(feature, description, operation, parameters))


def lifecycle_call(state: BucketState, rules: tuple[dict[str, Any], ...]) -> tuple[str, dict[str, Any]]:
    """The operation and parameters that give the bucket exactly these rules."""
    if not rules:
        return "delete_bucket_lifecycle", {}
    parameters: dict[str, Any] = {"LifecycleConfiguration": {"Rules": list(rules)}}
    if state.smallest:
        parameters["TransitionDefaultMinimumObjectSize"] = state.smallest
    return "put_bucket_lifecycle_configuration", parameters


def _encrypts(wanted: Encryption, found: Mapping[str, Any]) -> bool:
    """Whether the bucket encrypts as *wanted*, or better: a key of KMS is not taken away by a default."""
    algorithm, key = found.get("SSEAlgorithm"), found.get("KMSMasterKeyID") or ""
    if wanted.algorithm == "AES256":
        return algorithm in ("AES256", *_KMS)
    return algorithm in _KMS and (wanted.key is None or key == wanted.key or _is_arn_of(key, wanted.key))


def _is_arn_of(arn: str, key: str) -> bool:
    """Stores answer with the key's ARN, whichever form was given."""
    return arn.startswith("arn:") and arn.rpartition(":")[2] in (key, f"key/{key}")


def _by_id(rules: Any) -> dict[str, Any]:
    return {str(rule.get("ID", "")): canonical(rule) for rule in rules}


def _describe_rules(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Which lifecycle rules are added, changed and removed."""
    added = [name for name in after if name not in before]
    changed = [name for name in after if name in before and before[name] != after[name]]
    removed = [name for name in before if name not in after]
    changes = [f"{verb} {', '.join(names)}" for verb, names in _verbs(added, changed, removed) if names]
    return f"change the lifecycle rules: {'; '.join(changes)}"


def _verbs(added: list[str], changed: list[str], removed: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return (("add", added), ("change", changed), ("remove", removed))
