"""The whole catalogue of a label: one listing of each location, and the small objects that tell what the sets are."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from ..backupset.naming import MANIFEST, SKIPPED, SetId, check_name
from ..backupset.record_trust import StoredRecord
from ..backupset.set_records import Hold, last_to_end
from ..backupset.signing import VerifyKey
from ..locations.base import Location, ObjectInfo
from .cache import RecordCache
from .directories import SetDirectory, gather
from .reader import MAX_UNPROVEN_SETS, Read, Reader, Summary
from .search import Problems


@dataclass(frozen=True)
class SetCopy:
    """The copy of one set in one location.

    :param state: ``good``; ``damaged``, where its manifest cannot be used or its artifacts are not as it says; or
        ``unfinished``, which is no set: it has no manifest.
    :param problems: what is wrong with it, a line each.
    :param objects: by name.
    :param claims: the records beside it, as they lie there; :mod:`backupset.claims` tells which of them count.
    :param summary: of a manifest that can be used; where keys were given, one of them has signed it.
    """

    id: SetId
    state: str
    problems: tuple[str, ...]
    objects: Mapping[str, ObjectInfo]
    summary: Summary | None = None
    claims: tuple[StoredRecord, ...] = ()

    @property
    def size(self) -> int:
        """The sum of the sizes of all objects in the set's directory, in bytes."""
        return sum(info.size for info in self.objects.values())

    @property
    def hold(self) -> Hold | None:
        """The hold that is recorded in this location; if there are several, the one that ends last."""
        return last_to_end(claim.record for claim in self.claims if isinstance(claim.record, Hold))

    @property
    def skipped(self) -> bool:
        """Whether this is the record of a backup that was not made because another one was running."""
        return tuple(self.objects) == (SKIPPED,)

    @property
    def modified(self) -> datetime | None:
        """When an object of the set was last written (UTC); None if there are none."""
        return max((info.modified for info in self.objects.values()), default=None)


@dataclass(frozen=True)
class LocationIndex:
    """Everything that one location has below a label.

    :param copies: in order of time.
    :param directories: as they were listed, for whoever looks for leftovers.
    :param problems: what belongs to no set, or cannot be read.
    :param read: how many small objects were read because the cache did not have them.
    :param unseen: the sets that were not looked at and are none of *copies*, as there are too many that no key vouches
        for; with the records beside each.
    """

    location: str
    copies: Mapping[SetId, SetCopy]
    directories: Sequence[SetDirectory]
    problems: Problems
    read: int
    unseen: Mapping[SetId, tuple[StoredRecord, ...]] = field(default_factory=dict)

    def unseen_locations(self) -> Iterator[str]:
        """A warning about directories that were not read, if there are any."""
        if self.unseen:
            yield (
                f"more than {MAX_UNPROVEN_SETS:,} sets are there without a good signature: {len(self.unseen):,} others "
                "were not read and are kept (remove what does not belong there, or sign your own sets with backup_sign)"
            )


def read_index(reader: Reader, *, leftovers: bool = False) -> LocationIndex:
    """Read what a location holds of a label.

    :param reader: for that location and label.
    :param leftovers: whether to list unfinished objects, too.
    :raises BackupError: it could not be listed to its end, or an object could not be read.
    """
    location, label = reader.location, reader.label
    gathered = gather(location, check_name(label, "label"), [label], leftovers=leftovers)
    directories = sorted(gathered.directories.values(), key=attrgetter("id"))
    found = reader.read(directories[::-1])[::-1]
    reader.cache.save()
    problems = Problems(gathered.problems)
    copies: dict[SetId, SetCopy] = {}
    unseen: dict[SetId, tuple[StoredRecord, ...]] = {}
    for directory, read in zip(directories, found, strict=True):
        problems.extend(directory.foreign)
        problems.extend(read.problems)
        if read.unseen:
            unseen[directory.id] = tuple(read.claims)
        elif directory.objects:
            copies[directory.id] = _copy(directory, read)
    return LocationIndex(location.name, copies, directories, problems, reader.count, unseen)


def read_copy(
    location: Location,
    label: str,
    set_id: SetId,
    *,
    verify_keys: Sequence[VerifyKey] = (),
    record_keys: Sequence[VerifyKey] = (),
) -> SetCopy | None:
    """Read what a location holds of one set, past any cache; None where its directory is empty.

    :param verify_keys: and *record_keys*, see :class:`Reader`.
    :raises BackupError: as :func:`read_index`.
    """
    place = set_id.directory(check_name(label, "label"))
    directory = gather(location, label, [place], leftovers=False).directories.get(set_id)
    if directory is None or not directory.objects:
        return None
    reader = Reader(location, label, RecordCache(None), verify_keys, record_keys)
    return _copy(directory, reader.read([directory])[0])


@contextlib.contextmanager
def objects_stay() -> Iterator[None]:
    """Without the collector of cycles, which would look through ten thousand sets again and again for none.

    Around whoever reads catalogues: threads that begin and end this by themselves would undo one another's.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _copy(directory: SetDirectory, read: Read) -> SetCopy:
    problems = [*directory.foreign.messages(), *read.problems.messages()]
    if MANIFEST not in directory.objects:
        state = "unfinished"
    else:
        problems += [read.distrust] if read.distrust else []
        problems += _wrong(directory, read.summary)
        state = "damaged" if read.summary is None or problems else "good"
    return SetCopy(
        directory.id,
        state,
        tuple(problems),
        directory.objects,
        read.summary,
        tuple(read.claims),
    )


def _wrong(directory: SetDirectory, summary: Summary | None) -> Iterator[str]:
    """What speaks against a copy whose manifest can be read, as far as a listing shows."""
    if summary is None:
        return
    for name, size in summary.artifacts.items():
        info = directory.objects.get(name)
        if info is None:
            yield f"{name} is missing"
        elif info.size != size:
            yield f"{name} has {info.size} bytes, and the manifest says {size}"
