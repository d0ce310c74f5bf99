"""Lifecycle rules derived from the policy that also decides what is pruned: a pure function.

Where a set lies tells a rule its label and its day, and nothing of its kind; and holds, releases and which set is the
newest good one are written in objects, which a rule cannot read. So by default no rule ends an object that is there.
What rules do end is what somebody has deleted already: its versions, after a while in which they can be brought back.

The form of rules is that of https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html as botocore has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...documents.strict_json import MAX_BYTES
from ..retention import Policy

OWN = "mobul-backup-"
"""What the ids of our rules begin with."""

Rule = dict[str, Any]
_LONGEST_ID_PART = 200


@dataclass(frozen=True)
class KeptDays:
    """How long several policies keep sets, all kinds together.

    :param shortest: the fewest days after which any set may go; None where none goes by itself.
    :param longest: the most days for which any set is kept; None where some stay until they are released.
    :param endless: the kinds that stay until they are released.
    :param longest_ending: the most days of any that goes by itself.
    """

    shortest: int | None
    longest: int | None
    endless: tuple[str, ...]
    longest_ending: int | None

    @classmethod
    def of(cls, policies: Sequence[Policy]) -> KeptDays:
        """The days of the longest and shortest periods of one or more policies."""
        periods = [one for policy in policies for one in (*policy.periods.values(), *policy.classes.values())]
        shortest = [policy.shortest_days for policy in policies if policy.shortest_days is not None]
        longest = max((period.longest_days for period in periods if period is not None), default=None)
        endless = tuple({kind: None for policy in policies for kind in policy.endless()})
        return cls(min(shortest, default=None), None if endless else longest, endless, longest)

    def __str__(self) -> str:
        ending = [] if self.longest_ending is None else [f"for up to {self.longest_ending} days"]
        endless = [f"until they are released ({', '.join(self.endless)})"] if self.endless else []
        return " and ".join([*ending, *endless])


@dataclass(frozen=True)
class LifecycleSettings:
    """What the rules shall do; None is never.

    :param noncurrent_days: how long the versions behind a deletion stay.
    :param expire: whether current versions are ended, too, so much later than the policy ends the last of them.
    """

    abort_uploads_after_days: int | None
    archive_after_days: int | None
    archive_storage_class: str
    noncurrent_days: int | None
    expire: bool
    expire_margin_days: int


@dataclass(frozen=True)
class Derived:
    """The lifecycle rules that a policy leads to, and warnings about them."""

    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()


def derive_rules(prefixes: Iterable[str], kept: KeptDays, settings: LifecycleSettings) -> Derived:
    """The lifecycle rules for a bucket with sets below *prefixes*.

    :raises ValueError: expirations are asked for where the policy has no end.
    """
    notes: list[str] = []
    archive = settings.archive_after_days
    if archive is not None and kept.longest is not None and archive >= kept.longest:
        notes.append(
            f"nothing is archived: the policy keeps no set for longer than {kept.longest} days, "
            f"and archive_after_days is {archive}"
        )
        archive = None
    rules: list[Rule] = []
    for prefix in prefixes:
        rules += _cleaning(prefix, settings)
        if archive is not None:
            rules.append(_archiving(prefix, archive, settings.archive_storage_class))
        if settings.expire:
            rules.append(_expiring(prefix, kept, settings.expire_margin_days))
    return Derived(tuple(rules), tuple(notes))


def _cleaning(prefix: str, settings: LifecycleSettings) -> list[Rule]:
    """What is removed without loss: uploads given up, versions that were deleted, and the marks of their deletion."""
    actions: Rule = {}
    if settings.abort_uploads_after_days is not None:
        actions["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": settings.abort_uploads_after_days}
    if settings.noncurrent_days is not None:
        actions["NoncurrentVersionExpiration"] = {"NoncurrentDays": settings.noncurrent_days}
        # The mark of a deletion stands alone once the last version behind it has ended.
        actions["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if not actions:
        return []
    return [{**_head("clean", prefix), "Filter": {"Prefix": prefix}, **actions}]


def _archiving(prefix: str, days: int, storage_class: str) -> Rule:
    """No manifest is as large as what this rule reaches, so that the catalogue can always be read at once."""
    larger: Rule = {"ObjectSizeGreaterThan": MAX_BYTES}
    return {
        **_head("archive", prefix),
        "Filter": {"And": {"Prefix": prefix, **larger}} if prefix else larger,
        "Transitions": [{"Days": days, "StorageClass": storage_class}],
    }


def _expiring(prefix: str, kept: KeptDays, margin: int) -> Rule:
    if kept.longest is None:
        raise ValueError("no rule can end what stays until it is released")
    return {
        **_head("expire", prefix),
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": kept.longest + margin},
    }


def _head(name: str, prefix: str) -> Rule:
    place = prefix.rstrip("/")
    if not place.isascii() or len(place) > _LONGEST_ID_PART:
        place = hashlib.sha256(place.encode()).hexdigest()
    return {"ID": f"{OWN}{name}{f'-{place}' if place else ''}", "Status": "Enabled"}
