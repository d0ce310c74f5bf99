"""A clean-up's plan carried out in one location."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...backupset.naming import MANIFEST, MARK, SIGNATURE, SetId
from ...catalogue.index import SetCopy
from ...catalogue.unfinished import Reaped, Unfinished, reap
from ...errors import BackupError
from ...locations.base import Location, ObjectInfo
from ...progress import doing
from ...stream.pipeline import as_backup_error
from .locked import may_lock, protection_of

_FIRST = (MANIFEST, SIGNATURE)
_MARK = b'{"format": "mobul.backup/deletion", "version": 1}\n'


@dataclass
class Cleaned:
    """The result of pruning one location.

    :param deleted: newest first.
    :param freed: bytes.
    :param protected: what the store itself would not let go by then, with its reason.
    :param changed: what is not as it was when it was planned, and so was left alone.
    :param failure: what ended it early; the rest is left to the next run.
    """

    location: str
    deleted: list[SetId] = field(default_factory=list)
    freed: int = 0
    protected: dict[SetId, str] = field(default_factory=dict)
    changed: list[SetId] = field(default_factory=list)
    reaped: Reaped = field(default_factory=lambda: Reaped((), 0, (), ()))
    failure: BackupError | None = None


def clean(location: Location, label: str, goes: Iterable[SetCopy], unfinished: Iterable[Unfinished]) -> Cleaned:
    """Delete what is to go; never raises for the location's sake.

    The newest goes first, so that at no moment a later set could take the place of a month's first. Of each set the
    manifest goes first: without it the rest is no set any more, and is what a later run removes.
    """
    cleaned = Cleaned(location.name)
    try:
        locks = may_lock(location)
        due = sorted(goes, key=lambda one: one.id, reverse=True)
        for number, copy in enumerate(due, 1):
            doing(f"set {number} of {len(due)} in {location.name} ({copy.id})")
            _delete(location, label, copy, cleaned, locks=locks)
        doing(f"what was never finished in {location.name}")
        cleaned.reaped = reap(location, unfinished)
        cleaned.freed += cleaned.reaped.freed
    except Exception as error:
        cleaned.failure = as_backup_error(error, f"clean up {location.name}")
    return cleaned


def _delete(location: Location, label: str, copy: SetCopy, cleaned: Cleaned, *, locks: bool) -> None:
    """Delete one copy unless a hold was placed meanwhile.

    The mark comes before the look for a hold, and whoever holds the set looks for marks once the hold is there. So of
    the two, whose requests may take any time, at least one sees the other; and where both do, both step back.
    """
    planned = sorted(copy.objects.values(), key=lambda info: info.key)
    if locks and (reason := protection_of(location, planned)) is not None:
        cleaned.protected[copy.id] = reason
        return
    mark = f"{copy.id.directory(label)}/{MARK}{secrets.token_hex(8)}"
    location.put(mark, _MARK)
    there = [info for info in location.list(copy.id.directory(label)) if info.key != mark]
    if there != planned:
        # A hold, say, that somebody placed a moment ago; or another run that cleans up.
        location.delete(mark)
        cleaned.changed.append(copy.id)
        return
    for info in _in_order(there):
        location.delete(info.key)
        cleaned.freed += info.size
    location.delete(mark)
    cleaned.deleted.append(copy.id)


def _in_order(objects: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
    named = {info.key.rpartition("/")[2]: info for info in objects}
    yield from (named.pop(name) for name in _FIRST if name in named)
    yield from named.values()
