"""The checks that read more than the catalogue: the files of the newest sets, and the manifests before them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..backupset.manifest import Manifest
from ..catalogue import LoadedSet
from ..catalogue.all_locations import Catalogue, KnownSet
from ..catalogue.good_set import GoodSet
from ..catalogue.loading import load_again
from ..errors import BackupError, LocationError
from ..findings import FAILED, PASSED, WARNING, Finding
from ..locations.base import Location
from ..postgres.names import TableName, display_name
from ..progress import expect, stage
from ..reading.artifact import NotAsWritten, StoredArtifact
from ..stream.pipeline import as_backup_error
from ..texts import readable_size
from .checks import newest_good
from .size_band import LARGE, NORMAL, SMALL, UNKNOWN, judge_count

STEP = "read the backups"
_BEFORE = 12
"""Manifests before the newest whose numbers of rows are looked at."""
_READERS = 8
_CRITICAL = 1
_ROW_STATUS = {SMALL: FAILED, LARGE: WARNING, NORMAL: PASSED, UNKNOWN: PASSED}


def check_checksums(
    catalogue: Catalogue, sets: Sequence[KnownSet], locations: Sequence[Location], min_copies: int = 0
) -> list[Finding]:
    """Read every file of *sets* in every location that has a good copy, and compare its SHA-256; by location.

    All locations are read at the same time; what is read is kept nowhere. A location that cannot be read to the end is
    a warning where *min_copies* others could be.
    """
    unread: list[str] = []

    def check(location: Location) -> Finding | None:
        here = [one for one in sets if location.name in one.good]
        if not here:
            return None
        try:
            return _check_location(location, catalogue.label, here)
        except Exception as error:
            message = str(as_backup_error(error, f"{STEP}: {location.name}"))
            if isinstance(error, LocationError):
                unread.append(location.name)
            return Finding(check="checksum", subject=location.name, status=FAILED, message=message)

    readers = ThreadPoolExecutor(max_workers=max(1, len(locations)), thread_name_prefix="checksums")
    with stage("read the newest sets back"), readers as pool:
        found = [one for one in pool.map(check, locations) if one is not None]
    proven = {one.subject for one in found if one.status == PASSED}
    if min_copies and all(len(proven & set(one.good)) >= min_copies for one in sets):
        return [replace(one, status=WARNING) if one.subject in unread else one for one in found]
    return found


def _check_location(location: Location, label: str, sets: Sequence[KnownSet]) -> Finding:
    files = total = 0
    wrong = []
    for one in sets:
        good = GoodSet(location, _load(one, location, label))
        expect(sum(artifact.size for artifact in good.manifest.artifacts))
        for artifact in good.manifest.artifacts:
            files, total = files + 1, total + artifact.size
            try:
                StoredArtifact(good, artifact).verify()
            except NotAsWritten:
                wrong.append(f"{one.id}/{artifact.name}")
    if wrong:
        message = (
            f"not what was written: {', '.join(wrong)} (backup_replicate with repair: true and backup: "
            f"{wrong[0].partition('/')[0]} replaces it by a good copy)"
        )
        return Finding(check="checksum", subject=location.name, status=FAILED, message=message)
    message = f"{files} files, {readable_size(total)}, read and as they were written"
    return Finding(check="checksum", subject=location.name, status=PASSED, message=message)


def check_rows(catalogue: Catalogue, locations: Sequence[Location]) -> Iterator[Finding]:
    """Whether the critical tables of the newest set have as many rows as is likely, by table."""
    newest = newest_good(catalogue)
    if newest is None:
        return
    before = [one for one in catalogue.backups if one.good and one.id < newest.id][-_BEFORE:]
    try:
        manifests = _manifests([*before, newest], catalogue.label, {one.name: one for one in locations})
    except BackupError as error:
        yield Finding(check="rows", status=FAILED, message=str(error))
        return
    now = _critical(manifests[-1])
    for table in sorted({table for manifest in manifests for table in _critical(manifest)}):
        history = [found[table] for found in map(_critical, manifests[:-1]) if table in found]
        name = display_name(table)
        if table not in now:
            if history and table in _critical(manifests[-2]):
                message = f"the table was in the set before, and is not in {newest.id}"
                yield Finding(check="rows", subject=name, status=FAILED, message=message)
            continue
        judged = judge_count(now[table], history)
        message = f"{newest.id}: {judged.message}"
        yield Finding(check="rows", subject=name, status=_ROW_STATUS[judged.status], message=message)


def _critical(manifest: Manifest) -> dict[TableName, int]:
    """Critical table -> its row count in the manifest."""
    return {(one.schema, one.name): one.rows for one in manifest.tables if one.priority == _CRITICAL}


def _manifests(sets: Sequence[KnownSet], label: str, locations: dict[str, Location]) -> list[Manifest]:
    def read(one: KnownSet) -> Manifest:
        for name in one.good[:-1]:
            # A location may have gone since it was looked at.
            with contextlib.suppress(LocationError):
                return _load(one, locations[name], label).manifest
        return _load(one, locations[one.good[-1]], label).manifest

    with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="manifests") as pool:
        return list(pool.map(read, sets))


def _load(one: KnownSet, location: Location, label: str) -> LoadedSet:
    """The manifest that the catalogue has looked at, and no other."""
    summary = one.copies[location.name].summary
    if summary is None:
        raise AssertionError("a good copy has a manifest")
    return load_again(location, label, one.id, sha256=summary.sha256, signature=summary.signature)
