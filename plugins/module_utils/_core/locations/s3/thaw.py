"""Objects in an archive: whether they can be read, and asking the store for a copy that can.

The classes and the header ``x-amz-restore`` are those of
https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from ...backupset.naming import check_key
from ...errors import ConfigError
from ..base import Thaw
from .errors import S3Error
from .store import Store

ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes whose objects cannot be read at once."""
TIERS = ("Standard", "Bulk", "Expedited")
_MAY_BE_ARCHIVED = (*ARCHIVES, "INTELLIGENT_TIERING")
_RESTORE = re.compile(r'ongoing-request="(true|false)"(?:.*expiry-date="([^"]*)")?', re.DOTALL)
_LONGEST_DAYS = 365


def thaw_states(store: Store, directory: str) -> tuple[Thaw, ...]:
    """Every archived object of the set in *directory*; one that is not listed can be read. Nothing is changed.

    :raises S3Error: the store cannot be asked.
    """
    step = f"look for archived objects of {check_key(directory)}"
    found = (_state(store, step, key) for key, _class in _listed(store, step, directory))
    return tuple(thaw for thaw in found if thaw is not None)


def request_thaw(store: Store, directory: str, days: int, *, tier: str = "Standard") -> tuple[Thaw, ...]:
    """Ask for readable copies of all archived objects of the set in *directory*; return what has become of them.

    Asking twice is no mistake: what thaws already, or can be read, is left alone.

    :param days: how long the copies stay.
    :param tier: how fast, one of :data:`TIERS`; the faster, the dearer.
    :raises S3Error: the store refused; what was asked for before goes on.
    """
    step = f"thaw {directory}"
    if not 1 <= days <= _LONGEST_DAYS:
        raise ConfigError(step, f"copies cannot stay for {days} days", hint=f"from 1 to {_LONGEST_DAYS}")
    if tier not in TIERS:
        raise ConfigError(step, f"unknown tier {tier!r}", hint=" or ".join(TIERS))
    found = thaw_states(store, directory)
    return tuple(_request(store, step, thaw, days, tier) if thaw.state == "archived" else thaw for thaw in found)


def _request(store: Store, step: str, thaw: Thaw, days: int, tier: str) -> Thaw:
    wanted: dict[str, Any] = {"GlacierJobParameters": {"Tier": tier}}
    if thaw.storage_class in ARCHIVES:
        # An object of INTELLIGENT_TIERING moves back, and stays.
        wanted["Days"] = days
    try:
        store.call(step, "restore_object", thaw.key, RestoreRequest=wanted)
    except S3Error as error:
        if error.code == "RestoreAlreadyInProgress":
            return replace(thaw, state="thawing")
        if error.status == 403:
            error.add("thawing needs s3:RestoreObject")
        raise
    # Some have it at once.
    return _state(store, step, thaw.key, asked=True) or replace(thaw, state="available")


def _listed(store: Store, step: str, directory: str) -> Iterator[tuple[str, str]]:
    """Key and class of the objects below *directory* that may be in an archive."""
    start = f"{store.settings.object_key(directory)}/"
    root = len(store.settings.object_key(""))
    marks: dict[str, str] = {}
    while True:
        page = store.call(step, "list_objects_v2", Prefix=start, **marks)
        for entry in page.get("Contents", ()):
            if entry["Key"].startswith(start) and entry.get("StorageClass") in _MAY_BE_ARCHIVED:
                yield entry["Key"][root:], entry["StorageClass"]
        following = page.get("NextContinuationToken")
        if not page.get("IsTruncated"):
            return
        if not following or {"ContinuationToken": following} == marks:
            raise store.error(step, "the store says that the listing goes on, but not where")
        marks = {"ContinuationToken": following}


def _state(store: Store, step: str, key: str, *, asked: bool = False) -> Thaw | None:
    """How it is with one object; None where it is gone or in no archive.

    :param asked: whether the store has just accepted to thaw it, whatever it tells yet.
    """
    head = store.head(step, key)
    if head is None:
        return None
    storage_class = str(head.get("StorageClass") or "STANDARD")
    if storage_class not in ARCHIVES and not head.get("ArchiveStatus"):
        return None
    match = _RESTORE.search(head.get("Restore") or "")
    if match is None:
        return Thaw(key, storage_class, "thawing" if asked else "archived")
    if match[1] == "true":
        return Thaw(key, storage_class, "thawing")
    return Thaw(key, storage_class, "available", _time(match[2]))


def _time(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(timezone.utc) if text else None
    except ValueError:
        return None
