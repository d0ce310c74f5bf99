"""The catalogue of a label over all of its locations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from ..backupset.naming import DUMP_PREFIX, SetId, check_name
from ..backupset.record_trust import RecordWarning, StoredRecord, TrustedRecords, count
from ..backupset.signing import VerifyKey
from ..errors import BackupError
from ..locations.base import Location
from ..stream.pipeline import as_backup_error
from .cache import RecordCache
from .index import LocationIndex, SetCopy, read_index
from .reader import Reader, Summary
from .search import STEP


@dataclass(frozen=True)
class KnownSet:
    """One set, put together from its copies in all locations.

    :param copies: by location, unfinished ones too.
    :param missing: the locations that were looked at and have nothing of it.
    :param unknown: the locations that could not be looked at, and those in which it was not.
    :param elsewhere: by such a location, the records that lie beside it there.
    """

    id: SetId
    copies: Mapping[str, SetCopy]
    missing: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[StoredRecord, ...]] = field(default_factory=dict)

    @cached_property
    def good(self) -> tuple[str, ...]:
        """The locations whose copy is whole and like the others."""
        if len(self._digests) > 1:
            return ()
        return tuple(name for name, copy in self.copies.items() if copy.state == "good")

    @cached_property
    def state(self) -> str:
        """``good`` with one good copy at least, else ``damaged``; ``unfinished`` where no copy has a manifest."""
        if self.good:
            return "good"
        return "unfinished" if {copy.state for copy in self.copies.values()} == {"unfinished"} else "damaged"

    @cached_property
    def skipped(self) -> bool:
        """Whether no set exists and only a note says that its backup was skipped."""
        return all(copy.skipped for copy in self.copies.values())

    @cached_property
    def summary(self) -> Summary | None:
        """What its manifest says, that of a good copy if there is one."""
        ordered = sorted(self.copies.values(), key=lambda copy: copy.state != "good")
        return next((copy.summary for copy in ordered if copy.summary is not None), None)

    @cached_property
    def size(self) -> int:
        """The size of the largest copy, in bytes."""
        return max(copy.size for copy in self.copies.values())

    @cached_property
    def dump_size(self) -> int:
        """Bytes of its dump, which does not depend on what else is exported; 0 where no manifest can be read."""
        artifacts = {} if self.summary is None else self.summary.artifacts
        return sum(size for name, size in artifacts.items() if name.startswith(DUMP_PREFIX))

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """The problems of all copies, each with the name of its location."""
        problems = [f"{name}: {problem}" for name, copy in self.copies.items() for problem in copy.problems]
        if len(self._digests) > 1:
            problems.append("its copies have different manifests: one of them is not what was written")
        return tuple(problems)

    @property
    def has_records(self) -> bool:
        """Whether anything is said of it beside one of its copies; of most sets nothing is."""
        return bool(self.elsewhere) or any(copy.claims for copy in self.copies.values())

    def counted(self, now: datetime) -> TrustedRecords:
        """The records beside the copies that are trusted at the time *now*."""
        if not self.has_records:
            return TrustedRecords()
        claims = {**self.elsewhere, **{name: copy.claims for name, copy in self.copies.items()}}
        return count(claims, (*self.copies, *self.missing, *self.unknown), self._manifests, now)

    def released_everywhere(self, counted: TrustedRecords) -> bool:
        """Whether a release is in force in every location that has a copy."""
        return {name for name, copy in self.copies.items() if copy.state != "unfinished"} <= counted.released

    @cached_property
    def _manifests(self) -> Mapping[str, str]:
        """Their SHA-256 by location. One that no key vouches for cannot cast doubt on others, and is left out."""
        summaries = {name: copy.summary for name, copy in self.copies.items()}
        return {name: one.sha256 for name, one in summaries.items() if one is not None}

    @cached_property
    def _digests(self) -> frozenset[str]:
        """The SHA-256 digests of the manifests; more than one if copies differ."""
        return frozenset(self._manifests.values())


@dataclass(frozen=True)
class Catalogue:
    """The sets of one label in all locations, and everything else that lies there.

    :param sets: oldest first, unfinished ones too.
    :param indexes: by location.
    :param failures: why a location could not be looked at.
    :param vouching: whether keys for records were given.
    """

    label: str
    sets: tuple[KnownSet, ...]
    indexes: Mapping[str, LocationIndex]
    failures: Mapping[str, BackupError]
    vouching: bool = False

    @cached_property
    def finished(self) -> tuple[KnownSet, ...]:
        """The sets that have a manifest somewhere, exports among them."""
        return tuple(one for one in self.sets if one.state != "unfinished")

    @cached_property
    def backups(self) -> tuple[KnownSet, ...]:
        """The finished sets that are backups of the whole database, without exports."""
        return tuple(one for one in self.finished if one.id.is_backup)

    @property
    def foreign_count(self) -> int:
        """The number of objects that belong to no set."""
        return sum(index.problems.total for index in self.indexes.values())

    @cached_property
    def foreign(self) -> tuple[str, ...]:
        """What is damaged or does not belong there, with the location's name: the first of it, and how much more."""
        return tuple(f"{name}: {line}" for name, index in self.indexes.items() for line in index.problems.messages())

    @property
    def unseen(self) -> tuple[str, ...]:
        """What is to be known of sets that were not looked at, with the location's name."""
        return tuple(f"{name}: {path}" for name, index in self.indexes.items() for path in index.unseen_locations())

    def doubts(self, now: datetime) -> Iterator[RecordWarning]:
        """What somebody should look at of the records beside its sets."""
        for one in self.sets:
            yield from one.counted(now).doubts


def read_catalogue(
    locations: Sequence[Location],
    label: str,
    *,
    cache_dir: str | None,
    verify_keys: Sequence[VerifyKey] = (),
    record_keys: Sequence[VerifyKey] = (),
    leftovers: bool = False,
) -> Catalogue:
    """Look at all locations at the same time; one that fails spoils no other.

    :param cache_dir: where what was read is kept; None keeps nothing.
    :param leftovers: whether to list unfinished objects, too.
    """
    check_name(label, "label")

    def look(location: Location) -> LocationIndex | BackupError:
        try:
            cache = RecordCache(cache_dir, location.place, label)
            return read_index(Reader(location, label, cache, verify_keys, record_keys), leftovers=leftovers)
        except Exception as error:
            return as_backup_error(error, f"{STEP}: {location.name}")

    with ThreadPoolExecutor(max_workers=max(1, len(locations)), thread_name_prefix="catalogue") as pool:
        found = list(pool.map(look, locations))
    names = [location.name for location in locations]
    indexes = {name: one for name, one in zip(names, found, strict=True) if isinstance(one, LocationIndex)}
    failures = {name: one for name, one in zip(names, found, strict=True) if isinstance(one, BackupError)}
    ids = sorted({set_id for index in indexes.values() for set_id in index.copies})
    sets = tuple(_known(set_id, indexes, tuple(failures)) for set_id in ids)
    return Catalogue(label, sets, indexes, failures, vouching=bool(record_keys))


def _known(set_id: SetId, indexes: Mapping[str, LocationIndex], unknown: tuple[str, ...]) -> KnownSet:
    copies = {name: index.copies[set_id] for name, index in indexes.items() if set_id in index.copies}
    elsewhere = {name: index.unseen[set_id] for name, index in indexes.items() if set_id in index.unseen}
    missing = tuple(name for name in indexes if name not in copies and name not in elsewhere)
    return KnownSet(set_id, copies, missing, (*unknown, *elsewhere), elsewhere)
